import { Handle, coalesce, dropOldest, keep, mailbox, reject } from '../kernel/index.js'
import type { Ask, Deadline, Feedback, Offered } from '../kernel/index.js'
import type { ChainStanding, Head } from '../chain/ingress.js'
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
  /** Chain did not take the pages of anybody at this height: they do not link to what we have, or cannot be judged yet. */
  | 'not_adopted'
  /** Peers announce more, or an elected signer's block waits above our head, and nobody could deliver what comes next. */
  | 'not_delivered'
  /** Validator or chain did not judge a page in time. */
  | 'not_judged'
  /** Chain or store did not answer. */
  | 'room_failed'

/** More is known than a run could get (SPEC §9). */
export interface Behind {
  /** The highest block that is known. */
  readonly known: bigint
  /** `signed`: an elected signer's block waits above our head. `announced`: at least half of the peers asked announce it. */
  readonly by: 'signed' | 'announced'
}

/** A peer as sync sees it. */
export interface SyncPeer {
  readonly peer: PeerKey
  /** The last announced head; `undefined` before, and where it announced zeros (SPEC §9: unknown). */
  readonly head: Head | undefined
  /** Not asked any more in the present run. */
  readonly discounted: boolean
  readonly inFlight: number
  /** Mean time of its answers, ms. */
  readonly latencyMs: number | undefined
  /** Commitments of its pages that were taken, since it connected. */
  readonly delivered: number
}

export interface SyncStanding {
  readonly running: { readonly from: bigint; readonly at: bigint; readonly to: bigint } | undefined
  readonly peers: readonly SyncPeer[]
  /** Peers that are ahead of us round after round while their gossip does not reach us: they may have graylisted us (H42). */
  readonly unheard: readonly PeerKey[]
  /** As the last run that ended found it; `undefined` where it got all that is known. */
  readonly behind: Behind | undefined
  /** Runs that have ended `incomplete` since one did not. */
  readonly failedRuns: number
  readonly gaps: number
  readonly missingTxLists: number
  /** Counted since start: overflows of what is keyed by remote data, answers that nobody waited for, … */
  readonly counters: { readonly [name: string]: number }
}

/** Why a peer is at fault. What the driver sees itself (frames that are broken or too large) it reports as `violation`. */
export type FaultReason =
  /** Proved by the answer itself: undecodable, more than asked, not ascending, twice the same, below the asked range, not the asked hash. */
  | 'undecodable' | 'too_many' | 'out_of_order' | 'duplicate' | 'out_of_range' | 'wrong_hash'
  /** Proved by the validator or chain: a page or txlist with something in it that costs its sender reputation (SPEC §6). */
  | 'invalid'
  /** Found out by holding a peer to its own word: see doubts.ts. */
  | 'withheld' | 'inflated_head' | 'truncated' | 'shifted'
  /** Its chain does not link to the one that others deliver. */
  | 'other_fork'
  | 'slow'
  /** There was no answer: the driver's code. Silence costs reputation. */
  | 'no_answer'

export type SyncEvent =
  | { readonly type: 'syncStarted'; readonly reason: 'start' | 'peer' | 'round' | 'gap' | 'asked'; readonly from: bigint }
  /** Blocks `from` to `to` are wanted, all below `at` are taken. `to` moves with the heads of those who can show theirs. */
  | {
    readonly type: 'syncProgress'; readonly from: bigint; readonly to: bigint; readonly at: bigint
    /** Blocks a second over the last few seconds. */
    readonly perSecond: number
    /** Peers that have delivered in this run. */
    readonly peers: number
    readonly etaMs: number | undefined
  }
  | { readonly type: 'syncDone'; readonly from: bigint; readonly to: bigint; readonly blocks: number; readonly ms: number }
  | { readonly type: 'syncFailed'; readonly code: SyncFailure | 'cancelled'; readonly at: bigint; readonly reason: string; readonly ms: number }
  /** `penalty`: whether it was reported to reputation. */
  | { readonly type: 'peerFault'; readonly peer: PeerKey; readonly reason: FaultReason; readonly detail: string; readonly penalty: boolean }
  /** Peers are ahead of us at two rounds in a row: their gossip does not reach us. With no peers: it does again. */
  | { readonly type: 'unheard'; readonly peers: readonly PeerKey[]; readonly behind: bigint }
  /** A parent that a live block names could not be had. */
  | { readonly type: 'gapFailed'; readonly hash: Uint8Array; readonly height: bigint; readonly asked: number }

/** What the room tells itself when something that it waited for is there. Never sent by others. */
export type SyncInternal =
  | { readonly type: 'answered'; readonly exchange: number; readonly response: Response }
  | { readonly type: 'unanswered'; readonly exchange: number; readonly error: unknown }
  | { readonly type: 'stood'; readonly query: number; readonly standing: ChainStanding | undefined; readonly error: unknown }
  | { readonly type: 'handed'; readonly ticket: number; readonly result: Offered }
  | { readonly type: 'txListsMissing'; readonly page: MissingTxLists | undefined }
  | { readonly type: 'peersSeen'; readonly peers: readonly PeerInfo[] | undefined }
  /** Who asked for a catch-up waits no longer. */
  | { readonly type: 'gaveUp'; readonly asker: number }

export type SyncTimers = 'round' | 'progress' | 'pump'

export type SyncMessage =
  | JudgedMessage
  | { readonly type: 'missingParent'; readonly hash: Uint8Array; readonly height: bigint; readonly from: PeerKey | undefined }
  | { readonly type: 'missingTxList'; readonly hash: Uint8Array; readonly height: bigint; readonly from: PeerKey | undefined; readonly signer?: Uint8Array }
  | { readonly type: 'haveTxList'; readonly hash: Uint8Array }
  | { readonly type: 'peerReady'; readonly peer: PeerKey; readonly agent: string }
  | { readonly type: 'peerGone'; readonly peer: PeerKey }
  /** Ends the present run; requests under way are let finish (SPEC §8), their answers are not used. */
  | { readonly type: 'cancel' }
  | Ask<'sync', object, SyncResult>
  | Ask<'standing', object, SyncStanding>

export const syncMailbox = mailbox<SyncMessage>({
  capacity: 8_192,
  whenFull: {
    judged: keep('one a page or txlist that this room handed over'),
    durable: keep('one a page or txlist that this room handed over'),
    missingParent: dropOldest('the next round catches up to the heads of the peers anyway'),
    missingTxList: dropOldest('the store is asked again for what is missing'),
    haveTxList: dropOldest('a txlist that is there is fetched once too often'),
    peerReady: coalesce('the latest word on a peer counts', ({ peer }) => peer),
    peerGone: coalesce('the latest word on a peer counts', ({ peer }) => peer),
    cancel: dropOldest('one cancels as well as two'),
    sync: reject('the caller is told'),
    standing: reject('the caller is told'),
  },
})

/** Catches up from peers, fills gaps, fetches missing txlists (SPEC §9). */
export class Sync extends Handle<SyncMessage> {
  /**
   * Catches up now, or joins the run under way; resolves when it has ended and what it brought is durable. A run that was started for
   * callers is cancelled when the last of them gives up.
   */
  sync(within: Deadline) { return this.ask('sync', {}, within) }
  standing(within: Deadline) { return this.ask('standing', {}, within) }
  /** Ends the present run. */
  cancel() { return this.send({ type: 'cancel' }) }
  peerReady(peer: PeerKey, agent: string) { return this.send({ type: 'peerReady', peer, agent }) }
  peerGone(peer: PeerKey) { return this.send({ type: 'peerGone', peer }) }
  /** What of the driver's events concerns this room. Never waits. */
  driver(event: DriverEvent): Feedback {
    switch (event.type) {
      case 'peerReady': return this.peerReady(event.peer, event.agent)
      case 'peerDisconnected': return this.peerGone(event.peer)
      default: return 'ok'
    }
  }
}
