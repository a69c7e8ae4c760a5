import '../../src/polyfill.js'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { gossipsub } from '@libp2p/gossipsub'
import type { GossipSub, GossipsubOpts } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Connection, Libp2p, PrivateKey, Stream, StreamMuxerFactory } from '@libp2p/interface'
import { memory } from '@libp2p/memory'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { started } from '../setup/registry.js'
import { listenOn } from '../support/transport.js'
import type { TestTransport } from '../support/transport.js'
import { CHAIN } from './harness.js'
import { gossipMessageId, toHex, topicsOf } from '../../src/protocol/index.js'

/** A peer of another make: the plain libraries with nothing of ours in front of them, to misbehave in any way. */
export interface RawPeer {
  readonly node: Libp2p
  readonly pubsub: GossipSub | undefined
  readonly peerId: string
  readonly address: string
  /** Everything that came by gossip and was a first copy. */
  readonly got: Array<{ readonly topic: string; readonly data: Uint8Array; readonly from: string }>
  /** ConnectionManager on which identify is done. */
  identified(): number
  dial(address: string): Promise<Connection>
  /** A stream to a peer that is connected. */
  open(peer: string, protocol: string): Promise<Stream>
}

export interface RawPeerOptions {
  readonly gossip?: boolean | Partial<GossipsubOpts>
  readonly subscribe?: readonly string[]
  readonly agent?: string
  readonly privateKey?: PrivateKey
  readonly muxer?: () => StreamMuxerFactory
  readonly listen?: boolean
}

export const topics = topicsOf(CHAIN)
const running = new Set<Libp2p>()

export async function stopRawPeers(): Promise<void> {
  for (const node of running) await node.stop()
  running.clear()
}

export async function rawPeer(transport: TestTransport, options: RawPeerOptions = {}): Promise<RawPeer> {
  const { gossip = false, agent = 'other/1.0.0' } = options
  const messageId = gossipMessageId({ topics })
  const pubsubOf = gossipsub({
    asyncValidation: false, allowPublishToZeroTopicPeers: true, fallbackToFloodsub: false, floodPublish: false, heartbeatInterval: 500,
    msgIdFn: ({ topic, data }) => messageId(topic, data), msgIdToStrFn: toHex,
    maxInboundDataLength: 11 * 1024 * 1024,
    ...(typeof gossip === 'object' ? gossip : {}),
  })
  const node = await createLibp2p({
    ...(options.privateKey !== undefined && { privateKey: options.privateKey }),
    nodeInfo: { name: 'other', version: '1.0.0', userAgent: agent },
    addresses: { listen: options.listen === false ? [] : [listenOn(transport)] },
    transports: [transport === 'memory' ? memory() : tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [options.muxer ?? yamux()],
    connectionManager: { inboundConnectionThreshold: 1_000 },
    connectionMonitor: { enabled: false },
    services: { identify: identify(), ping: ping(), ...(gossip !== false && { pubsub: pubsubOf }) },
  })
  running.add(node)
  started(async () => node.stop())
  const pubsub = gossip === false ? undefined : (node.services as { pubsub?: GossipSub }).pubsub
  let identified = 0
  node.addEventListener('peer:identify', () => { identified++ })
  const peer: RawPeer = {
    identified: () => identified,
    node, pubsub, peerId: node.peerId.toString(), address: node.getMultiaddrs()[0]?.toString() ?? '', got: [],
    dial: address => node.dial(multiaddr(address)),
    async open(to, protocol) {
      const connection = node.getConnections().find(({ remotePeer, status }) => remotePeer.toString() === to && status === 'open')
      if (connection === undefined) throw new Error(`not connected to ${to}`)
      return connection.newStream([protocol])
    },
  }
  pubsub?.addEventListener('gossipsub:message', ({ detail: { msg, propagationSource } }) => {
    peer.got.push({ topic: msg.topic, data: msg.data, from: propagationSource.toString() })
  })
  for (const topic of options.subscribe ?? [topics.commitments, topics.txLists]) pubsub?.subscribe(topic)
  return peer
}

/** Resolves after so many heartbeats of the peer's gossipsub, which is as often as a node's: two pass in three of them. */
export function heartbeats(peer: RawPeer, count: number): Promise<void> {
  return new Promise(resolve => {
    let left = count
    const beat = (): void => {
      if (--left > 0) return
      peer.pubsub?.removeEventListener('gossipsub:heartbeat', beat)
      resolve()
    }
    peer.pubsub?.addEventListener('gossipsub:heartbeat', beat)
  })
}

/** Everything that comes on a stream until it ends, is reset or the test has enough; and how it ended. */
export function collect(stream: Stream): { readonly bytes: () => Buffer; readonly ended: Promise<'closed' | 'reset'> } {
  const chunks: Buffer[] = []
  stream.addEventListener('message', ({ data }) => { chunks.push(Buffer.from(data.subarray())) })
  const ended = new Promise<'closed' | 'reset'>(resolve => {
    stream.addEventListener('remoteCloseWrite', () => { resolve('closed') })
    stream.addEventListener('close', ({ error }) => { resolve(error === undefined ? 'closed' : 'reset') })
    if (stream.status === 'reset') resolve('reset')
    else if (stream.remoteWriteStatus === 'closed') resolve('closed')
  })
  return { bytes: () => Buffer.concat(chunks), ended }
}
