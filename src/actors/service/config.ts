import { silentLogger, systemClock, systemRandom } from '../kernel/index.js'
import type { Clock, Logger, Random } from '../kernel/index.js'
import { DEFAULT_CHAIN_ID, DEFAULT_DOMAIN, ProtocolError, fromHex, parseDomain, topicsOf } from '../../protocol/index.js'
import type { AddressedSigner } from '../../protocol/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import { ChainError, checkTip } from '../chain/index.js'
import type { ChainConfig, ChainRules, ScheduleResolver } from '../chain/index.js'
import type { ConfirmedTip } from '../chain/ingress.js'
import type { DiscoveryInit } from '../discovery/index.js'
import { DEFAULT_LISTEN } from '../network/default-listen.js'
import type { NetworkConfigInit } from '../network/index.js'
import type { ReputationOptions } from '../reputation/index.js'
import type { Rule } from '../reputation/ingress.js'
import type { L2Confirmations } from '../schedule/index.js'
import type { SyncConfig } from '../sync/index.js'
import type { ValidatorOptions } from '../validator/index.js'
import { ServiceError } from './errors.js'

/**
 * What signs our commitments: a private key (32 bytes or hex), a file that holds one, or a function such as a remote signer, which carries
 * its `address` (20 bytes).
 */
export type SigningConfig = ({ readonly key: Uint8Array | string } | { readonly keyFile: string } | { readonly sign: AddressedSigner }) & SigningOptions

export interface SigningOptions {
  /** Signs without a data directory too: after a restart nothing is known of what was signed before (H54). For tests. */
  readonly unprotected?: boolean
  /** Signs before the first catch-up has ended too (SPEC §7): what peers could show of our own key is not known then (H76). */
  readonly beforeCatchUp?: boolean
  /** How long what was signed is remembered after the end of its window, ms; nothing is signed for a window that was forgotten. Default 14 days. */
  readonly keepFor?: number
}

/** How to build a node. Only the schedule has no default. */
export interface P2pConfig {
  /** Who may sign in which window (SPEC §6): `scheduleFromSigners`, `scheduleFromTable`, `scheduleFromFile`, or your own. */
  readonly schedule: ScheduleResolver
  /** Default 167000n. */
  readonly chainId?: bigint
  /** Multiaddrs to listen on. Default `/ip4/0.0.0.0/tcp/9000` (SPEC §8). An empty list: dials only. */
  readonly listen?: string | readonly string[]
  /** Peers to stay connected to: multiaddrs that end in `/p2p/…`. */
  readonly staticPeers?: readonly string[]
  /** Where everything is kept. Left out: in memory, and the log says so. */
  readonly dataDir?: string
  /** The network identity, a libp2p private key in protobuf form. Created where missing. Default: `identity.key` in `dataDir`. */
  readonly keyFile?: string
  /** The application's confirmed tip at start (SPEC §7, Anchor). A later one that the store knows wins. */
  readonly confirmedTip?: ConfirmedTip
  /** Who tells which block L1 has from then on: `confirmationsFromL2`. Left out: the application, by `confirm`. */
  readonly confirmations?: L2Confirmations
  /** Signing domain (SPEC §4), 32 bytes or 64 hex digits. */
  readonly domain?: Uint8Array | string
  /** Commitments that name another slasher are rejected. Left out: any slasher. */
  readonly slasherAddress?: Uint8Array | string
  /** For `publishCommitment` of an unsigned commitment. Needs a data directory, where what was signed is recorded. */
  readonly signing?: SigningConfig
  /** The application's own chain rules: timestamps, gas limit, coinbase, prover, proposal (SPEC §6). */
  readonly rules?: ChainRules
  readonly network?: NetworkOptions
  /** Finding peers by discv5 over UDP (SPEC §8): on by default, off with `false`. Bootnodes and where it listens are told here. */
  readonly discovery?: boolean | DiscoveryOptions
  /** What dealings with peers are worth and what follows, and what tells peers apart: backend `local` (default), `reth`, or your own. */
  readonly reputation?: Omit<ReputationOptions, 'blocked' | 'protected' | 'allowed' | 'staticPeers'>
  /** Only these peers and the static ones may connect. Left out or empty: everybody. Peer ids. */
  readonly allowList?: readonly PeerKey[]
  /** Refused both ways: peer ids, IP addresses, subnets such as `10.0.0.0/8`. `access.block` adds to it at run time. */
  readonly blockList?: readonly Rule[]
  /** Never let go for their score, as static peers are not. Peer ids. */
  readonly protectedPeers?: readonly PeerKey[]
  readonly validator?: ValidatorOptions
  readonly chain?: Partial<Omit<ChainConfig, 'confirmedTip' | 'ownAddresses' | 'signedFor'>>
  readonly sync?: Partial<SyncConfig>
  /** Events that a subscription holds at most before it lags (H20). Default 4,096 a lane. */
  readonly eventCapacity?: number
  readonly log?: Logger
  readonly clock?: Clock
  readonly random?: Random
}

/** What of the driver's options an application sets; the rest follows from the fields above. */
export type NetworkOptions = Omit<NetworkConfigInit, 'chainId' | 'listen' | 'staticPeers' | 'privateKey'>

/** What of discovery's options an application sets; the rest follows from the fields above. */
export interface DiscoveryOptions extends Omit<DiscoveryInit, 'privateKey' | 'networkPublicKey' | 'chainId' | 'listen'> {
  /** The UDP port, 0 for any free one. Default: the one after the TCP port that we listen on (9001 for 9000, SPEC §8). */
  readonly port?: number
  /** The address that UDP is bound to. Default: that of TCP. */
  readonly listenIp?: string
  /** The ENR's secp256k1 key, in libp2p's protobuf form. Created where missing. Default: `discovery.key` in `dataDir`. */
  readonly keyFile?: string
}

/** The config with its defaults filled in and everything textual read. */
export interface FilledConfig extends Omit<P2pConfig, 'domain' | 'slasherAddress' | 'listen'> {
  readonly chainId: bigint
  readonly listen: readonly string[]
  readonly staticPeers: readonly string[]
  readonly domain: Uint8Array
  readonly slasherAddress: Uint8Array | undefined
  readonly eventCapacity: number
  readonly log: Logger
  readonly clock: Clock
  readonly random: Random
}

const DEFAULT_EVENT_CAPACITY = 4_096

/** Fills the defaults in. @throws ServiceError `bad_config` with the value that cannot be */
export function fillConfig(config: P2pConfig): FilledConfig {
  const { domain, slasherAddress, listen, ...rest } = config
  if (typeof config.schedule !== 'function') {
    throw badConfig('schedule', 'is a function from a window to its signer', config.schedule)
  }
  const chainId = config.chainId ?? DEFAULT_CHAIN_ID
  if (config.confirmedTip !== undefined) {
    asConfig('confirmedTip', 'is a block number from 0 to 2^64 − 2, and perhaps a hash of 32 bytes', config.confirmedTip, () => { checkTip(config.confirmedTip as ConfirmedTip) })
  }
  if (config.confirmations !== undefined && !Array.isArray((config.confirmations as Partial<L2Confirmations>).config?.urls)) {
    throw badConfig('confirmations', 'is what confirmationsFromL2 gives', config.confirmations)
  }
  asConfig('chainId', 'is a chain id', config.chainId, () => topicsOf(chainId))
  return {
    ...rest,
    chainId,
    listen: listen === undefined ? [DEFAULT_LISTEN] : typeof listen === 'string' ? [listen] : listen,
    staticPeers: config.staticPeers ?? [],
    domain: domain === undefined ? DEFAULT_DOMAIN
      : asConfig('domain', 'is 32 bytes or 64 hex digits', domain, () => parseDomain(domain)),
    slasherAddress: slasherAddress === undefined ? undefined : parseAddress('slasherAddress', slasherAddress),
    eventCapacity: positive('eventCapacity', config.eventCapacity ?? DEFAULT_EVENT_CAPACITY),
    log: config.log ?? silentLogger,
    clock: config.clock ?? systemClock,
    random: config.random ?? systemRandom,
  }
}

/** What the reputation's owner is told. */
export function reputationOptionsOf({ reputation, allowList, blockList, protectedPeers, staticPeers }: FilledConfig): ReputationOptions {
  return {
    ...reputation,
    ...allowList !== undefined && { allowed: allowList }, ...blockList !== undefined && { blocked: blockList },
    ...protectedPeers !== undefined && { protected: protectedPeers },
    staticPeers: staticPeers.map(peerOf),
  }
}

/** A list that no rule asks for would be no list. @throws ServiceError `bad_config` */
export function checkLists({ allowList = [], blockList = [] }: FilledConfig, { gater }: { readonly gater: { readonly lists: boolean } }): void {
  if (gater.lists || allowList.length + blockList.length === 0) return
  throw badConfig('network.gater', 'has the rule `lists` switched off, and so no use for `allowList` and `blockList`', gater.lists)
}

/** The peer id that a static peer's multiaddr ends in: the driver has checked that it does. */
const peerOf = (address: string): PeerKey => address.slice(address.lastIndexOf('/') + 1)

/** An Ethereum address: 20 bytes, or 40 hex digits with or without 0x. @throws ServiceError `bad_config` */
export function parseAddress(option: string, address: Uint8Array | string): Uint8Array {
  const bytes = typeof address !== 'string' ? address
    : asConfig(option, 'is an address of 40 hex digits', address, () => fromHex(address))
  if (!(bytes instanceof Uint8Array) || bytes.length !== 20) throw badConfig(option, 'is an address of 20 bytes', address)
  return bytes
}

export const badConfig = (option: string, what: string, value: unknown): ServiceError =>
  new ServiceError('bad_config', `${option} ${what}`, value)

function asConfig<T>(option: string, what: string, value: unknown, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof ProtocolError || error instanceof ChainError)) throw error
    throw badConfig(option, what, value)
  }
}

function positive(option: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 1) throw badConfig(option, 'is a positive integer', value)
  return value
}
