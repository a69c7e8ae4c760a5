import { expect } from 'chai'
import { describeTransports } from '../support/transport.js'
import { until } from '../support/until.js'
import { WITHIN, commitment, connect, equal, startNode, stopAll, txList } from './harness.js'

describeTransports('network: gossip', transport => {
  afterEach(stopAll)

  it('brings a commitment and a txlist to the validator, with where they came from', async () => {
    const [a, b] = await Promise.all([startNode(transport), startNode(transport)])
    await connect(a, b)
    expect(await a.network.publish('txLists', txList(1, 100_000), WITHIN)).to.deep.equal({ recipients: 1 })
    expect(await a.network.publish('commitments', commitment(1), WITHIN)).to.deep.equal({ recipients: 1 })
    await until(() => b.validator.received.length === 2, 'both at b')
    const first = b.validator.expect('txList')
    expect(equal(first.bytes, txList(1, 100_000))).to.equal(true)
    expect(first.origin).to.include({ kind: 'gossip', peer: a.peerId })
    expect(equal(b.validator.expect('commitment').bytes, commitment(1))).to.equal(true)
    expect((await b.network.figures(WITHIN)).gossip.verdicts.commitments).to.deep.equal({ accept: 1, reject: 0, ignore: 0 })
  })
})
