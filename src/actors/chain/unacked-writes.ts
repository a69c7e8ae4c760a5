import type { ChainConfig } from './config.js'
import type { Turn } from './changes.js'
import type { Head } from './ingress.js'
import type { WriteBatch } from '../store/ingress.js'

/** The head as of one turn. */
export interface HeadAt { readonly head: Head; readonly hash: Uint8Array | undefined }

/** A turn that the store has not acknowledged. */
export interface Entry {
  readonly sequence: number
  readonly turn: Turn
  /** The canonical head after it. */
  readonly head: HeadAt
  /** Run when it is durable: asks that wait, tickets. */
  readonly whenDurable: (() => void)[]
}

/**
 * What was sent to the store and not acknowledged (docs/architecture.md: at most 4,096 commitments, 64 MiB), in order, to be sent again when the
 * store has started again. While it is full, chain judges and forwards, and adopts nothing.
 */
export class UnackedWrites {
  #entries: Entry[] = []
  #commitments = 0
  #bytes = 0

  constructor(private sequence: number, private readonly config: Pick<ChainConfig, 'maxUnstoredCommitments' | 'maxUnstoredBytes'>) {}

  get commitments(): number { return this.#commitments }
  get bytes(): number { return this.#bytes }
  get size(): number { return this.#entries.length }
  /** @param more commitments of the turn that is not closed yet */
  isFull(more: number): boolean {
    return this.#commitments + more >= this.config.maxUnstoredCommitments || this.#bytes >= this.config.maxUnstoredBytes
  }

  /** Room for a txlist that no commitment names: such ones may not crowd out the rest. */
  hasRoomFor(bytes: number): boolean { return this.#bytes + bytes <= this.config.maxUnstoredBytes / 2 }
  get newest(): Entry | undefined { return this.#entries.at(-1) }

  add(turn: Turn, head: HeadAt): Entry {
    const entry: Entry = { sequence: ++this.sequence, turn, head, whenDurable: [] }
    this.#entries.push(entry)
    this.#commitments += turn.commitments
    this.#bytes += turn.bytes
    return entry
  }

  /** The write of this number is durable, and all before it: gives those entries, in order. Of a write that is none of ours it gives none (H59). */
  acknowledge(sequence: number): Entry[] {
    const done = this.#entries.splice(0, this.#entries.findIndex(entry => entry.sequence === sequence) + 1)
    for (const { turn } of done) {
      this.#commitments -= turn.commitments
      this.#bytes -= turn.bytes
    }
    return done
  }

  /** In order, to be sent again: each names the one before it. */
  * [Symbol.iterator](): IterableIterator<{ readonly sequence: number; readonly after: number | undefined; readonly batch: WriteBatch }> {
    let after: number | undefined
    for (const { sequence, turn: { batch } } of this.#entries) {
      yield { sequence, after, batch }
      after = sequence
    }
  }
}
