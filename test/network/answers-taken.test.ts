import { expect } from 'chai'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import { encodeFrame, protocolsOf } from '../../src/protocol/index.js'
import { describeTransports } from '../support/transport.js'
import { until } from '../support/until.js'
import { CHAIN, WITHIN, pass, startNode, txList } from './harness.js'
import { collect, rawPeer } from './raw-peer.js'

const TWO_MIB = 2_097_152
const protocols = protocolsOf(CHAIN)

describeTransports('network: answers that have left', transport => {
  for (const how of ['stopping', 'hanging up'] as const) {
    it(`H40: ${how} leaves whoever was sent a large answer the time to read it`, async () => {
      const clock = new ManualClock()
      const [node, peer] = await Promise.all([startNode(transport, { clock }), rawPeer(transport)])
      await peer.dial(node.address)
      const stream = await peer.open(node.peerId, protocols.txList)
      const { bytes } = collect(stream)
      stream.send(encodeFrame(txList(1, 0).subarray(0, 32)))
      void stream.close().catch(() => undefined)
      const { request } = await until(() => node.store.received.find(message => message.type === 'serveTxList'), 'asked')
      void node.network.answer(request, txList(1, TWO_MIB))
      await until(async () => (await node.network.figures(WITHIN)).serving.served.txList === 1, 'the answer has left')
      const ended = how === 'stopping' ? node.stop() : node.network.hangUp(peer.peerId, WITHIN)
      await pass(clock, 450)
      expect(peer.node.getConnections()).to.have.length(1)
      await until(() => bytes().length > TWO_MIB, 'read')
      await pass(clock, 550)
      await ended
    })
  }
})
