import { Handle, dropOldest, keep, mailbox, reject } from '../kernel/index.js'
import type { Ask, Deadline } from '../kernel/index.js'
import type { ChainRecord, CommitmentRecord, Evidence, MissingTxLists, RewindsSince, SignedWindow, Stats, WriteBatch } from './database.js'
import type { RecordPage } from './record-page.js'

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
  /** From chain. Committed together with its neighbours; acknowledged to chain as `durable`, in the order of the sequence. */
  | { readonly type: 'write'; readonly sequence: number; readonly batch: WriteBatch }
  /** From chain, the answer to its `storeReady`: what follows begins with the oldest write that was not acknowledged. */
  | { readonly type: 'resume' }
  /** From network: answer `get_commitments_by_number` / `get_raw_txlist` to this inbound request. */
  | { readonly type: 'serveCommitments'; readonly request: number; readonly start: bigint; readonly max: number }
  | { readonly type: 'serveTxList'; readonly request: number; readonly hash: Uint8Array }
  | Ask<'restore', { tail: number; beside: number }, Restored>
  | Ask<'page', { start: bigint; max: number }, Uint8Array>
  | Ask<'scan', { from: bigint; max: number; after: Uint8Array | undefined }, RecordPage>
  | Ask<'tail', { count: number }, RecordPage>
  | Ask<'blockAt', { height: bigint }, CommitmentRecord | undefined>
  | Ask<'rewinds', { after: number }, RewindsSince>
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

const told = reject('the caller is told')

export const storeMailbox = mailbox<StoreMessage>({
  capacity: 8_192,
  whenFull: {
    write: keep('chain bounds what is not acknowledged (DESIGN.md: 4,096 commitments, 64 MiB)'),
    resume: keep('one a start of the store'),
    serveCommitments: dropOldest('the network answers it with nothing when its deadline comes'),
    serveTxList: dropOldest('the network answers it with nothing when its deadline comes'),
    restore: told, page: told, scan: told, tail: told, blockAt: told, rewinds: told, commitment: told, txList: told, hasTxLists: told, missingTxLists: told,
    signedWindow: told, evidence: told, meta: told, setMeta: told, standing: told,
  },
})

/** The node's memory: an embedded database in a thread of its own (SPEC §7). What is asked fails with a `StoreError`. */
export class Store extends Handle<StoreMessage> {
  write(sequence: number, batch: WriteBatch) { return this.send({ type: 'write', sequence, batch }) }
  /** Before the writes that a `storeReady` asks for again. */
  resume() { return this.send({ type: 'resume' }) }
  serveCommitments(request: number, start: bigint, max: number) { return this.send({ type: 'serveCommitments', request, start, max }) }
  serveTxList(request: number, hash: Uint8Array) { return this.send({ type: 'serveTxList', request, hash }) }
  /** What a node resumes with: the last `tail` canonical records and the highest `beside` others. */
  restore(tail: number, beside: number, within: Deadline) { return this.ask('restore', { tail, beside }, within) }
  /** Canonical commitments from a height on, at most 256, as concatenated SSZ. */
  page(start: bigint, max: number, within: Deadline) { return this.ask('page', { start, max }, within) }
  /** Canonical records from a height on; with `after`, from behind the record of that hash. At most 4,096. */
  scan(from: bigint, max: number, after: Uint8Array | undefined, within: Deadline) { return this.ask('scan', { from, max, after }, within) }
  /** The last `count` canonical records, ascending. */
  tail(count: number, within: Deadline) { return this.ask('tail', { count }, within) }
  /** The canonical block of a height. */
  blockAt(height: bigint, within: Deadline) { return this.ask('blockAt', { height }, within) }
  /** What was demoted after the rewind of this number (SPEC §7). Ask after reading the records that the answer is to vouch for. */
  rewinds(after: number, within: Deadline) { return this.ask('rewinds', { after }, within) }
  commitment(hash: Uint8Array, within: Deadline) { return this.ask('commitment', { hash }, within) }
  txList(hash: Uint8Array, within: Deadline) { return this.ask('txList', { hash }, within) }
  hasTxLists(hashes: readonly Uint8Array[], within: Deadline) { return this.ask('hasTxLists', { hashes }, within) }
  /** Txlists that canonical blocks name and that are not there, by height. */
  missingTxLists(from: bigint, max: number, within: Deadline) { return this.ask('missingTxLists', { from, max }, within) }
  /** What a signer signed in a window, as far as this node knows, what was written before included; and up to where nothing is signed any more. */
  signedWindow(signer: Uint8Array, submissionWindowEnd: bigint, within: Deadline) { return this.ask('signedWindow', { signer, submissionWindowEnd }, within) }
  evidence(from: number, max: number, within: Deadline) { return this.ask('evidence', { from, max }, within) }
  meta(name: string, within: Deadline) { return this.ask('meta', { name }, within) }
  setMeta(name: string, value: string | null, within: Deadline) { return this.ask('setMeta', { name, value }, within) }
  standing(within: Deadline) { return this.ask('standing', {}, within) }
}
