import { MAX_COMMITMENTS } from '../../protocol/index.js'
import { minutes, seconds } from '../kernel/index.js'
import { SyncError } from './errors.js'

/** Times in milliseconds; everything else is a count. */
export interface SyncConfig {
  /** Heads are asked for, and what is behind is caught up, this often (SPEC §9). */
  readonly roundEvery: number
  /** Commitments asked in one page, at most 256 (SPEC §3). */
  readonly pageSize: number
  /** Pages of a run from the oldest unjudged one on, whether wanted, asked or waiting: about 98 KB each. */
  readonly pagesAhead: number
  /** Pages in the validator and in chain, not yet judged. */
  readonly pagesInValidator: number
  /** Pages judged and not yet durable. Together with those in the validator below what chain keeps for the store (4,096 commitments). */
  readonly pagesUnstored: number
  /** A run pauses while chain waits for the store with so many records. */
  readonly pauseAtUnstored: number
  /** Requests under way to one peer and protocol: of peers in general, and of those that run this software. How fast is the driver's business. */
  readonly inFlight: number
  readonly inFlightToKin: number
  /** Peers whose agent string begins so run this software. */
  readonly kinAgent: string
  /** A page or txlist that is under way for so long is asked of another peer as well. */
  readonly lateAfter: number
  /** An answer that took longer is a failure of its peer (a reference node gives up after 10 s). */
  readonly slowAfter: number
  /** Waits for the driver's answer to a request: its quota (10 s) and its deadline (15 s), and a margin. */
  readonly answerWithin: number
  /** Failed requests of a peer in one run before it is asked no more. */
  readonly failuresPerRun: number
  /** Heads asked for in a round. */
  readonly headsPerRound: number
  /** A run waits so long for heads before it believes that nobody is ahead. */
  readonly headsWithin: number
  /** Peers with unknown heads (zeros) that are paged in a round. */
  readonly blindPeers: number
  /** Peers that are asked for the block by which a run tells forks apart: pages are asked of those who agree. */
  readonly voters: number
  /** A head further above the next lower one than this must be shown before it counts. Blocks. */
  readonly outlier: bigint
  /** The validator and chain must judge a page within this; then it is handed over again, `handOvers` times in all. */
  readonly judgeWithin: number
  readonly handOvers: number
  /** A run's result waits so long for its blocks to be durable. */
  readonly durableWithin: number
  /** Progress is reported so often. */
  readonly progressEvery: number
  /** A gap on the live path is filled after this (workers may finish out of order, SPEC §9). */
  readonly gapAfter: number
  /** Gaps remembered; the oldest leaves first. Peers asked for one. */
  readonly gaps: number
  readonly gapPeers: number
  /** Txlists fetched at once, of all peers; while a run is far behind, one now and then. */
  readonly txListsInFlight: number
  /** Missing txlists remembered; the store is asked for more when there is room. */
  readonly txLists: number
  /** A txlist that none of the peers has is asked for again after this. */
  readonly txListRetryAfter: number
  /** Peers remembered beyond those connected (their offences and where what they serve begins). */
  readonly peers: number
  /** Of the offences that cannot be proved at once, one in this time costs a peer reputation. */
  readonly softPenaltyEvery: number
  /** That a peer's page began above the asked height says what it had at that moment: it counts for so long, and for one run only (H86). */
  readonly floorFor: number
  /** Blocks that peers are ahead of us at two rounds in a row, when nothing comes by gossip (H42). */
  readonly unheardBlocks: bigint
  /** Own rooms (chain, store) answer within this. */
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
  inFlightToKin: 8,
  kinAgent: 'preconfirmation-p2p/',
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
