import type { PrivateKey } from '@libp2p/interface'
import { DEFAULT_CHAIN_ID, FORWARD_WITHIN_MS, MAX_GOSSIP_BYTES, ProtocolError, checkScorePreset, scorePreset, topicsOf } from '../../protocol/index.js'
import type { ScorePreset, ScorePresetName } from '../../protocol/index.js'
import { parseAddress, staticAddress, subnetsOf } from './addresses.js'
import { DEFAULT_LISTEN } from './default-listen.js'
import { NetworkError } from './errors.js'
import type { Gate } from './connections/gater.js'
import { defaultHandshake } from './handshake/limits.js'
import type { HandshakeLimits } from './handshake/limits.js'
import { gaterPresets } from './connections/gater-rules.js'
import type { GaterPreset, GaterRules } from './connections/gater-rules.js'
import { newPrivateKey } from './identity.js'
import { QUOTA_WINDOW_MS, REQUESTS_PER_WINDOW, REQUESTS_PER_WINDOW_TO_SAME_CLIENT } from './reqresp/request-quota.js'
import type { QuotaOptions } from './reqresp/request-quota.js'

/** What identify tells of us (SPEC §8). */
export const IDENTIFY_PROTOCOL = 'preconf-p2p/0.1'
export const AGENT_NAME = 'preconfirmation-p2p'
export const AGENT_VERSION = '0.1.0'

/** Limits on connections (SPEC §8). Counts. */
export interface ConnectionLimits {
  readonly pendingInbound: number
  readonly pendingOutbound: number
  readonly inbound: number
  readonly outbound: number
  readonly total: number
  readonly perPeer: number
  /** Inbound, of one address and of the /24 or /48 around it (SPEC §8, By address). Static and protected peers and exempt subnets are let in all the same. */
  readonly perAddress: number
  readonly perSubnet: number
  readonly dialConcurrency: number
  /** New inbound connections a second from one address. */
  readonly inboundPerSecond: number
  /** A dial may take so long, in milliseconds. */
  readonly dialTimeoutMs: number
  /** Part of each established limit above which peers are pruned that are of no use: the rest is room for new ones. */
  readonly softShare: number
  /** How long a peer may be connected before being of no use counts against it, in milliseconds. */
  readonly pruneAfterMs: number
  /** How long a pruned peer is not let in again while there is little room, in milliseconds. */
  readonly prunedMs: number
}

/** Gossip: what a message may cost before it has a verdict. */
export interface GossipLimits {
  /** A verdict later than this, in milliseconds, cannot forward any more: Ignore (SPEC §5, 6 s). */
  readonly verdictWithinMs: number
  /** Messages without a verdict at most; one more is Ignored. */
  readonly maxPending: number
  /**
   * What one peer may bring in any `budgetWindowMs`, charged before anything is computed of it, so that what earns no penalty cannot
   * fill the main thread: messages, their bytes, and everything else in its RPCs (subscriptions, control). What is more is Ignored. `Infinity`: no bound.
   * The network makes one commitment and one txlist of at most 2 MiB every 2 s (SPEC §1), and a peer sends each once.
   */
  readonly budgetMessages: number
  readonly budgetBytes: number
  readonly budgetControls: number
  readonly budgetWindowMs: number
  /**
   * Part of this thread's time (0 to 1) that goes to messages beyond that, divided fairly among those who bring them, and their bytes a
   * second: an honest burst passes, and a flood leaves the thread to everybody else.
   */
  readonly surplusShare: number
  readonly surplusBytesPerSecond: number
  /** Bytes of an inbound RPC. */
  readonly maxInboundBytes: number
  /** Bytes of inbound RPCs that have begun to arrive, of all peers together: above it who holds most for longest is hung up on. */
  readonly maxPartialBytes: number
  /** An RPC that has begun to arrive must be there, in milliseconds (H34). */
  readonly partialWithinMs: number
  /** Bytes waiting for one peer; overrun, the library kills the stream (H35). */
  readonly maxOutboundBytes: number
  /** No message is given to a stream that holds this many bytes already: well below `maxOutboundBytes`. */
  readonly pauseOutboundBytes: number
  /** Bytes waiting for all peers together: above it nothing is given to a stream that holds more than 256 KiB already. */
  readonly totalOutboundBytes: number
  /** How long `publish` waits for buffers to drain, in milliseconds. */
  readonly publishWithinMs: number
}

/** Requests that we make (SPEC §8). */
export interface RequestLimits extends QuotaOptions {
  /** From the opening of the stream to the answer, in milliseconds. The reference gives up at 10 s itself. */
  readonly withinMs: number
  /** Wait for the quota, in milliseconds. */
  readonly quotaWithinMs: number
  /** Requests that wait for the quota, of all callers. */
  readonly maxWaiting: number
}

/** Requests that others make (SPEC §8). */
export interface ServingLimits {
  /** A whole request must be there, in milliseconds from the opening of the stream. */
  readonly readWithinMs: number
  /** The answer must be given by the other rooms, in milliseconds; later the asker gets an empty one. */
  readonly answerWithinMs: number
  /** The asker must have taken the answer, in milliseconds; and in as many more it must have ended its side of the stream. */
  readonly writeWithinMs: number
  /** Guaranteed per peer and protocol within `windowMs`. */
  readonly perWindow: number
  readonly windowMs: number
  /** The total serving budget, of which what is over the guaranteed shares is divided fairly: a second, and part of the thread's time. */
  readonly requestsPerSecond: number
  readonly bytesPerSecond: number
  readonly busyShare: number
  /** Answers over that limit that are delayed, per peer and protocol; the last leaves within `delayWithinMs`, 5 s less the time to find it. */
  readonly maxDelayed: number
  readonly delayWithinMs: number
  /** Streams open at once, of one peer on one protocol and of all. */
  readonly maxStreamsPerPeer: number
  readonly maxStreams: number
  /** Bytes of answers under way, to one peer and to all. */
  readonly maxBytesPerPeer: number
  readonly maxBytes: number
}

/** Static peers are dialled again for ever (SPEC §8). Milliseconds. */
export interface RedialPolicy {
  readonly firstMs: number
  readonly maxMs: number
  readonly factor: number
  /** Part of a delay that is left to chance, 0 to 1. */
  readonly jitter: number
  /** Wait after a peer closed within `refusedWithinMs` of connecting: it may have banned us (SPEC §10). */
  readonly refusedMs: number
  readonly refusedWithinMs: number
}

/** The driver's options, all filled in: see `networkConfig`. */
export interface NetworkConfig {
  readonly chainId: bigint
  /** Multiaddrs. Empty: only dials. */
  readonly listen: readonly string[]
  /** Multiaddrs told to others in place of those listened on. Empty: those. */
  readonly announce: readonly string[]
  /** Multiaddrs that end in `/p2p/…`. */
  readonly staticPeers: readonly string[]
  readonly privateKey: PrivateKey
  /** `memory`: within this process, for tests. */
  readonly transport: 'tcp' | 'memory'
  /** name/version, as identify tells it. */
  readonly agent: string
  /** `snappy`: today's network; `topic-bound`: what upstream is moving to (SPEC §5). */
  readonly messageIds: 'snappy' | 'topic-bound'
  readonly scoring: ScorePreset
  readonly connections: ConnectionLimits
  readonly handshake: HandshakeLimits
  readonly gossip: GossipLimits
  readonly requests: RequestLimits
  readonly serving: ServingLimits
  readonly redial: RedialPolicy
  /** IP addresses and subnets (CIDR) that no limit by address holds for (SPEC §8): loopback networks, proxies. */
  readonly exemptSubnets: readonly string[]
  /** The rules that dials and inbound connections must pass (SPEC §8). */
  readonly gater: GaterRules
  /** The application's own rule, asked after those. */
  readonly gate: Gate | undefined
  /** InFlightExchanges under way may take so long to finish when the driver stops or hangs up, in milliseconds (H40). */
  readonly drainWithinMs: number
  /** `refused`, `violation` and `served` events a second at most, of each; the figures count all of them. */
  readonly noticesPerSecond: number
  /** Scores are told to the reputation, floods named, and room is made for newcomers this often, in milliseconds. */
  readonly sweepEveryMs: number
}

export type Nested = 'connections' | 'handshake' | 'gossip' | 'requests' | 'serving' | 'redial'
/** The same with everything optional. */
export type NetworkConfigInit = Partial<Omit<NetworkConfig, Nested | 'listen' | 'scoring' | 'gater'>> & {
  readonly [K in Nested]?: Partial<NetworkConfig[K]>
} & {
  readonly listen?: string | readonly string[]
  /** A preset of SPEC §5 by name, or a changed one. */
  readonly scoring?: ScorePresetName | ScorePreset
  /** A preset by name, default `recommended`, or single rules of it switched off. */
  readonly gater?: GaterPreset | Partial<GaterRules>
}

export const defaultConnections: ConnectionLimits = {
  pendingInbound: 40, pendingOutbound: 40, inbound: 110, outbound: 110, total: 220, perPeer: 4, perAddress: 8, perSubnet: 32, dialConcurrency: 16,
  inboundPerSecond: 16, dialTimeoutMs: 10_000, softShare: 0.9, pruneAfterMs: 60_000, prunedMs: 600_000,
}

export const defaultGossip: GossipLimits = {
  verdictWithinMs: FORWARD_WITHIN_MS,
  maxPending: 8_192,
  // 60 times what the network makes, and 32 full txlists at once
  budgetMessages: 600, budgetBytes: 64 * 1024 * 1024, budgetControls: 600, budgetWindowMs: 10_000,
  // about 400 messages a second of all peers together
  surplusShare: 0.1, surplusBytesPerSecond: 32 * 1024 * 1024,
  maxInboundBytes: MAX_GOSSIP_BYTES + 65_536,
  maxPartialBytes: 64 * 1024 * 1024,
  partialWithinMs: 20_000,
  maxOutboundBytes: 20 * 1024 * 1024,
  pauseOutboundBytes: 4 * 1024 * 1024,
  totalOutboundBytes: 128 * 1024 * 1024,
  publishWithinMs: 4_000,
}

export const defaultRequests: RequestLimits = {
  withinMs: 15_000, quotaWithinMs: 30_000,
  perWindow: REQUESTS_PER_WINDOW, perWindowToSameClient: REQUESTS_PER_WINDOW_TO_SAME_CLIENT, windowMs: QUOTA_WINDOW_MS,
  perSecondToSameClient: 1_000, atOnceToSameClient: 16, distrustMs: 600_000, cautiousMs: 0, maxWaiting: 256,
}

export const defaultServing: ServingLimits = {
  readWithinMs: 5_000, answerWithinMs: 8_000, writeWithinMs: 10_000,
  perWindow: 32, windowMs: 10_000, maxDelayed: 16, delayWithinMs: 4_000,
  requestsPerSecond: 1_000, bytesPerSecond: 32 * 1024 * 1024, busyShare: 0.5,
  maxStreamsPerPeer: 64, maxStreams: 1_024, maxBytesPerPeer: 8 * 1024 * 1024, maxBytes: 64 * 1024 * 1024,
}

export const defaultRedial: RedialPolicy = {
  firstMs: 1_000, maxMs: 60_000, factor: 2, jitter: 0.5, refusedMs: 2 * 3_600_000, refusedWithinMs: 1_000,
}

/**
 * Fills the defaults in and checks everything that can be checked before a start.
 * @throws NetworkError `bad_config`, `bad_address`, `peer_id_missing` with the offending value
 */
export function networkConfig(init: NetworkConfigInit = {}): NetworkConfig {
  const config: NetworkConfig = {
    chainId: init.chainId ?? DEFAULT_CHAIN_ID,
    listen: init.listen === undefined ? [DEFAULT_LISTEN] : typeof init.listen === 'string' ? [init.listen] : init.listen,
    announce: init.announce ?? [],
    staticPeers: init.staticPeers ?? [],
    privateKey: init.privateKey ?? newPrivateKey(),
    transport: init.transport ?? 'tcp',
    agent: init.agent ?? `${AGENT_NAME}/${AGENT_VERSION}`,
    messageIds: init.messageIds ?? 'snappy',
    scoring: typeof init.scoring === 'object' ? init.scoring : scorePreset(init.scoring),
    connections: { ...defaultConnections, ...init.connections },
    handshake: { ...defaultHandshake, ...init.handshake },
    gossip: { ...defaultGossip, ...init.gossip },
    requests: { ...defaultRequests, ...init.requests },
    serving: { ...defaultServing, ...init.serving },
    redial: { ...defaultRedial, ...init.redial },
    exemptSubnets: init.exemptSubnets ?? [],
    gater: gaterRules(init.gater),
    gate: init.gate,
    drainWithinMs: init.drainWithinMs ?? defaultRequests.withinMs,
    noticesPerSecond: init.noticesPerSecond ?? 50,
    sweepEveryMs: init.sweepEveryMs ?? 10_000,
  }
  check(config)
  return config
}

function check(config: NetworkConfig): void {
  topicsOf(config.chainId)
  for (const address of [...config.listen, ...config.announce]) parseAddress(address)
  for (const address of config.staticPeers) staticAddress(address, config.transport)
  subnetsOf(config.exemptSubnets)
  for (const option of ['drainWithinMs', 'noticesPerSecond'] as const) {
    if (!(config[option] >= 0)) throw new NetworkError('bad_config', `${option} is a number from 0`, { value: config[option] })
  }
  checkScoring(config.scoring)
  checkGater(config.gater)
  for (const group of ['connections', 'handshake', 'gossip', 'requests', 'serving', 'redial'] as const) {
    for (const [option, value] of Object.entries(config[group]) as Array<[string, unknown]>) {
      if (typeof value !== 'number' || !(value >= 0)) throw new NetworkError('bad_config', `${group}.${option} is a number from 0`, { value })
    }
  }
  if (config.connections.softShare > 1) throw new NetworkError('bad_config', 'connections.softShare is a part, from 0 to 1', { value: config.connections.softShare })
  if (config.gossip.surplusShare > 1) throw new NetworkError('bad_config', 'gossip.surplusShare is a part, from 0 to 1', { value: config.gossip.surplusShare })
  if (!(config.sweepEveryMs > 0)) throw new NetworkError('bad_config', 'sweepEveryMs is a number above 0', { value: config.sweepEveryMs })
  if (config.gossip.budgetWindowMs === 0) throw new NetworkError('bad_config', 'gossip.budgetWindowMs is above 0', { value: 0 })
  if (config.redial.jitter > 1) throw new NetworkError('bad_config', 'redial.jitter is a part, from 0 to 1', { value: config.redial.jitter })
  if (config.redial.factor < 1) throw new NetworkError('bad_config', 'redial.factor is at least 1', { value: config.redial.factor })
  if (config.gossip.pauseOutboundBytes > config.gossip.maxOutboundBytes / 2) {
    throw new NetworkError('bad_config', 'gossip.pauseOutboundBytes is at most half of maxOutboundBytes', { value: config.gossip.pauseOutboundBytes })
  }
}

function checkScoring(preset: ScorePreset): void {
  try {
    checkScorePreset(preset)
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause
    throw new NetworkError('bad_config', `scoring.${cause.message}`, { value: cause.value, limit: cause.limit, cause })
  }
}

function gaterRules(init: NetworkConfigInit['gater']): GaterRules {
  if (typeof init !== 'string') return { ...gaterPresets.recommended, ...init }
  if (!Object.hasOwn(gaterPresets, init)) throw new NetworkError('bad_config', 'gater is no preset', { value: init })
  return gaterPresets[init]
}

function checkGater(rules: GaterRules): void {
  for (const [rule, value] of Object.entries(rules) as Array<[string, unknown]>) {
    const ok = rule === 'redials' || rule === 'redialWindowMs' ? typeof value === 'number' && value >= 1 : typeof value === 'boolean'
    if (!ok || !(rule in gaterPresets.open)) throw new NetworkError('bad_config', `gater.${rule} is no rule, or not a value of it`, { value })
  }
}
