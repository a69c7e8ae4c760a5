import { hours, minutes, seconds } from '../kernel/index.js'
import type { ConfirmedTip } from './ingress.js'

/** Bounds and times of the stateful verdict. Times in milliseconds. */
export interface ChainConfig {
  /** The application's confirmed tip at start (SPEC §7, Anchor); one that the store knows and that is higher wins. */
  readonly confirmedTip?: ConfirmedTip | undefined
  /** Blocks that may be demoted below the highest head since the application's last decision, whatever the cause (SPEC §7). */
  readonly maxReorgDepth: number
  /** Heights below the head that are kept as objects; what is older is judged as too old. At least twice `maxReorgDepth`. */
  readonly memoryBlocks: number
  /** Commitments that wait for their parent (SPEC §7); an overflow drops the oldest. */
  readonly maxPendingParents: number
  /** Known commitments beside the canonical chain; an overflow drops the oldest. */
  readonly maxAside: number
  /** Hand-overs without a block beside one height. */
  readonly maxHandoversPerHeight: number
  /** A block whose parent can only be a hand-over that nobody supplies is adopted after so long … */
  readonly handoverWait: number
  /** … or after so many peers did not supply it (SPEC §6). */
  readonly handoverPeers: number
  /** When gossipsub gets its Ignore at the latest: history × heartbeat (SPEC §5). */
  readonly verdictWithin: number
  /** When a page of a catch-up is answered at the latest. */
  readonly pageWithin: number

  /** How long one schedule lookup may take. */
  readonly scheduleDeadline: number
  /** Lookups under way. */
  readonly scheduleLookups: number
  /** Windows whose signer is remembered. */
  readonly scheduleCache: number
  /** After so long a remembered answer is looked up again, while it goes on being used. */
  readonly scheduleRefresh: number
  /**
   * A window's answer is not asked for again before it is this old. No commitment is refused by an answer that is older than itself: the
   * window is asked about again first, so at most once in this time.
   */
  readonly scheduleFresh: number
  /** Between failing lookups of one window: doubled from the first to the last. */
  readonly scheduleRetryFirst: number
  readonly scheduleRetryLast: number
  /**
   * Windows that end later than this from now are out of reach, whatever the schedule says (SPEC §6): commitments of gossip are held
   * until the window comes nearer, publishing one is an error.
   */
  readonly windowHorizon: number
  /** Commitments held while their schedule is unknown, or their window out of reach: how many, of one sender, their bytes, how long. */
  readonly maxHeld: number
  readonly maxHeldPerPeer: number
  readonly maxHeldBytes: number
  readonly holdFor: number

  /** How long the application's rules may take, how many are asked at a time, and how many wait to be. */
  readonly rulesDeadline: number
  readonly rulesConcurrent: number
  readonly rulesQueue: number

  /** Bytes of txlists that no accepted commitment names (SPEC §6): of one sender, in all; and how long they are kept. */
  readonly unreferencedBytesPerPeer: number
  readonly unreferencedBytes: number
  readonly unreferencedFor: number
  /** Txlists that are remembered as missing. */
  readonly maxMissingTxLists: number

  /** Writes that the store has not acknowledged (docs/architecture.md). */
  readonly maxUnstoredCommitments: number
  readonly maxUnstoredBytes: number

  /** Addresses of our own signer, 20 bytes each: whatever bears one of them counts as signed by us (SPEC §7). */
  readonly ownAddresses: readonly Uint8Array[]
  /** Records of what we signed in windows that ended longer ago than this are pruned, and nothing is signed for them any more. */
  readonly signedFor: number

  /** How long the store may take to restore, to read, or to record what we are about to sign. */
  readonly storeWithin: number
}

const MiB = 1_048_576
const days = (count: number): number => hours(24 * count)

export const CHAIN_DEFAULTS: ChainConfig = {
  maxReorgDepth: 64,
  memoryBlocks: 1_024,
  maxPendingParents: 1_024,
  maxAside: 4_096,
  maxHandoversPerHeight: 16,
  handoverWait: seconds(10),
  handoverPeers: 3,
  verdictWithin: seconds(6),
  pageWithin: seconds(15),
  scheduleDeadline: seconds(4),
  scheduleLookups: 32,
  scheduleCache: 1_024,
  scheduleRefresh: minutes(1),
  scheduleFresh: seconds(1),
  scheduleRetryFirst: 500,
  scheduleRetryLast: seconds(8),
  windowHorizon: hours(1),
  maxHeld: 1_024,
  maxHeldPerPeer: 256,
  maxHeldBytes: 512 * 1_024,
  holdFor: minutes(1),
  rulesDeadline: seconds(4),
  rulesConcurrent: 64,
  rulesQueue: 1_024,
  unreferencedBytesPerPeer: 8 * MiB,
  unreferencedBytes: 64 * MiB,
  unreferencedFor: minutes(10),
  maxMissingTxLists: 65_536,
  maxUnstoredCommitments: 4_096,
  maxUnstoredBytes: 64 * MiB,
  ownAddresses: [],
  signedFor: days(14),
  storeWithin: seconds(10),
}

/** The defaults, overridden by what is given and not `undefined`. */
export function chainConfig(options: Partial<ChainConfig> = {}): ChainConfig {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
  const config = { ...CHAIN_DEFAULTS, ...given }
  return { ...config, memoryBlocks: Math.max(config.memoryBlocks, 2 * config.maxReorgDepth) }
}

/** No block is above this height, and no window later than this (SPEC §6, Values out of reach): such values are kept nowhere. */
export const MAX_HEIGHT = 2n ** 64n - 2n
export const MAX_WINDOW = 2n ** 64n - 1n

/** The latest window's end, in seconds, that is within reach at this wall time; both in ms. */
export const latestWindow = (wall: number, horizon: number): bigint => BigInt(Math.floor((wall + horizon) / 1_000))
