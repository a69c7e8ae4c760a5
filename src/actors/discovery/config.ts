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

/** Where others reach us, when it is not where we listen. */
export interface ExternalAddress {
  readonly ip: string
  /** Left out: the port that we listen on. */
  readonly udp?: number | undefined
  readonly tcp?: number | undefined
}

/** Times in milliseconds; everything else is a count. */
export interface DiscoveryOptions {
  /** Where discv5 listens. Port 0: any free one. */
  readonly listen: { readonly ip: string; readonly port: number }
  /** `enr:…`, `/…/tcp/…/p2p/…`, or `/ip4/…/udp/…/p2p/16Uiu2…`. A bad one is reported, not thrown. */
  readonly bootnodes: readonly string[]
  readonly external: ExternalAddress | undefined
  /** Whether PONGs may tell our address, where neither `external` nor a public address to listen on does. */
  readonly learnAddress: boolean
  readonly votes: VoteRules
  /**
   * Whether other nodes' private addresses (10.0.0.0/8 and the like) are used. Left out: only while our own address is private itself.
   * Loopback is used only by who is on loopback.
   */
  readonly privateAddresses: boolean | undefined
  /** A lookup so often, and so often until there are enough peers (SPEC §8). */
  readonly lookupEvery: number
  readonly lookupEveryUntilEnough: number
  /** From so many peers on we look around at leisure, and dial no more, save for `outboundPeers`. */
  readonly enoughPeers: number
  /** So many peers are of our own choice, whoever else has come to us: who fills our places must not be all that we know. */
  readonly outboundPeers: number
  /** Nobody is dialled from so many peers on: more than can come to us (SPEC §8: 110), or who fills those places keeps us from all others. */
  readonly maxPeers: number
  readonly dialsAtOnce: number
  readonly dialWithin: number
  /** After a dial that failed, or a bootnode that did not answer. */
  readonly retry: RetryRules
  /** Nodes remembered that could be dialled, and of them those of one public network (/24, /48). */
  readonly candidates: number
  readonly candidatesPerNetwork: number
  /** Peers remembered over a restart. */
  readonly knownPeers: number
  /** Changes of them are written so long after the first. */
  readonly saveAfter: number
  /** The other rooms answer within this. */
  readonly roomsWithin: number
  readonly packets: PacketLimits
}

export type Nested = 'votes' | 'retry' | 'packets'

/** The options with everything optional but the keys. */
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

/** All filled in and read: see `discoveryConfig`. */
export interface DiscoveryConfig extends DiscoveryOptions {
  readonly privateKey: Uint8Array
  readonly chainId: bigint
  /** Our own peer id. */
  readonly peer: PeerKey
  /** What the ENR carries under `libp2p`; `undefined` where the network identity is the ENR's own key. */
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
 * Fills the defaults in and checks everything that can be checked before a start. Bootnodes are not among that: a bad one is reported
 * when it is read, and the others still work.
 * @throws DiscoveryError `bad_config` with the offending value
 */
export function discoveryConfig(init: DiscoveryInit): DiscoveryConfig {
  const { privateKey, networkPublicKey, chainId = DEFAULT_CHAIN_ID, ...options } = init
  const filled: DiscoveryOptions = {
    ...recommended, ...options,
    votes: { ...recommended.votes, ...options.votes }, retry: { ...recommended.retry, ...options.retry }, packets: { ...recommended.packets, ...options.packets },
  }
  if (chainId <= 0n || chainId >= 2n ** 256n) throw bad('chainId is a positive number of at most 256 bits', chainId)
  const peer = peerOfNetworkKey(networkPublicKey)
  if (peer === undefined) throw bad('networkPublicKey is an Ed25519 or secp256k1 key in protobuf form', networkPublicKey)
  const ownKey = peer === peerOfRecordKey(publicKeyOf(privateKey))
  const listenIp = ipFromText(filled.listen.ip)
  if (listenIp === undefined) throw bad('listen.ip is an IP address', filled.listen.ip)
  const externalIp = filled.external === undefined ? undefined : ipFromText(filled.external.ip)
  if (filled.external !== undefined && (externalIp === undefined || isUnspecified(externalIp))) throw bad('external.ip is an IP address', filled.external.ip)
  if (externalIp !== undefined && externalIp.family !== listenIp.family) throw bad('external.ip is of the family that is listened on', filled.external?.ip)
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
    // never the key itself
    throw bad('privateKey is a secp256k1 key of 32 bytes', undefined)
  }
}

function checkPort(name: string, port: number, least: 0 | 1): void {
  if (!Number.isInteger(port) || port < least || port > 65_535) throw bad(`${name} is a port from ${least}`, port)
}

function checkNumbers({ external: _external, listen: _listen, ...rest }: DiscoveryOptions): void {
  const groups: Array<readonly [string, object]> = [['', rest], ['votes.', rest.votes], ['retry.', rest.retry], ['packets.', rest.packets]]
  for (const [prefix, group] of groups) {
    for (const [name, value] of Object.entries(group) as Array<[string, unknown]>) {
      if (typeof value === 'number' && !(Number.isFinite(value) && value >= 0)) throw bad(`${prefix}${name} is a number from 0`, value)
    }
  }
  for (const name of ['lookupEvery', 'lookupEveryUntilEnough', 'dialsAtOnce', 'dialWithin', 'candidates', 'knownPeers', 'roomsWithin', 'candidatesPerNetwork'] as const) {
    if (rest[name] <= 0) throw bad(`${name} is above 0`, rest[name])
  }
  for (const [name, value] of Object.entries(rest.packets)) if (value < 1) throw bad(`packets.${name} is at least 1`, value)
  if (rest.enoughPeers > rest.maxPeers) throw bad('enoughPeers is at most maxPeers', rest.enoughPeers)
  if (rest.retry.factor < 1) throw bad('retry.factor is at least 1', rest.retry.factor)
  if (rest.retry.jitter > 1) throw bad('retry.jitter is a part, from 0 to 1', rest.retry.jitter)
  if (rest.votes.voters < 1) throw bad('votes.voters is at least 1', rest.votes.voters)
  if (rest.votes.share <= 0.5 || rest.votes.share > 1) throw bad('votes.share is more than half', rest.votes.share)
}

function bad(message: string, value: unknown): DiscoveryError { return new DiscoveryError('bad_config', message, { value }) }
