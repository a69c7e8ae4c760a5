import type { PeerKey } from '../../protocol/peer-key.js'
import type { RecordPage } from './record-page.js'

/**
 * Where a commitment stands (SPEC §7). Only `canonical` ones are served, at most one block of them per height; `pending`
 * waits for its parent; `demoted` stands beside the chain; `retired` was demoted by the application, and returns only when it is named.
 */
export type Standing = 'canonical' | 'pending' | 'demoted' | 'retired'

/**
 * A commitment to keep, by (blockNumber, preconfirmation hash). Height, window, hand-over and txlist hash are read from
 * its SSZ, so they cannot contradict it.
 */
export interface CommitmentPut {
  /** Preconfirmation hash, 32 bytes. */
  readonly hash: Uint8Array
  /** Recovered address, 20 bytes. */
  readonly signer: Uint8Array
  /** `SignedCommitment`, 382 bytes. */
  readonly ssz: Uint8Array
  readonly standing: Standing
  /** This node has published it. */
  readonly own?: boolean
}

/** A commitment as it is kept. */
export interface CommitmentRecord extends CommitmentPut {
  readonly blockNumber: bigint
  /** `eop` without a txlist: beside its height, not on it (SPEC §6). */
  readonly handover: boolean
}

export interface TxListPut {
  /** keccak256 of `bytes`, 32 bytes; not checked again here. */
  readonly hash: Uint8Array
  readonly bytes: Uint8Array
  /** The height of the accepted commitment that names it. Left out: none does yet, and it counts to its sender's share. */
  readonly blockNumber?: bigint
  /** Who sent it; left out for our own. */
  readonly peer?: PeerKey
}

/** Both signed messages that convict a signer (SPEC §6), or the one that does. */
export interface EvidencePut {
  readonly kind: 'equivocation' | 'misbehaviour'
  /** In the words of SPEC §6. */
  readonly reason: string
  readonly signer: Uint8Array
  readonly blockNumber: bigint
  readonly submissionWindowEnd: bigint
  /** `SignedCommitment`s. */
  readonly messages: readonly Uint8Array[]
  /** Wall time, ms since the epoch. */
  readonly seenAt: number
}

export interface Evidence extends EvidencePut {
  /** In the order of storing; a cursor for `evidence(from)`. */
  readonly sequence: number
}

/** The application's confirmed tip (SPEC §7, Anchor). */
export interface TipRecord { readonly blockNumber: bigint; readonly preconfirmationHash?: Uint8Array }

/** Where a chain without a tip begins (SPEC §7): its first height, and what the block there links to, where that is checked. */
export interface RootRecord { readonly first: bigint; readonly parentHash?: Uint8Array }

/** A block that was adopted without its parent, on its signer's word (SPEC §6, EOP). */
export interface GapRecord { readonly blockNumber: bigint; readonly hash: Uint8Array }

/** What chain keeps beside the commitments. */
export interface ChainRecord {
  readonly confirmedTip: TipRecord | undefined
  readonly headOverride: HeadRecord | undefined
  readonly root: RootRecord | undefined
  /** The highest head since the application's last decision, as of the last demotion or decision: what the bound of a reorg counts from. */
  readonly mark: bigint | undefined
  /** By height. */
  readonly gaps: readonly GapRecord[]
}

/** What has changed since a reader of the chain was last told (SPEC §7, Rewinds are numbered). */
export interface RewindsSince {
  /** Names this opening of the directory, in whose name they are told: 16 hex digits. */
  readonly store: string
  /** The number of the last one; 0 before the first. */
  readonly last: number
  /** Above this height blocks were taken away, or put where there were none: the lowest of all that were missed. `undefined`: none was. */
  readonly to: bigint | undefined
  /** False where some of those missed are not kept any more, the number is above ours, or it was told in a name that this directory does not know. */
  readonly known: boolean
}

/** What `updateHead` set (SPEC §7). */
export interface HeadRecord { readonly blockNumber: bigint; readonly submissionWindowEnd: bigint }

/**
 * Changes that become durable together or not at all. They apply in the order of the fields below, and applying a batch
 * again (after a restart of the store) changes nothing, as long as all batches after it are applied again as well.
 *
 * A batch that takes a canonical block from its height, in whatever field, is a rewind: it is numbered, and the number is written with it. So
 * is one that puts a block below where the chain has been: a reader may have been told that there is none.
 */
export interface WriteBatch {
  /**
   * Batches with a sequence are stored without a hole: one that names the sequence of the batch before it (`after`) is refused with
   * `out_of_order` where that was not the last taken, or failed. So a crash finds each with all before it.
   */
  readonly sequence?: number | undefined
  readonly after?: number | undefined
  /** What bears our key, recorded with what follows or not at all. One that conflicts with what is recorded is kept beside it. */
  readonly signed?: readonly OwnSigned[]
  /** Windows that end at or before this one are closed for signing from now on, because records of what we signed may be missing. */
  readonly closeSigning?: { readonly upTo: bigint; readonly what: LossKind; readonly at: number }
  /** Forgets what was signed in windows that end at or before this one, and closes them for signing. */
  readonly forgetSigned?: bigint
  /** Demotes every canonical record above this height, hand-overs included; −1: all. */
  readonly rewindTo?: bigint
  /** What `rewindTo` demotes is `retired`. */
  readonly retires?: boolean
  /** Commitments to forget, by preconfirmation hash. */
  readonly forget?: readonly Uint8Array[]
  /**
   * A canonical block takes its height from the one that held it, which becomes `demoted`. One that is there already
   * gets the given standing and keeps its first bytes.
   */
  readonly commitments?: readonly CommitmentPut[]
  /**
   * New standings of records that are there; one that is not is passed over. To be applied again with the same outcome, a batch names
   * none that only a later one brings.
   */
  readonly standings?: readonly { readonly hash: Uint8Array; readonly standing: Standing }[]
  /** One that is there keeps its bytes, and becomes referenced where a height is given. */
  readonly txLists?: readonly TxListPut[]
  /** Txlists that an accepted commitment now names, with its height; one that is not there is passed over. */
  readonly referenced?: readonly { readonly hash: Uint8Array; readonly blockNumber: bigint }[]
  readonly forgetTxLists?: readonly Uint8Array[]
  /** The same evidence twice is kept once. */
  readonly evidence?: readonly EvidencePut[]
  /** `null` removes it. */
  readonly confirmedTip?: TipRecord | null
  /** `null` removes it. */
  readonly headOverride?: HeadRecord | null
  /** `null` removes it. */
  readonly root?: RootRecord | null
  readonly mark?: bigint
  /** A rewind below one forgets it. */
  readonly gaps?: readonly GapRecord[]
  /** Text, usually JSON, under a name of ours: bans, known peers, … `null` removes it. */
  readonly meta?: readonly { readonly name: string; readonly value: string | null }[]
}

/** A commitment that we signed, or are about to (317 bytes without its signature, 382 with). */
export interface OwnSigned {
  readonly signer: Uint8Array
  /** Preconfirmation hash. */
  readonly hash: Uint8Array
  readonly ssz: Uint8Array
}

/** What came of `recordSigned`. */
export type SignedBefore =
  | { readonly recorded: true }
  /** Another one of this signer, window and height is recorded: the new one must not leave, and was not recorded. */
  | { readonly recorded: false; readonly conflict: OwnSigned }
  /** Nothing is signed any more for windows that end at or before this one. */
  | { readonly recorded: false; readonly conflict: undefined; readonly closedUpTo: bigint }

/**
 * What was lost of what had been said to be stored. `log`: bytes of it could not be read; `acknowledged`: its end is gone, or an older copy
 * was put back; `table`: a file of the database was missing or unreadable, and what is left was put together again; `signed`: a record of what
 * we signed was damaged; `directory`: it is a new one, and peers show what our key signed before.
 */
export type LossKind = 'log' | 'acknowledged' | 'table' | 'signed' | 'directory'

export interface Loss {
  readonly what: LossKind
  /** When it was found, ms since the epoch. */
  readonly at: number
  /** Nothing is signed for windows that end at or before this one. */
  readonly closedUpTo: bigint
}

/** What may be signed at all (SPEC §7). */
export interface SigningMark {
  /** Nothing is signed for windows that end at or before this one: their records were pruned, or may be lost. */
  readonly closedUpTo: bigint | undefined
  /** The last loss. */
  readonly loss: Loss | undefined
}

/** What we signed in one window, with the mark read after it. */
export interface SignedWindow {
  readonly records: readonly OwnSigned[]
  readonly closedUpTo: bigint | undefined
}

/** What was damaged, and is gone: it can be fetched again, or its owner sets it anew. */
export interface Discarded {
  readonly kind: 'commitment' | 'txList' | 'evidence' | 'signed' | 'confirmedTip' | 'headOverride' | 'root' | 'counters'
  /** Preconfirmation hash or txlist hash, where anything still says it. */
  readonly hash: Uint8Array | undefined
  readonly blockNumber: bigint | undefined
}

export interface Stats {
  /** All commitments, and those of them that are canonical (blocks and hand-overs). */
  readonly commitments: number
  readonly canonical: number
  /** Height of the lowest and highest canonical block. */
  readonly lowest: bigint | undefined
  readonly highest: bigint | undefined
  readonly txLists: number
  /** Bytes of txlists that an accepted commitment names, and of those that none does (with a charge of 256 for each). */
  readonly referencedBytes: number
  readonly unreferencedBytes: number
  /** Txlists below this height were evicted for lack of room, and are not missing. */
  readonly txListFloor: bigint
  readonly evidence: number
  /** Since the directory was made: dropped to stay within the bounds. */
  readonly evictedCommitments: number
  readonly evictedTxLists: number
  readonly evictedUnreferenced: number
  readonly evictedEvidence: number
  readonly signing: SigningMark
}

/** What a node resumes with. */
export interface Opened extends ChainRecord {
  /** False for the database in memory. */
  readonly durable: boolean
  /** The directory was made just now. */
  readonly created: boolean
  readonly schema: number
  /** The schema that it had before this opening, where it was an older one. */
  readonly migratedFrom: number | undefined
  /** The last canonical records, as `tail(options.tail)` gives them. */
  readonly tail: RecordPage
  readonly stats: Stats
  /** Bytes of an earlier run's log that could not be read and were dropped. */
  readonly droppedBytes: number
  /** What was found to be lost at this opening. */
  readonly loss: Loss | undefined
  readonly discarded: readonly Discarded[]
  /** Names in the database's folder that are none of its files; left alone. */
  readonly unknownFiles: readonly string[]
}

export interface MissingTxLists {
  /** In the order of heights. */
  readonly missing: readonly { readonly hash: Uint8Array; readonly blockNumber: bigint; readonly signer: Uint8Array }[]
  /** Where to go on; `undefined` when the end was reached. */
  readonly next: bigint | undefined
}

/** Bounds of what is kept (SPEC §6, §7). */
export interface DatabaseLimits {
  /** Commitments of every standing; the lowest leave first, the head never. */
  readonly commitments: number
  /** Bytes of txlists that an accepted commitment names; those of the lowest heights leave first, the highest never. */
  readonly referencedTxListBytes: number
  /** Bytes of txlists that none names, with a charge of 256 for each; the oldest of the sender with the most leaves first. */
  readonly unreferencedTxListBytes: number
  /** The same for one sender; its own oldest leaves first (H13). */
  readonly unreferencedTxListBytesPerPeer: number
  /** Pieces of evidence; the oldest leaves first. */
  readonly evidence: number
}

export const DEFAULT_LIMITS: DatabaseLimits = {
  commitments: 604_800,
  referencedTxListBytes: 2 * 1024 ** 3,
  // Chain admits 64 MiB, and 8 MiB of one sender (SPEC §6), without the charge: what it has admitted must not be pushed out here.
  unreferencedTxListBytes: 72 * 1024 ** 2,
  unreferencedTxListBytesPerPeer: 9 * 1024 ** 2,
  evidence: 4_096,
}

export interface OpenOptions {
  /** Records in `Opened.tail`. Default 0. */
  readonly tail?: number
  /** Looks at every record, and puts right what is wrong. Takes as long as reading all of it. */
  readonly inspect?: boolean
}

/**
 * The node's memory. Everything resolves in bounded time or rejects with a `StoreError`; what a call gives is the
 * caller's, and what it takes must not change until it has resolved.
 */
export interface Database {
  /** Opens or makes it. @throws StoreError `locked`, `schema_newer`, `foreign`, `damaged`, `disk_full`, `io` */
  open (options?: OpenOptions): Promise<Opened>
  /**
   * Resolves when the batch is on disk (fdatasync). Rejects when it is not known to be: whole or not at all, it may be
   * found after the next opening, so commit it again. Batches apply in the order of the calls; those that wait for the
   * disk at the same time share one sync, and fail together. After a failure the next commit first tries to recover. Gives what it met
   * that was damaged, and took out.
   */
  commit (batch: WriteBatch): Promise<readonly Discarded[]>
  /**
   * Takes out what a read has found damaged: the `value` of that error. `waiting`: what stands on a damaged block becomes pending, for that
   * block to come again. Gives nothing where it is none that could be taken out.
   */
  discard (damaged: string, waiting: boolean): Promise<readonly Discarded[]>
  /** Durable when it resolves, as `commit` is. Keeps the first of a signer, window, height and kind, where its window is not closed (SPEC §7). */
  recordSigned (record: OwnSigned): Promise<SignedBefore>
  /** What we signed in a window, by height; what is being written counts, and is durable by then. */
  ownSigned (signer: Uint8Array, submissionWindowEnd: bigint): Promise<readonly OwnSigned[]>
  /**
   * The first `max` (at most 256) canonical commitments at or above `start`, as concatenated SSZ: what `get_commitments_by_number`
   * serves (H89). A hand-over stands before the block of its height. `onePerHeight`: of each height the block, or where there is none the
   * last hand-over (H87).
   */
  canonicalRange (start: bigint, max: number, onePerHeight?: boolean): Promise<Uint8Array>
  /** Canonical records from height `from` on; with `after`, from behind the record of that hash on. At most 4,096. */
  scan (from: bigint, max: number, after?: Uint8Array): Promise<RecordPage>
  /** The last `count` canonical records, ascending. */
  tail (count: number): Promise<RecordPage>
  /** The canonical block of a height. */
  blockAt (height: bigint): Promise<CommitmentRecord | undefined>
  chainRecord (): Promise<ChainRecord>
  /** What has changed after the rewind of this number, told in the name of `store` (left out: ours). Read it after the records that it is to vouch for. */
  rewinds (after: number, store?: string): Promise<RewindsSince>
  /** The highest `max` records that are not canonical, whatever their standing, ascending. */
  beside (max: number): Promise<RecordPage>
  commitmentByHash (hash: Uint8Array): Promise<CommitmentRecord | undefined>
  txList (hash: Uint8Array): Promise<Uint8Array | undefined>
  hasTxLists (hashes: readonly Uint8Array[]): Promise<readonly boolean[]>
  /** Txlists named by canonical blocks from height `from` on that are not there; looks at no more than 4,096 records. */
  missingTxLists (from: bigint, max: number): Promise<MissingTxLists>
  /** Evidence from a sequence on, oldest first. */
  evidence (from: number, max: number): Promise<readonly Evidence[]>
  meta (name: string): Promise<string | undefined>
  stats (): Promise<Stats>
  /** Finishes what is under way and lets go of the directory. Later calls are `closed`. */
  close (): Promise<void>
}
