import { MAX_COMMITMENTS } from '../../protocol/index.js'
import { minutes, seconds } from '../kernel/index.js'

/** What the application can do wrong with this room. What peers do wrong is an event, never an error. */
export class SyncError extends Error {
  override readonly name = 'SyncError'
  /** `bad_config`: `value` is the option's value and `limit`, where there is one, the bound it broke. */
  constructor(readonly code: 'bad_config', message: string, readonly value?: unknown, readonly limit?: number) { super(message) }
}

/** Times in milliseconds; everything else is a count. */
export interface SyncConfig {
  /** Heads are asked for, and what is behind is caught up, this often (SPEC §9). */
  readonly roundEvery: number
  /** Commitments asked in one page, at most 256 (SPEC §3). */
  readonly pageSize: number
  /** Batches in the queue of a range sync, in any state: about 98 KB each. */
  readonly pagesAhead: number
  /** Pages in the validator and in chain, not yet judged. */
  readonly pagesInValidator: number
  /** Pages judged and not yet durable. With those in the validator, fewer commitments than chain keeps for the store (4,096). */
  readonly pagesUnstored: number
  /** A range sync pauses while chain has this many unacknowledged records. */
  readonly pauseAtUnstored: number
  /** Requests in flight to one peer on one protocol: to any peer, and to one that runs this software. */
  readonly inFlight: number
  readonly inFlightToSameClient: number
  /** Prefix of the agent string of peers that run this software. */
  readonly sameClientAgent: string
  /** A page or txlist that takes longer is requested from a second peer too. */
  readonly lateAfter: number
  /** A slower answer counts as a fault of the peer (a reference node gives up after 10 s). */
  readonly slowAfter: number
  /** Deadline for the driver's answer to a request: its quota (10 s), its own deadline (15 s) and a margin. */
  readonly answerWithin: number
  /** Failed requests in one range sync after which a peer is not asked any more. */
  readonly failuresPerRun: number
  /** Peers asked for their head in a round. */
  readonly headsPerRound: number
  /** How long a range sync waits for heads before it concludes that no peer is ahead. */
  readonly headsWithin: number
  /** Peers of unknown head (zeros) that are asked page by page in a round. */
  readonly blindPeers: number
  /** Peers that take part in the checkpoint vote. */
  readonly voters: number
  /** A head more than this above the next lower one must be proved before it counts. Blocks. */
  readonly outlier: bigint
  /** A page that is not judged within this is handed over again, up to `handOvers` times in all. */
  readonly judgeWithin: number
  readonly handOvers: number
  /** How long the result of a range sync waits for its blocks to be durable. */
  readonly durableWithin: number
  /** Interval of progress events. */
  readonly progressEvery: number
  /** A missing parent is requested after this (workers may finish out of order, SPEC §9). */
  readonly gapAfter: number
  /** Missing parents remembered, the oldest dropped first; and peers asked for each. */
  readonly gaps: number
  readonly gapPeers: number
  /** Txlist requests in flight, to all peers together; while a range sync is far behind, one at a time. */
  readonly txListsInFlight: number
  /** Missing txlists remembered; the store is scanned for more when there is room. */
  readonly txLists: number
  /** A txlist that no peer has is requested again after this. */
  readonly txListRetryAfter: number
  /** Peers remembered, connected or not. */
  readonly peers: number
  /** Faults of kind `found_out` cost a peer one penalty in this time. */
  readonly softPenaltyEvery: number
  /** How long a page that began above the requested height is taken as the lowest block of its peer; for one range sync only (H86). */
  readonly floorFor: number
  /** Blocks that a peer must be ahead in two rounds in a row for gossip to count as not reaching us (H42). */
  readonly unheardBlocks: bigint
  /** Deadline for answers of chain, store and driver. */
  readonly roomsWithin: number
}

export const syncDefaults: SyncConfig = {
  roundEvery: seconds(30),
  pageSize: MAX_COMMITMENTS,
  pagesAhead: 16,
  pagesInValidator: 3,
  pagesUnstored: 8,
  pauseAtUnstored: 3_072,
  inFlight: 2,
  inFlightToSameClient: 8,
  sameClientAgent: 'preconfirmation-p2p/',
  lateAfter: seconds(3),
  slowAfter: seconds(10),
  answerWithin: seconds(26),
  failuresPerRun: 3,
  headsPerRound: 32,
  headsWithin: seconds(3),
  blindPeers: 4,
  voters: 16,
  outlier: 256n,
  judgeWithin: seconds(30),
  handOvers: 3,
  durableWithin: seconds(10),
  progressEvery: seconds(1),
  gapAfter: 300,
  gaps: 1_024,
  gapPeers: 3,
  txListsInFlight: 8,
  txLists: 4_096,
  txListRetryAfter: seconds(10),
  peers: 512,
  softPenaltyEvery: minutes(10),
  floorFor: seconds(30),
  unheardBlocks: 4n,
  roomsWithin: seconds(5),
}

/** Fills in the defaults. @throws SyncError `bad_config` */
export function syncConfig(options: Partial<SyncConfig> = {}): SyncConfig {
  const config: SyncConfig = { ...syncDefaults, ...options }
  for (const [name, value] of Object.entries(config) as [string, unknown][]) {
    if (typeof value === 'number' && !(Number.isFinite(value) && value > 0)) {
      throw new SyncError('bad_config', `sync.${name} is a positive number`, value)
    }
    if (typeof value === 'bigint' && value < 0n) throw new SyncError('bad_config', `sync.${name} is not negative`, value)
  }
  if (config.pageSize > MAX_COMMITMENTS) {
    throw new SyncError('bad_config', `sync.pageSize is at most ${MAX_COMMITMENTS}`, config.pageSize, MAX_COMMITMENTS)
  }
  return config
}
