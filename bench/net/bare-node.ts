import '../../src/polyfill.js'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { peerIdFromString } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { setTimeout as sleep } from 'node:timers/promises'
import type { GossipsubInternals, Rpc, RpcMessage } from '../../src/actors/network/gossipsub-internals.js'
import {
  DEFAULT_CHAIN_ID, RawTxListGossipCodec, SIGNED_COMMITMENT_SIZE, gossipMessageId, gossipParams, loadCrypto, toHex, topicsOf, txListHash,
} from '../../src/protocol/index.js'
import { heightOf } from './blocks.js'
import { evenly } from './pace.js'
import type { StartSubject } from './subject.js'

const topics = topicsOf(DEFAULT_CHAIN_ID)

/** Never the limit of a bench. Bytes. */
const BUFFER = 1024 ** 3

/** How much may wait for a stream before a blast waits, bytes. */
const AHEAD = 1024 * 1024

/** A txlist as it is gossiped. */
async function txListMessage(txlist: Uint8Array): Promise<Uint8Array> {
  return RawTxListGossipCodec.encode({ rawTxListHash: txListHash(await loadCrypto(), txlist), txlist })
}

/**
 * The same libraries with nothing of ours in front of them: tcp, noise, yamux, identify, gossipsub with StrictSign, the mesh of SPEC §5
 * and its message id, and no validation.
 */
export const startBare: StartSubject = async ({ sink = false, listen = true }, { arrivals }) => {
  const messageId = gossipMessageId({ topics })
  const node = await createLibp2p({
    addresses: { listen: listen ? ['/ip4/127.0.0.1/tcp/0'] : [] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1_000 },
    connectionMonitor: { enabled: false },
    services: {
      identify: identify(),
      pubsub: gossipsub({
        globalSignaturePolicy: 'StrictSign', asyncValidation: false, emitSelf: false, fallbackToFloodsub: false, floodPublish: false, doPX: false,
        allowPublishToZeroTopicPeers: true, allowedTopics: [topics.commitments, topics.txLists],
        msgIdFn: ({ topic, data }) => messageId(topic, data), msgIdToStrFn: toHex,
        D: gossipParams.D, Dlo: gossipParams.Dlo, Dhi: gossipParams.Dhi, Dlazy: gossipParams.Dlazy, gossipFactor: gossipParams.gossipFactor,
        heartbeatInterval: gossipParams.heartbeatMs, mcacheLength: gossipParams.historyLength, mcacheGossip: gossipParams.historyGossip,
        seenTTL: gossipParams.seenTtlMs, maxInboundDataLength: 11 * 1024 * 1024, maxOutboundBufferSize: BUFFER,
      }),
    },
  })
  const { pubsub } = node.services
  const internals = pubsub as unknown as GossipsubInternals
  const ready: RpcMessage[] = []

  if (sink) {
    const receive = internals.handleReceivedRpc.bind(internals)
    internals.handleReceivedRpc = (from, rpc) => {
      for (const { data } of rpc.messages) if (data?.length === SIGNED_COMMITMENT_SIZE) arrivals.arrived(heightOf(data))
      return receive(from, { ...rpc, messages: [] })
    }
  } else {
    pubsub.addEventListener('message', ({ detail: { data } }) => {
      if (data.length === SIGNED_COMMITMENT_SIZE) arrivals.arrived(heightOf(data))
    })
  }
  pubsub.subscribe(topics.commitments)
  pubsub.subscribe(topics.txLists)

  return {
    peerId: node.peerId.toString(),
    address: node.getMultiaddrs()[0]?.toString() ?? '',
    async dial(address) { await node.dial(multiaddr(address)) },
    hangUp: peerId => node.hangUp(peerIdFromString(peerId)),
    meshPeers: async () => Promise.resolve(internals.getMeshPeers(topics.commitments).length),
    async publish(topic, bytes) { await pubsub.publish(topics[topic], topic === 'commitments' ? bytes : await txListMessage(bytes)) },

    async prepare({ topic, messages }) {
      const send = internals.sendRpc.bind(internals)
      internals.sendRpc = (id, rpc) => {
        ready.push(...rpc.messages)
        return rpc.messages.length > 0 || send(id, rpc)
      }
      try {
        for (const message of messages) await pubsub.publish(topics[topic], topic === 'commitments' ? message : await txListMessage(message))
      } finally {
        internals.sendRpc = send
      }
      return ready.length
    },

    async blast({ peerId, perSecond }) {
      const messages = ready.splice(0)
      const send = (message: RpcMessage): boolean => internals.sendRpc(peerId, { subscriptions: [], messages: [message] } satisfies Rpc)
      if (perSecond !== undefined) {
        await evenly(messages.length, perSecond, at => { send(messages[at]!) })
        return messages.length
      }
      const waiting = (): number => internals.streamsOutbound.get(peerId)?.rawStream.writeBufferLength ?? 0
      for (const message of messages) {
        while (waiting() > AHEAD) await sleep(1)
        send(message)
      }
      return messages.length
    },
    request: async () => Promise.reject(new Error('only a service asks for commitments')),
    figures: async () => Promise.resolve({}),
    async stop() { await node.stop() },
  }
}
