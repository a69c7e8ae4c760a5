import { hours, minutes, seconds } from '../kernel/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { ReputationBackend } from './backend.js'
import { ReputationError } from './errors.js'
import type { Rule } from './ingress.js'

/** Weights and thresholds (SPEC §8). Points of reputation; times in milliseconds. */
export interface ReputationRules {
  /** Cost of one failure, and of all failures together within any `windowMs`, at most. */
  readonly failure: number
  readonly failuresPerWindow: number
  /** Gain of one acceptance, and of all acceptances together within any `windowMs`, at most. */
  readonly acceptance: number
  readonly acceptancesPerWindow: number
  readonly windowMs: number
  /** Every `tickMs` each reputation is multiplied by `decay` and sampled, and expired bans end. */
  readonly tickMs: number
  readonly decay: number
  /** Reputations are clamped to ± this. */
  readonly most: number
  /** At or below: not chosen for requests. */
  readonly notAskedAt: number
  /** At or below: pruned from our meshes. */
  readonly greylistAt: number
  /** min(reputation, gossipsub's score) at or below this for more than `banAfterMs` is a ban of `banForMs`. */
  readonly banAt: number
  readonly banAfterMs: number
  readonly banForMs: number
}

/** All options, filled in: see `spec`. */
export interface ReputationConfig extends ReputationRules {
  /** The key of a peer. `local`: its peer id; `reth`: its secp256k1 public key; or a backend of the application. */
  readonly backend: 'local' | 'reth' | ReputationBackend
  /** Peer ids, IP addresses and subnets (CIDR) refused both ways. */
  readonly blocked: readonly Rule[]
  /** Never dropped for score. */
  readonly protected: readonly PeerKey[]
  /** Always protected and allowed (SPEC §8). */
  readonly staticPeers: readonly PeerKey[]
  /** Only these peers and the static ones; empty: everybody. */
  readonly allowed: readonly PeerKey[]

  /** Scores kept. Above it, of those unheard for longest the most neutral is forgotten. */
  readonly maxRecords: number
  /** Bans kept. Above it, the ban for score that ends first is removed. */
  readonly maxBans: number
  /** Rules of the block list, and protected peers. */
  readonly maxRules: number
  /** Peers whose public key is remembered (backends other than `local`). */
  readonly maxKeys: number
  /** Scores are written so often, and when the node stops; of the furthest from neutral at most `maxSavedScores`. */
  readonly saveScoresEvery: number
  readonly maxSavedScores: number
  /** Pauses before a failed write is tried again, doubled from the first to the last. */
  readonly retryFirst: number
  readonly retryLast: number
  /** The store answers within this. */
  readonly storeWithin: number
}

export type ReputationOptions = Partial<ReputationConfig>

/** The longest ban that can be asked for: ten years. */
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

/** Outcomes that count within a window, at most; each is remembered that long. */
const MOST_PER_WINDOW = 1_000

/** The preset `spec`, changed field by field. @throws ReputationError `bad_config` */
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
  // Thresholds are in this order and within the range.
  within(config, 'notAskedAt', -config.most, -Number.MIN_VALUE)
  within(config, 'greylistAt', -config.most, config.notAskedAt)
  within(config, 'banAt', -config.most, config.greylistAt)
  if (typeof config.backend === 'string' ? !['local', 'reth'].includes(config.backend) : typeof config.backend?.keyOf !== 'function') {
    throw new ReputationError('bad_config', "reputation.backend is 'local', 'reth' or an object with keyOf", { value: config.backend })
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
  throw new ReputationError('bad_config', `reputation.${name} is a number ${bound}`, { value, limit })
}
