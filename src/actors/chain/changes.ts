import type { GapRecord, LossKind, RootRecord, WriteBatch } from '../store/ingress.js'
import type { Commitment } from './commitment.js'
import type { ConfirmedTip, Head } from './ingress.js'
import type { ChainEvent } from './ports.js'
import type { PeerKey } from '../../protocol/peer-key.js'

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
type EvidencePut = NonNullable<WriteBatch['evidence']>[number]
type OwnSigned = NonNullable<WriteBatch['signed']>[number]
type TxListPut = NonNullable<WriteBatch['txLists']>[number]

/** One turn's changes on their way to the store, and what may only be said once they are durable. */
export interface Turn {
  readonly batch: WriteBatch
  /** Commitments put, and bytes that this turn holds in memory. */
  readonly commitments: number
  readonly bytes: number
  readonly events: readonly ChainEvent[]
}

/** What a small entry of a batch weighs, bytes. */
const ENTRY = 96

/**
 * Collects what one message changes, so that it becomes durable together. A commitment that changes more than once in a turn is
 * written once, as it stands at the turn's end.
 */
export class Changes {
  readonly #touched = new Set<Commitment>()
  readonly #forgotten = new Map<string, Uint8Array>()
  readonly #events: ChainEvent[] = []
  readonly #txLists: TxListPut[] = []
  readonly #forgetTxLists: Uint8Array[] = []
  readonly #referenced: { hash: Uint8Array; blockNumber: bigint }[] = []
  readonly #evidence: EvidencePut[] = []
  readonly #signed: OwnSigned[] = []
  #closeSigning: WriteBatch['closeSigning']
  #forgetSigned: bigint | undefined
  readonly #gaps: GapRecord[] = []
  #rewind: { readonly to: bigint; readonly reason: 'application' | 'supersession'; readonly retires: boolean } | undefined
  #mark: bigint | undefined
  #root: RootRecord | null | undefined
  #tip: ConfirmedTip | undefined
  #override: Head | null | undefined
  #meta: { name: string; value: string | null }[] = []

  /** It is new, or stands elsewhere than before. */
  touch(commitment: Commitment): void { this.#touched.add(commitment) }

  /** It is to be unknown again. */
  forget(commitment: Commitment): void {
    this.#touched.delete(commitment)
    if (commitment.written) this.#forgotten.set(commitment.key, commitment.hash)
    commitment.written = false
  }

  /** Everything canonical above this height is demoted, in memory or not; the lowest of a turn counts. Told when it is durable. */
  rewind(to: bigint, reason: 'application' | 'supersession', retires: boolean): void {
    if (this.#rewind === undefined || to < this.#rewind.to) this.#rewind = { to, reason, retires }
  }

  /** What the bound of a reorg counts from: written with what demotes, or decides. */
  mark(mark: bigint): void { this.#mark = mark }
  gap(gap: GapRecord): void { this.#gaps.push(gap) }
  root(root: RootRecord | null): void { this.#root = root }

  tip(tip: ConfirmedTip): void { this.#tip = tip }
  override(head: Head | null): void { this.#override = head }
  meta(name: string, value: string | null): void { this.#meta.push({ name, value }) }
  /** It bears our key: recorded with what this turn changes, or not at all. */
  signed(record: OwnSigned): void { this.#signed.push(record) }
  /** Nothing is signed any more for windows that end at or before this one: records of them may be missing. */
  closeSigning(upTo: bigint, what: LossKind, at: number): void { this.#closeSigning = { upTo, what, at } }
  /** What was signed in windows that ended by then is forgotten. */
  forgetSigned(upTo: bigint): void { this.#forgetSigned = upTo }
  evidence(evidence: EvidencePut): void { this.#evidence.push(evidence) }
  reference(hash: Uint8Array, blockNumber: bigint): void { this.#referenced.push({ hash, blockNumber }) }
  forgetTxList(hash: Uint8Array): void { this.#forgetTxLists.push(hash) }

  txList(hash: Uint8Array, bytes: Uint8Array, origin: { blockNumber?: bigint | undefined; peer?: PeerKey | undefined }): void {
    this.#txLists.push({
      hash, bytes,
      ...(origin.blockNumber !== undefined && { blockNumber: origin.blockNumber }),
      ...(origin.peer !== undefined && { peer: origin.peer }),
    })
    this.#events.push({ type: 'stored', kind: 'txList', hash, blockNumber: origin.blockNumber })
  }

  /** To be said when this turn is durable. */
  afterwards(event: ChainEvent): void { this.#events.push(event) }

  /** Commitments that this turn writes so far. */
  get size(): number { return this.#touched.size }

  /** The turn's changes, `undefined` where there are none. Begins the next turn. */
  take(): Turn | undefined {
    const batch: Mutable<WriteBatch> = {}
    const put = [...this.#touched].filter(({ written }) => !written)
    const moved = [...this.#touched].filter(({ written }) => written)
    if (this.#signed.length > 0) batch.signed = this.#signed.slice()
    if (this.#closeSigning !== undefined) batch.closeSigning = this.#closeSigning
    if (this.#forgetSigned !== undefined) batch.forgetSigned = this.#forgetSigned
    if (this.#rewind !== undefined) {
      const { to, reason, retires } = this.#rewind
      batch.rewindTo = to
      if (retires) batch.retires = true
      this.#events.push({ type: 'rewind', to, reason })
    }
    if (this.#mark !== undefined) batch.mark = this.#mark
    if (this.#root !== undefined) batch.root = this.#root
    if (this.#gaps.length > 0) batch.gaps = this.#gaps.slice()
    if (this.#forgotten.size > 0) batch.forget = [...this.#forgotten.values()]
    if (put.length > 0) batch.commitments = put.map(({ hash, signer, ssz, standing, own }) => ({ hash, signer, ssz, standing, ...own && { own } }))
    if (moved.length > 0) batch.standings = moved.map(({ hash, standing }) => ({ hash, standing }))
    if (this.#txLists.length > 0) batch.txLists = this.#txLists.slice()
    if (this.#referenced.length > 0) batch.referenced = this.#referenced.slice()
    if (this.#forgetTxLists.length > 0) batch.forgetTxLists = this.#forgetTxLists.slice()
    if (this.#evidence.length > 0) batch.evidence = this.#evidence.slice()
    if (this.#tip !== undefined) batch.confirmedTip = this.#tip
    if (this.#override !== undefined) batch.headOverride = this.#override
    if (this.#meta.length > 0) batch.meta = this.#meta
    const events = [...stored(put), ...this.#events]
    const bytes = put.length * 512 + this.#txLists.reduce((sum, { bytes }) => sum + bytes.length, 0)
      + this.#evidence.length * 1_024 + this.#signed.length * 512 + (moved.length + this.#forgotten.size + this.#referenced.length + events.length) * ENTRY
    this.#clear()
    for (const commitment of put) commitment.written = true
    return Object.keys(batch).length === 0 ? undefined : { batch, commitments: put.length, bytes, events }
  }

  #clear(): void {
    this.#touched.clear()
    this.#forgotten.clear()
    this.#events.length = this.#txLists.length = this.#referenced.length = this.#forgetTxLists.length = this.#evidence.length = this.#signed.length = 0
    this.#rewind = this.#mark = this.#root = this.#tip = this.#override = this.#closeSigning = this.#forgetSigned = undefined
    this.#gaps.length = 0
    this.#meta = []
  }
}

function * stored(commitments: readonly Commitment[]): IterableIterator<ChainEvent> {
  for (const { hash, number } of commitments) yield { type: 'stored', kind: 'commitment', hash, blockNumber: number }
}

