import { Handle, crossesIn, crossesOut, dropOldest, keep, mailbox, reject, threadBoundary } from '../kernel/index.js'
import type { Ask, Deadline, Port } from '../kernel/index.js'
import type { ChainRecord, CommitmentRecord, DatabaseLimits, Evidence, MissingTxLists, Discarded, LossKind, RewindsSince, SignedWindow, Stats, WriteBatch } from './database.js'
import { RecordPage } from './record-page.js'

export type { ChainRecord, CommitmentPut, CommitmentRecord, Evidence, GapRecord, LossKind, MissingTxLists, OwnSigned, RewindsSince, RootRecord, SignedWindow, Stats, WriteBatch } from './database.js'
export type { RecordPage } from './record-page.js'

/** What a node resumes with. */
export interface Restored extends ChainRecord {
  /** False where everything is kept in memory only. */
  readonly durable: boolean
  /** The last canonical records, ascending. */
  readonly tail: RecordPage
  /** The highest records that are not canonical, ascending. */
  readonly beside: RecordPage
  readonly stats: Stats
}

/** The same as it crosses: the bytes of the pages. */
export type RestoredBytes = Omit<Restored, 'tail' | 'beside'> & { readonly tail: Uint8Array; readonly beside: Uint8Array }

export interface StoreStanding {
  /** False where everything is kept in memory only. */
  readonly durable: boolean
  readonly stats: Stats
  /** False where the database does not answer: then `stats` are those of the last time. */
  readonly readable: boolean
  /** Writes taken and not yet on disk. */
  readonly waiting: number
  /** The error that keeps it from storing now, where there is one (H33). */
  readonly failing: { readonly code: string; readonly message: string } | undefined
}

export type StoreMessage =
  /**
   * From chain. Committed together with its neighbours; acknowledged to chain as `durable`, in the order of the sequence. `after`: the write
   * before it, which is not acknowledged yet; where the store lacks that one, it stores neither, and asks chain to send again.
   */
  | { readonly type: 'write'; readonly sequence: number; readonly after: number | undefined; readonly batch: WriteBatch }
  /** From network: answer `get_commitments_by_number` / `get_raw_txlist` to this inbound request. `onePerHeight`: no hand-over beside a block (H87). */
  | { readonly type: 'serveCommitments'; readonly request: number; readonly start: bigint; readonly max: number; readonly onePerHeight: boolean }
  | { readonly type: 'serveTxList'; readonly request: number; readonly hash: Uint8Array }
  | Ask<'restore', { tail: number; beside: number }, RestoredBytes>
  | Ask<'page', { start: bigint; max: number }, Uint8Array>
  | Ask<'scan', { from: bigint; max: number; after: Uint8Array | undefined }, Uint8Array>
  | Ask<'tail', { count: number }, Uint8Array>
  | Ask<'blockAt', { height: bigint }, CommitmentRecord | undefined>
  | Ask<'rewinds', { after: number; store: string | undefined }, RewindsSince>
  /** Any record by its preconfirmation hash, whatever its standing. */
  | Ask<'commitment', { hash: Uint8Array }, CommitmentRecord | undefined>
  | Ask<'txList', { hash: Uint8Array }, Uint8Array | undefined>
  | Ask<'hasTxLists', { hashes: readonly Uint8Array[] }, readonly boolean[]>
  | Ask<'missingTxLists', { from: bigint; max: number }, MissingTxLists>
  | Ask<'signedWindow', { signer: Uint8Array; submissionWindowEnd: bigint }, SignedWindow>
  | Ask<'evidence', { from: number; max: number }, readonly Evidence[]>
  | Ask<'meta', { name: string }, string | undefined>
  | Ask<'setMeta', { name: string; value: string | null }, void>
  | Ask<'standing', object, StoreStanding>

/** What the node hears of its store (H33). */
export type StoreEvent =
  | { readonly type: 'storeFailing'; readonly code: string; readonly message: string }
  | { readonly type: 'storeRecovered' }
  /** A record was damaged, and is gone: it is fetched again where others have it (H60). */
  | { readonly type: 'recordDamaged'; readonly kind: Discarded['kind']; readonly hash: Uint8Array | undefined; readonly blockNumber: bigint | undefined }
  /** What was said to be stored is missing: nothing is signed for windows that end at or before `signingClosedUpTo` (SPEC §7). */
  | { readonly type: 'recordsLost'; readonly what: LossKind; readonly signingClosedUpTo: bigint }

export interface StorePorts {
  /** Acknowledges writes, asks for those that are not stored, and tells of a txlist that was damaged. */
  readonly chain: Port<
    | { readonly type: 'durable'; readonly sequence: number } | { readonly type: 'storeReady' }
    | { readonly type: 'lostTxList'; readonly hash: Uint8Array; readonly height: bigint | undefined }
  >
  /** What inbound requests are answered with. */
  readonly answers: Port<{ readonly type: 'answer'; readonly request: number; readonly body: Uint8Array }>
  readonly events: Port<StoreEvent>
}

/** Which database, as it crosses to the thread. */
export interface StoreParams {
  readonly dataDir: string | undefined
  /** Names this opener of the directory over all of the actor's lives. */
  readonly token?: string
  readonly chainId?: bigint | undefined
  readonly limits?: Partial<DatabaseLimits>
}

const told = reject('the caller is told')

export const storeMailbox = mailbox<StoreMessage>({
  capacity: 8_192,
  whenFull: {
    write: keep('chain bounds what is not acknowledged (docs/architecture.md: 4,096 commitments, 64 MiB)'),
    serveCommitments: dropOldest('the network answers it with nothing when its deadline comes'),
    serveTxList: dropOldest('the network answers it with nothing when its deadline comes'),
    restore: told, page: told, scan: told, tail: told, blockAt: told, rewinds: told, commitment: told, txList: told, hasTxLists: told, missingTxLists: told,
    signedWindow: told, evidence: told, meta: told, setMeta: told, standing: told,
  },
})

/** Bytes that were made for the asker: they move. */
const givenOut = { direction: 'out', transfer: (bytes: Uint8Array | undefined) => bytes === undefined ? [] : [bytes.buffer as ArrayBuffer] } as const

/** What crosses between the store's thread and the others, and which way. */
export const storeBoundary = threadBoundary<StoreMessage, StoreParams, StorePorts>({
  params: crossesIn, write: crossesIn, serveCommitments: crossesIn, serveTxList: crossesIn,
  restore: crossesIn, 'restore.reply': crossesOut,
  page: crossesIn, 'page.reply': givenOut,
  scan: crossesIn, 'scan.reply': givenOut,
  tail: crossesIn, 'tail.reply': givenOut,
  blockAt: crossesIn, 'blockAt.reply': crossesOut,
  rewinds: crossesIn, 'rewinds.reply': crossesOut,
  commitment: crossesIn, 'commitment.reply': crossesOut,
  txList: crossesIn, 'txList.reply': givenOut,
  hasTxLists: crossesIn, 'hasTxLists.reply': crossesOut,
  missingTxLists: crossesIn, 'missingTxLists.reply': crossesOut,
  signedWindow: crossesIn, 'signedWindow.reply': crossesOut,
  evidence: crossesIn, 'evidence.reply': crossesOut,
  meta: crossesIn, 'meta.reply': crossesOut,
  setMeta: crossesIn, 'setMeta.reply': crossesOut,
  standing: crossesIn, 'standing.reply': crossesOut,
  'chain.durable': crossesOut, 'chain.storeReady': crossesOut, 'chain.lostTxList': crossesOut,
  'answers.answer': { direction: 'out', transfer: ({ body }) => [body.buffer as ArrayBuffer] },
  'events.storeFailing': crossesOut, 'events.storeRecovered': crossesOut, 'events.recordDamaged': crossesOut, 'events.recordsLost': crossesOut,
})

/** The node's memory: an embedded database in a thread of its own (SPEC §7). What is asked fails with a `StoreError`. */
export class Store extends Handle<StoreMessage> {
  /** @param after the write before it, where that is not acknowledged yet */
  write(sequence: number, after: number | undefined, batch: WriteBatch) { return this.send({ type: 'write', sequence, after, batch }) }
  serveCommitments(request: number, start: bigint, max: number, onePerHeight: boolean) { return this.send({ type: 'serveCommitments', request, start, max, onePerHeight }) }
  serveTxList(request: number, hash: Uint8Array) { return this.send({ type: 'serveTxList', request, hash }) }
  /** What a node resumes with: the last `tail` canonical records and the highest `beside` others. */
  async restore(tail: number, beside: number, within: Deadline): Promise<Restored> {
    const restored = await this.ask('restore', { tail, beside }, within)
    return { ...restored, tail: new RecordPage(restored.tail), beside: new RecordPage(restored.beside) }
  }
  /** Canonical commitments from a height on, at most 256, as concatenated SSZ. */
  page(start: bigint, max: number, within: Deadline) { return this.ask('page', { start, max }, within) }
  /** Canonical records from a height on; with `after`, from behind the record of that hash. At most 4,096. */
  async scan(from: bigint, max: number, after: Uint8Array | undefined, within: Deadline) {
    return new RecordPage(await this.ask('scan', { from, max, after }, within))
  }
  /** The last `count` canonical records, ascending. */
  async tail(count: number, within: Deadline) { return new RecordPage(await this.ask('tail', { count }, within)) }
  /** The canonical block of a height. */
  blockAt(height: bigint, within: Deadline) { return this.ask('blockAt', { height }, within) }
  /** What has changed after the rewind of this number, told in the name of `store` (SPEC §7). Ask after reading the records that the answer is to vouch for. */
  rewinds(after: number, store: string | undefined, within: Deadline) { return this.ask('rewinds', { after, store }, within) }
  commitment(hash: Uint8Array, within: Deadline) { return this.ask('commitment', { hash }, within) }
  txList(hash: Uint8Array, within: Deadline) { return this.ask('txList', { hash }, within) }
  hasTxLists(hashes: readonly Uint8Array[], within: Deadline) { return this.ask('hasTxLists', { hashes }, within) }
  /** Txlists that canonical blocks name and that are not there, by height. */
  missingTxLists(from: bigint, max: number, within: Deadline) { return this.ask('missingTxLists', { from, max }, within) }
  /** What a signer signed in a window, what was written before included; and up to where nothing is signed any more (SPEC §7). */
  signedWindow(signer: Uint8Array, submissionWindowEnd: bigint, within: Deadline) { return this.ask('signedWindow', { signer, submissionWindowEnd }, within) }
  evidence(from: number, max: number, within: Deadline) { return this.ask('evidence', { from, max }, within) }
  meta(name: string, within: Deadline) { return this.ask('meta', { name }, within) }
  setMeta(name: string, value: string | null, within: Deadline) { return this.ask('setMeta', { name, value }, within) }
  standing(within: Deadline) { return this.ask('standing', {}, within) }
}
