import '../../polyfill.js'
import { noise } from '@chainsafe/libp2p-noise'
import { gossipsub } from '@libp2p/gossipsub'
import type { GossipSub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Identify } from '@libp2p/identify'
import type { ConnectionGater, Libp2p } from '@libp2p/interface'
import { memory } from '@libp2p/memory'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { createLibp2p, dnsaddrResolver } from 'libp2p'
import type { Topics } from '../../protocol/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import { hostResolver } from './addresses.js'
import { IDENTIFY_PROTOCOL } from './config.js'
import type { NetworkConfig } from './config.js'
import { NetworkError } from './errors.js'
import { gossipsubOptions } from './gossip/options.js'
import type { Handshake } from './handshake/handshake.js'
import { mendedYamux } from './workarounds/connection.js'
import { keepSigningKey } from './workarounds/signing-key.js'

export type Node = Libp2p<{ identify: Identify; ping: unknown; pubsub: GossipSub }>

export interface NodeNeeds {
  readonly topics: Topics
  readonly gater: ConnectionGater
  readonly handshake: Handshake
  appScore(peer: PeerKey): number
}

/** Between two pings of a connection: what its latency is read from. Milliseconds. */
const PING_EVERY_MS = 10_000
/** A ping unanswered for so long ends the connection. Longer than any exchange may take, so that none dies of a busy thread. */
const PING_WITHIN_MS = 30_000
/** Streams that one connection may have open, also before we have done with letting it in: who asks as soon as it may is answered. */
const STREAMS_PER_CONNECTION = 256

/** What a peer may send on a stream before it is read: half of what libp2p buffers for a paused stream before it aborts it. */
const WINDOW_BYTES = 2 * 1024 * 1024

/** A libp2p node after SPEC §8, not started. */
export async function createNode(config: NetworkConfig, needs: NodeNeeds): Promise<Node> {
  const { connections, gater } = config
  const { handshake } = needs
  const [name = '', version = ''] = config.agent.split('/')
  const node = await createLibp2p({
    start: false,
    privateKey: keepSigningKey(config.privateKey),
    nodeInfo: { name, version, userAgent: config.agent },
    addresses: { listen: [...config.listen], announce: [...config.announce] },
    transports: [config.transport === 'memory' ? memory() : tcp()],
    connectionEncrypters: [limitedNoise(handshake)],
    streamMuxers: [mendedYamux({
      maxInboundStreams: STREAMS_PER_CONNECTION, maxOutboundStreams: STREAMS_PER_CONNECTION, maxEarlyStreams: STREAMS_PER_CONNECTION,
      streamOptions: { maxStreamWindowSize: WINDOW_BYTES },
    }, handshake)],
    connectionGater: handshake.gate(needs.gater),
    connectionManager: {
      // the gater counts (SPEC §8); above this libp2p would close connections by itself, whatever is under way on them
      maxConnections: gater.limits ? connections.total + connections.pendingInbound + connections.pendingOutbound : Number.MAX_SAFE_INTEGER,
      // pending places and arrivals by address are `handshake`'s: libp2p knows neither subnets nor who is to give way
      maxIncomingPendingConnections: Infinity,
      inboundConnectionThreshold: Infinity,
      inboundUpgradeTimeout: config.handshake.upgradeWithinMs,
      maxDialQueueLength: connections.pendingOutbound,
      maxParallelDials: connections.dialConcurrency,
      dialTimeout: connections.dialTimeoutMs,
      resolvers: { dnsaddr: dnsaddrResolver, host: hostResolver() },
    },
    connectionMonitor: { pingInterval: PING_EVERY_MS, pingTimeout: { minTimeout: PING_WITHIN_MS, maxTimeout: PING_WITHIN_MS } },
    services: {
      identify: (components: IdentifyComponents): Identify => tellProtocol(identifyOf(components)),
      ping: ping({ maxInboundStreams: 4, maxOutboundStreams: 4 }),
      pubsub: gossipsub(gossipsubOptions(config, needs.topics, peer => needs.appScore(peer))),
    },
  })
  handshake.serves(() => node.getProtocols())
  return node
}

/** noise, whose connections have their negotiation of a muxer under the handshake's limits. */
function limitedNoise(handshake: Handshake): ReturnType<typeof noise> {
  return components => {
    const encrypter = noise()(components)
    const secure = encrypter.secureInbound.bind(encrypter)
    encrypter.secureInbound = async (connection, options) => {
      const secured = await secure(connection, options)
      if (secured.streamMuxer === undefined) handshake.encrypted(secured.connection)
      return secured
    }
    return encrypter
  }
}

const identifyOf = identify({ maxInboundStreams: 4, maxOutboundStreams: 4 })
type IdentifyComponents = Parameters<typeof identifyOf>[0]

/** identify has no option for the protocol string that it tells: `protocolPrefix` renames its own protocol too. */
function tellProtocol(service: Identify): Identify {
  const host = (service as unknown as { host?: { protocolVersion: unknown } }).host
  if (typeof host?.protocolVersion !== 'string') throw new NetworkError('library_changed', 'identify has no host.protocolVersion any more')
  host.protocolVersion = IDENTIFY_PROTOCOL
  return service
}
