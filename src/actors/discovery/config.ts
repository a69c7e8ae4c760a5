import '../../polyfill.js'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { minutes, seconds } from '../kernel/index.js'
import { DEFAULT_CHAIN_ID } from '../../protocol/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import { peerOfNetworkKey, peerOfRecordKey } from './candidate.js'
import { DiscoveryError } from './errors.js'
import { ipFromText, isUnspecified } from './ip.js'
import type { Ip } from './ip.js'
import type { PacketLimits } from './packet-limit.js'
import type { RetryRules } from './targets.js'
import type { VoteRules } from './external-address-votes.js'

/** The address at which others reach us, if it is not the one that we listen on. */
export interface ExternalAddress {
  readonly ip: string
  /** Left out: the port that we listen on. */
  readonly udp?: number | undefined
  readonly tcp?: number | undefined
}

/** The options of discovery. Times are in milliseconds. */
export interface DiscoveryOptions {
  /** The UDP address that discv5 binds. Port 0: any free port. */
  readonly listen: { readonly ip: string; readonly port: number }
  /** `enr:…`, `/…/tcp/…/p2p/…`, or `/ip4/…/udp/…/p2p/16Uiu2…`. A bad one is logged and skipped. */
  readonly bootnodes: readonly string[]
  readonly external: ExternalAddress | undefined
  /** Whether our address is learned from PONGs, if neither `external` nor a public listen address gives it. */
  readonly learnAddress: boolean
  readonly votes: VoteRules
  /**
   * Whether private addresses (such as 10.0.0.0/8) of other nodes are used. Left out: only while our own address is private or loopback.
   * Loopback addresses are used only while our own address is loopback.
   */
  readonly privateAddresses: boolean | undefined
  /** Interval between lookups, and the shorter one until there are `enoughPeers` (SPEC §8). */
  readonly lookupEvery: number
  readonly lookupEveryUntilEnough: number
  /** With this many peers lookups slow down, and no more peers are dialled except to reach `outboundPeers`. */
  readonly enoughPeers: number
  /** Minimum of outbound peers to keep, however many inbound ones there are, so that an attacker cannot supply all our peers (eclipse). */
  readonly outboundPeers: number
  /** With this many peers none is dialled. Must exceed the limit of inbound connections (SPEC §8: 110), or inbound peers could prevent all dials. */
  readonly maxPeers: number
  readonly dialsAtOnce: number
  readonly dialWithin: number
  /** Backoff after a failed dial, or a bootnode that did not answer. */
  readonly retry: RetryRules
  /** Maximum of candidates kept, in total and per public network (/24, /48). */
  readonly candidates: number
  readonly candidatesPerNetwork: number
  /** Maximum of known peers saved for a restart. */
  readonly knownPeers: number
  /** Delay between the first unsaved change of them and the write. */
  readonly saveAfter: number
  /** Deadline for answers of other actors. */
  readonly roomsWithin: number
  readonly packets: PacketLimits
}

export type Nested = 'votes' | 'retry' | 'packets'

/** The options as the application gives them: only the keys and the chain are required. */
export interface DiscoveryInit extends Partial<Omit<DiscoveryOptions, Nested>> {
  readonly votes?: Partial<VoteRules>
  readonly retry?: Partial<RetryRules>
  readonly packets?: Partial<PacketLimits>
  /** The ENR's secp256k1 key, 32 bytes. */
  readonly privateKey: Uint8Array
  /** The network identity's public key in libp2p's protobuf form. */
  readonly networkPublicKey: Uint8Array
  readonly chainId?: bigint
}

/** The options with defaults filled in, checked and parsed; see `discoveryConfig`. */
export interface DiscoveryConfig extends DiscoveryOptions {
  readonly privateKey: Uint8Array
  readonly chainId: bigint
  /** Our own peer id. */
  readonly peer: PeerKey
  /** The value of the ENR's key `libp2p`; `undefined` if the network identity is the ENR's own key. */
  readonly networkKey: Uint8Array | undefined
  readonly listenIp: Ip
  readonly externalIp: Ip | undefined
}

/** SPEC §8. */
export const DEFAULT_UDP_PORT = 9001

export const recommended: DiscoveryOptions = {
  listen: { ip: '0.0.0.0', port: DEFAULT_UDP_PORT },
  bootnodes: [],
  external: undefined,
  learnAddress: true,
  votes: { voters: 5, share: 2 / 3, forMs: minutes(5) },
  privateAddresses: undefined,
  lookupEvery: seconds(20),
  lookupEveryUntilEnough: seconds(5),
  enoughPeers: 16,
  outboundPeers: 6,
  maxPeers: 200,
  dialsAtOnce: 4,
  dialWithin: seconds(10),
  retry: { firstMs: seconds(10), maxMs: minutes(10), namedMaxMs: minutes(1), factor: 2, jitter: 0.5 },
  candidates: 1_024,
  candidatesPerNetwork: 8,
  knownPeers: 256,
  saveAfter: seconds(5),
  roomsWithin: seconds(5),
  packets: { perSender: 20, burst: 150, total: 60, totalBurst: 300 },
}

/**
 * Fills in the defaults and checks the options. Bootnodes are not checked here: a bad one is logged when it is read, and does not prevent the
 * start.
 * @throws DiscoveryError `bad_config` with the offending value
 */
export function discoveryConfig(init: DiscoveryInit): DiscoveryConfig {
  const { privateKey, networkPublicKey, chainId = DEFAULT_CHAIN_ID, ...options } = init
  const filled: DiscoveryOptions = {
    ...recommended, ...options,
    votes: { ...recommended.votes, ...options.votes }, retry: { ...recommended.retry, ...options.retry }, packets: { ...recommended.packets, ...options.packets },
  }
  if (chainId <= 0n || chainId >= 2n ** 256n) throw bad('chainId must be a positive number of at most 256 bits', chainId)
  const peer = peerOfNetworkKey(networkPublicKey)
  if (peer === undefined) throw bad('networkPublicKey must be an Ed25519 or secp256k1 key in protobuf form', networkPublicKey)
  const ownKey = peer === peerOfRecordKey(publicKeyOf(privateKey))
  const listenIp = ipFromText(filled.listen.ip)
  if (listenIp === undefined) throw bad('listen.ip must be an IP address', filled.listen.ip)
  const externalIp = filled.external === undefined ? undefined : ipFromText(filled.external.ip)
  if (filled.external !== undefined && (externalIp === undefined || isUnspecified(externalIp))) throw bad('external.ip must be an IP address other than 0.0.0.0 and ::', filled.external.ip)
  if (externalIp !== undefined && externalIp.family !== listenIp.family) throw bad('external.ip must be of the same IP version as listen.ip', filled.external?.ip)
  checkPort('listen.port', filled.listen.port, 0)
  if (filled.external?.udp !== undefined) checkPort('external.udp', filled.external.udp, 1)
  if (filled.external?.tcp !== undefined) checkPort('external.tcp', filled.external.tcp, 1)
  checkNumbers(filled)
  return { ...filled, privateKey, chainId, peer, networkKey: ownKey ? undefined : networkPublicKey, listenIp, externalIp }
}

function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  try {
    if (privateKey.length !== 32) throw new Error('not 32 bytes')
    return privateKeyFromRaw(privateKey).publicKey.raw
  } catch {
    // the error must not contain the key
    throw bad('privateKey must be a secp256k1 key of 32 bytes', undefined)
  }
}

function checkPort(name: string, port: number, least: 0 | 1): void {
  if (!Number.isInteger(port) || port < least || port > 65_535) throw bad(`${name} must be a port from ${least} to 65535`, port)
}

function checkNumbers({ external: _external, listen: _listen, ...rest }: DiscoveryOptions): void {
  const groups: Array<readonly [string, object]> = [['', rest], ['votes.', rest.votes], ['retry.', rest.retry], ['packets.', rest.packets]]
  for (const [prefix, group] of groups) {
    for (const [name, value] of Object.entries(group) as Array<[string, unknown]>) {
      if (typeof value === 'number' && !(Number.isFinite(value) && value >= 0)) throw bad(`${prefix}${name} must be a finite number of at least 0`, value)
    }
  }
  for (const name of ['lookupEvery', 'lookupEveryUntilEnough', 'dialsAtOnce', 'dialWithin', 'candidates', 'knownPeers', 'roomsWithin', 'candidatesPerNetwork'] as const) {
    if (rest[name] <= 0) throw bad(`${name} must be above 0`, rest[name])
  }
  for (const [name, value] of Object.entries(rest.packets)) if (value < 1) throw bad(`packets.${name} must be at least 1`, value)
  if (rest.enoughPeers > rest.maxPeers) throw bad('enoughPeers must not exceed maxPeers', rest.enoughPeers)
  if (rest.retry.factor < 1) throw bad('retry.factor must be at least 1', rest.retry.factor)
  if (rest.retry.jitter > 1) throw bad('retry.jitter must be from 0 to 1', rest.retry.jitter)
  if (rest.votes.voters < 1) throw bad('votes.voters must be at least 1', rest.votes.voters)
  if (rest.votes.share <= 0.5 || rest.votes.share > 1) throw bad('votes.share must be above 0.5 and at most 1', rest.votes.share)
}

function bad(message: string, value: unknown): DiscoveryError { return new DiscoveryError('bad_config', message, { value }) }
