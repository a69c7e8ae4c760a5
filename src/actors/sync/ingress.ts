import { Handle, coalesce, dropOldest, keep, mailbox, reject } from '../kernel/index.js'
import type { Ask, Deadline, Feedback, Offered } from '../kernel/index.js'
import type { ChainStatus, Head } from '../chain/ingress.js'
import type { JudgedMessage } from '../chain/ports.js'
import type { DriverEvent, PeerInfo, Response } from '../network/ingress.js'
import type { MissingTxLists } from '../store/ingress.js'
import type { PeerKey } from '../../protocol/peer-key.js'

/** What came of a catch-up. Heights are blocks; `to` is `from − 1` where nothing was missing. */
export interface SyncResult {
  /**
   * `caught_up`: nobody who could be asked has more. `no_peers`: there was nobody to ask. `incomplete`: peers have more that could
   * not be taken (`code` says why). `cancelled`: the caller, or a stop, ended it.
   */
  readonly outcome: 'caught_up' | 'no_peers' | 'incomplete' | 'cancelled'
  readonly code: SyncFailure | undefined
  readonly from: bigint
  readonly to: bigint
  readonly blocks: number
  readonly ms: number
}

export type SyncFailure =
  /** Chain adopted no peer's page at this height: they do not link to our chain, or cannot be judged yet. */
  | 'not_adopted'
  /** Peers announce more, or an elected signer's block waits above our head, and no peer delivered what comes next. */
  | 'not_delivered'
  /** Validator or chain did not judge a page in time. */
  | 'not_judged'
  /** Chain or store did not answer. */
  | 'room_failed'

/** More blocks are known than a range sync could fetch (SPEC §9). */
export interface Behind {
  /** The highest block that is known. */
  readonly known: bigint
  /** `signed`: an elected signer's block waits above our head. `announced`: at least half of the asked peers announce it. */
  readonly by: 'signed' | 'announced'
}

/** A peer as sync sees it. */
export interface SyncPeer {
  readonly peer: PeerKey
  /** The last announced head; `undefined` before, and where it announced zeros (SPEC §9: unknown). */
  readonly head: Head | undefined
  /** Not asked any more in the present range sync. */
  readonly discounted: boolean
  readonly inFlight: number
  /** Mean time of its answers, ms. */
  readonly latencyMs: number | undefined
  /** Commitments adopted from its pages since it connected. */
  readonly delivered: number
}

export interface SyncStatus {
  readonly running: { readonly from: bigint; readonly at: bigint; readonly to: bigint } | undefined
  readonly peers: readonly SyncPeer[]
  /** Peers that are ahead of us round after round although we catch up: their gossip does not reach us; they may have graylisted us (H42). */
  readonly unheard: readonly PeerKey[]
  /** As of the last range sync that ended; `undefined` if it fetched all that is known. */
  readonly behind: Behind | undefined
  /** Range syncs in a row that ended `incomplete`. */
  readonly failedRuns: number
  readonly gaps: number
  readonly missingTxLists: number
  /** Counts since start: dropped entries, answers that nobody waited for, … */
  readonly counters: { readonly [name: string]: number }
}

/** Why a peer is at fault. Broken or oversized frames are reported by the driver, as `violation`. */
export type FaultReason =
  /** Proved by the answer itself: undecodable, more than requested, not ascending, duplicated, below the requested range, another hash. */
  | 'undecodable' | 'too_many' | 'out_of_order' | 'duplicate' | 'out_of_range' | 'wrong_hash'
  /** Proved by the validator or chain: a page or txlist with a rejected item (SPEC §6). */
  | 'invalid'
  /** Found out by testing a peer's claims: see peer-claims.ts. */
  | 'withheld' | 'inflated_head' | 'truncated' | 'shifted'
  /** Its chain does not link to the one that other peers deliver. */
  | 'other_fork'
  | 'slow'
  /** No answer; the detail is the driver's error code. A timeout costs reputation. */
  | 'no_answer'

export type SyncEvent =
  | { readonly type: 'syncStarted'; readonly reason: 'start' | 'peer' | 'round' | 'gap' | 'asked'; readonly from: bigint }
  /** Blocks `from` to `to` are wanted, all below `at` are adopted. `to` follows the credible heads of the peers. */
  | {
    readonly type: 'syncProgress'; readonly from: bigint; readonly to: bigint; readonly at: bigint
    /** Blocks a second over the last few seconds. */
    readonly perSecond: number
    /** Peers that have delivered in this range sync. */
    readonly peers: number
    readonly etaMs: number | undefined
  }
  | { readonly type: 'syncDone'; readonly from: bigint; readonly to: bigint; readonly blocks: number; readonly ms: number }
  | { readonly type: 'syncFailed'; readonly code: SyncFailure | 'cancelled'; readonly at: bigint; readonly reason: string; readonly ms: number }
  /** `penalty`: whether it was reported to reputation. */
  | { readonly type: 'peerFault'; readonly peer: PeerKey; readonly reason: FaultReason; readonly detail: string; readonly penalty: boolean }
  /** Peers were ahead of us in two rounds in a row: their gossip does not reach us. Without peers: it reaches us again. */
  | { readonly type: 'unheard'; readonly peers: readonly PeerKey[]; readonly behind: bigint }
  /** The parent of a gossiped block could not be fetched. */
  | { readonly type: 'gapFailed'; readonly hash: Uint8Array; readonly height: bigint; readonly asked: number }

/** Results that the actor sends to itself. Never sent by others. */
export type SyncInternal =
  | { readonly type: 'answered'; readonly exchange: number; readonly response: Response }
  | { readonly type: 'unanswered'; readonly exchange: number; readonly error: unknown }
  | { readonly type: 'stood'; readonly query: number; readonly standing: ChainStatus | undefined; readonly error: unknown }
  | { readonly type: 'handed'; readonly ticket: number; readonly result: Offered }
  | { readonly type: 'txListsMissing'; readonly page: MissingTxLists | undefined }
  | { readonly type: 'peersSeen'; readonly peers: readonly PeerInfo[] | undefined }
  /** The caller of `sync` no longer waits. */
  | { readonly type: 'gaveUp'; readonly asker: number }

export type SyncTimers = 'round' | 'progress' | 'pump'

export type SyncMessage =
  | JudgedMessage
  | { readonly type: 'missingParent'; readonly hash: Uint8Array; readonly height: bigint; readonly from: PeerKey | undefined }
  | { readonly type: 'missingTxList'; readonly hash: Uint8Array; readonly height: bigint; readonly from: PeerKey | undefined; readonly signer?: Uint8Array }
  | { readonly type: 'haveTxList'; readonly hash: Uint8Array }
  | { readonly type: 'peerReady'; readonly peer: PeerKey; readonly agent: string }
  | { readonly type: 'peerGone'; readonly peer: PeerKey }
  /** Ends the present range sync. Requests in flight finish (SPEC §8), their answers are ignored. */
  | { readonly type: 'cancel' }
  | Ask<'sync', object, SyncResult>
  | Ask<'standing', object, SyncStatus>

export const syncMailbox = mailbox<SyncMessage>({
  capacity: 8_192,
  whenFull: {
    judged: keep('one for each page or txlist that sync handed over'),
    durable: keep('one for each page or txlist that sync handed over'),
    missingParent: dropOldest('the next round catches up to the heads of the peers anyway'),
    missingTxList: dropOldest('the store is scanned again for missing txlists'),
    haveTxList: dropOldest('the txlist is fetched once more than needed'),
    peerReady: coalesce('the latest word on a peer counts', ({ peer }) => peer),
    peerGone: coalesce('the latest word on a peer counts', ({ peer }) => peer),
    cancel: dropOldest('one cancel is enough'),
    sync: reject('the caller is told'),
    standing: reject('the caller is told'),
  },
})

/** Range sync, missing parents and missing txlists (SPEC §9). */
export class Sync extends Handle<SyncMessage> {
  /**
   * Starts a range sync or joins the running one; resolves when it has ended and its blocks are durable. One that was started for
   * callers is cancelled when the last of them gives up.
   */
  sync(within: Deadline) { return this.ask('sync', {}, within) }
  standing(within: Deadline) { return this.ask('standing', {}, within) }
  /** Cancels the present range sync. */
  cancel() { return this.send({ type: 'cancel' }) }
  peerReady(peer: PeerKey, agent: string) { return this.send({ type: 'peerReady', peer, agent }) }
  peerGone(peer: PeerKey) { return this.send({ type: 'peerGone', peer }) }
  /** Passes on the driver's events that concern sync. Never waits. */
  driver(event: DriverEvent): Feedback {
    switch (event.type) {
      case 'peerReady': return this.peerReady(event.peer, event.agent)
      case 'peerDisconnected': return this.peerGone(event.peer)
      default: return 'ok'
    }
  }
}
