import { expect } from 'chai'
import { chainOf } from '../support/chain-builder.js'
import { house } from './harness.js'
import type { House } from './harness.js'

/** A chain longer than what is kept in memory, without a confirmed tip: 100 to 159, of which a restart loads the last sixteen. */
describe('chain: a long chain without a tip, after a restart', () => {
  const config = { maxReorgDepth: 8, memoryBlocks: 16 }
  let h: House
  beforeEach(async () => {
    h = await house({ config })
    for (let from = 100; from < 160; from += 20) await h.page(chainOf(100, 159).slice(from - 100, from - 80))
    expect((await h.standing()).head.blockNumber).to.equal(159n)
    h = await h.restart({ config })
    expect((await h.standing()).head.blockNumber).to.equal(159n)
  })
  afterEach(() => h.kit.stop())

  const done = async (work: Promise<void>): Promise<unknown> => {
    const outcome = work.then(() => undefined, (error: unknown) => error)
    await h.kit.settle()
    return outcome
  }

  it('stands on its own first block: a rewind below what is in memory works', async () => {
    expect(await done(h.chain.rewind(120n, 1_000))).to.equal(undefined)
    expect((await h.standing()).head.blockNumber).to.equal(120n)
  })

  it('a tip right below its first block confirms it, and demotes nothing', async () => {
    expect(await done(h.chain.confirm({ blockNumber: 99n }, 1_000))).to.equal(undefined)
    expect((await h.standing()).head.blockNumber).to.equal(159n)
    expect(await h.canonical()).to.have.length(60)
  })

  it('a tip of the configuration right below its first block, at the next start', async () => {
    h = await h.restart({ config: { ...config, confirmedTip: { blockNumber: 99n } } })
    expect((await h.standing()).head.blockNumber).to.equal(159n)
    expect(await h.canonical()).to.have.length(60)
  })
})
