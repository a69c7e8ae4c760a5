import { expect } from 'chai'
import { chainOf } from '../support/chain-builder.js'
import { house, shown } from './harness.js'

describe('chain: the actor', () => {
  it('takes a chain in order, tells, stores, and serves its head', async () => {
    const h = await house()
    const blocks = chainOf(100, 105)
    for (const block of blocks) expect(await h.gossip(block)).to.equal('accept')
    expect(await h.canonical()).to.deep.equal(shown(blocks))
    expect((await h.standing()).head.blockNumber).to.equal(105n)
    await h.kit.stop()
  })
})
