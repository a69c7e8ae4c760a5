import { expect } from 'chai'
import { describeTransports } from '../support/transport.js'
import { until } from '../support/until.js'
import { WITHIN, connect, equal, headRequest, startNode, stopAll } from './harness.js'

describeTransports('network: requests', transport => {
  afterEach(stopAll)

  it('asks a peer and gives its answer', async () => {
    const [a, b] = await Promise.all([startNode(transport), startNode(transport)])
    await connect(a, b)
    const asked = a.network.request('head', headRequest, {}, WITHIN)
    const { request } = await until(() => b.chain.received.find(message => message.type === 'serveHead'), 'asked')
    const head = new Uint8Array(64).fill(7)
    void b.network.answer(request, head)
    const { peer, body } = await asked
    expect(peer).to.equal(b.peerId)
    expect(equal(body, head)).to.equal(true)
  })
})
