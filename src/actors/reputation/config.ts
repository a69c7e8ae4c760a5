import { hours, minutes, seconds } from '../kernel/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { ReputationBackend } from './backend.js'
import { ReputationError } from './errors.js'
import type { Rule } from './ingress.js'

/** Weights and thresholds (SPEC §8), in points of reputation. Times are in milliseconds. */
export interface ReputationRules {
  /** Points lost by one failure, and the maximum lost within any `windowMs`. */
  readonly failure: number
  readonly failuresPerWindow: number
  /** Points gained by one acceptance, and the maximum gained within any `windowMs`. */
  readonly acceptance: number
  readonly acceptancesPerWindow: number
  readonly windowMs: number
  /** Every `tickMs` each reputation is multiplied by `decay` and sampled, and expired bans end. */
  readonly tickMs: number
  readonly decay: number
  /** Reputations are clamped to the range from −`most` to `most`. */
  readonly most: number
  /** A peer with this reputation or less is sent no requests. */
  readonly notAskedAt: number
  /** A peer with this reputation or less is removed from our meshes. */
  readonly greylistAt: number
  /** A peer is banned for `banForMs` once min(reputation, gossipsub's score) was at or below `banAt` for more than `banAfterMs`. */
  readonly banAt: number
  readonly banAfterMs: number
  readonly banForMs: number
}

/** The options with defaults filled in; see `spec`. */
export interface ReputationConfig extends ReputationRules {
  /** How peers are told apart. `local`: by peer id; `reth`: by secp256k1 public key; or a backend of the application. */
  readonly backend: 'local' | 'reth' | ReputationBackend
  /** Peer ids, IP addresses and subnets (CIDR) that are neither dialled nor accepted. */
  readonly blocked: readonly Rule[]
  /** Peers that are never disconnected or banned for their score. */
  readonly protected: readonly PeerKey[]
  /** Peers that are always protected, and always on a non-empty allow list (SPEC §8). */
  readonly staticPeers: readonly PeerKey[]
  /** The allow list: only these peers and the static ones may connect. Empty: every peer may. */
  readonly allowed: readonly PeerKey[]

  /** Maximum number of scores kept. Above it, the one nearest to 0 of the least recently used is evicted. */
  readonly maxRecords: number
  /** Maximum number of bans kept. Above it, the ban for score that ends first is evicted. */
  readonly maxBans: number
  /** Maximum number of rules of the block list, and of protected peers. */
  readonly maxRules: number
  /** Maximum number of peers whose key is remembered. */
  readonly maxKeys: number
  /** Interval at which scores are saved, in milliseconds; they are saved at stop too. Of all, the `maxSavedScores` furthest from 0 are saved. */
  readonly saveScoresEvery: number
  readonly maxSavedScores: number
  /** Backoff after failed writes: the first delay, doubled each time up to the last. Milliseconds. */
  readonly retryFirst: number
  readonly retryLast: number
  /** Deadline for an answer of the store, in milliseconds. */
  readonly storeWithin: number
}

export type ReputationOptions = Partial<ReputationConfig>

/** Maximum duration of a ban, in milliseconds: ten years. */
export const LONGEST_BAN_MS = hours(24 * 3_650)

/** The weights of SPEC §8. */
export const specRules: ReputationRules = {
  failure: 1,
  failuresPerWindow: 4,
  acceptance: 0.05,
  acceptancesPerWindow: 1,
  windowMs: seconds(10),
  tickMs: seconds(10),
  decay: 0.9,
  most: 10,
  notAskedAt: -1,
  greylistAt: -2,
  banAt: -5,
  banAfterMs: seconds(30),
  banForMs: hours(1),
}

const defaults: ReputationConfig = {
  ...specRules,
  backend: 'local',
  blocked: [],
  protected: [],
  staticPeers: [],
  allowed: [],
  maxRecords: 10_000,
  maxBans: 10_000,
  maxRules: 10_000,
  maxKeys: 20_000,
  saveScoresEvery: minutes(1),
  maxSavedScores: 1_000,
  retryFirst: seconds(1),
  retryLast: seconds(30),
  storeWithin: seconds(5),
}

const COUNTS = ['maxRecords', 'maxBans', 'maxRules', 'maxKeys', 'maxSavedScores'] as const
const POSITIVE = [
  'failure', 'failuresPerWindow', 'windowMs', 'tickMs', 'most', 'banForMs', 'saveScoresEvery', 'retryFirst', 'retryLast', 'storeWithin',
] as const
const NOT_NEGATIVE = ['acceptance', 'acceptancesPerWindow', 'banAfterMs'] as const

/** Maximum number of outcomes that count within a window; each is remembered until the window has passed. */
const MOST_PER_WINDOW = 1_000

/** The weights of SPEC §8 with the given options applied over them, checked. @throws ReputationError `bad_config` */
export function spec(options: ReputationOptions = {}): ReputationConfig {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as ReputationOptions
  const config: ReputationConfig = { ...defaults, ...given }
  for (const name of COUNTS) within(config, name, 1, Number.MAX_SAFE_INTEGER, Number.isSafeInteger)
  for (const name of POSITIVE) within(config, name, Number.MIN_VALUE)
  for (const name of NOT_NEGATIVE) within(config, name, 0)
  within(config, 'decay', Number.MIN_VALUE, 1 - Number.EPSILON)
  within(config, 'banForMs', Number.MIN_VALUE, LONGEST_BAN_MS)
  within(config, 'failuresPerWindow', config.failure, config.failure * MOST_PER_WINDOW)
  within(config, 'acceptancesPerWindow', config.acceptance, config.acceptance * MOST_PER_WINDOW)
  // The thresholds must be within the range, and in descending order.
  within(config, 'notAskedAt', -config.most, -Number.MIN_VALUE)
  within(config, 'greylistAt', -config.most, config.notAskedAt)
  within(config, 'banAt', -config.most, config.greylistAt)
  if (typeof config.backend === 'string' ? !['local', 'reth'].includes(config.backend) : typeof config.backend?.keyOf !== 'function') {
    throw new ReputationError('bad_config', "reputation.backend must be 'local', 'reth' or an object with keyOf", { value: config.backend })
  }
  return config
}

type NumberOption = { [K in keyof ReputationConfig]: ReputationConfig[K] extends number ? K : never }[keyof ReputationConfig]

function within(
  config: ReputationConfig, name: NumberOption, least: number, most = Number.MAX_VALUE, is: (value: number) => boolean = Number.isFinite,
): void {
  const value: unknown = config[name]
  if (typeof value === 'number' && is(value) && value >= least && value <= most) return
  const limit = typeof value === 'number' && value > most ? most : least
  const bound = limit === Number.MIN_VALUE ? 'above 0' : limit === -Number.MIN_VALUE ? 'below 0' : `from ${least} to ${most}`
  throw new ReputationError('bad_config', `reputation.${name} must be a number ${bound}`, { value, limit })
}
