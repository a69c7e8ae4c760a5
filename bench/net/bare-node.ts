import { setTimeout as sleep } from 'node:timers/promises'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import type { GossipsubInternals, Rpc, RpcMessage } from '../../src/actors/network/gossip/gossipsub-internals.js'
import { SIGNED_COMMITMENT_SIZE } from '../../src/protocol/index.js'
import { bareGossip, gossipMessage, topics } from './bare-gossip.js'
import { createBare } from './bare-libp2p.js'
import { heightOf } from './blocks.js'
import { Flooder } from './flooder.js'
import { evenly } from './pace.js'
import { comeAndGo } from './passers-by.js'
import type { StartSubject } from './subject.js'

/** How much may wait for a stream before a blast waits, bytes. */
const AHEAD = 1024 * 1024

/** js-libp2p with gossipsub, in the form of SPEC §5, and no validation. What arrives are its `message` events. */
export const startBare: StartSubject = async ({ sink = false, listen = true }, { arrivals }) => {
  const node = await createBare({ listen, gossip: bareGossip })
  const { pubsub } = node.services
  const internals = pubsub as unknown as GossipsubInternals & { mcache: { put(id: unknown, message: RpcMessage): void } }
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
    async publish(topic, bytes) { await pubsub.publish(topics[topic], await gossipMessage(topic, bytes)) },

    async prepare({ topic, messages }) {
      const { mcache } = internals
      const send = internals.sendRpc.bind(internals)
      const put = mcache.put.bind(mcache)
      mcache.put = (_id, message) => { ready.push(message) }
      internals.sendRpc = (id, rpc) => rpc.messages.length > 0 || send(id, rpc)
      try {
        for (const message of messages) await pubsub.publish(topics[topic], await gossipMessage(topic, message))
      } finally {
        internals.sendRpc = send
        mcache.put = put
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
    flood: async ({ address, perSecond }) => new Flooder(address, ready.splice(0)).run(perSecond),
    comeAndGo: async ({ address, peers, everyMs }) => comeAndGo(address, peers, everyMs),
    request: async () => Promise.reject(new Error('only a service asks for commitments')),
    figures: async () => Promise.resolve({}),
    async stop() { await node.stop() },
  }
}
