import type { WriteBatch } from './database.js'

interface Waiting {
  readonly sequence: number
  readonly batch: WriteBatch
  state: 'waiting' | 'under_way' | 'durable'
}

/** Batches that the database commits at a time; those under way together share one sync of the disk. */
const MAX_UNDER_WAY = 16

/**
 * Writes between chain and disk, in order. A batch leaves the queue when it and all before it are durable. After a failure everything
 * from the first that is not durable on is committed again: later ones may have been stored, and applying them again in order
 * changes nothing (see `WriteBatch`). Bounded by chain, which keeps what is not acknowledged.
 */
export class WriteQueue {
  #queue: Waiting[] = []
  #underWay = 0

  get length(): number { return this.#queue.length }
  /** The sequence of the last, where there is one. */
  get newest(): number | undefined { return this.#queue.at(-1)?.sequence }
  /** Whether all up to this one are durable. */
  isDurable(sequence: number): boolean {
    const [oldest] = this.#queue
    return oldest === undefined || oldest.sequence > sequence
  }
  get idle(): boolean { return this.#underWay === 0 }

  push(sequence: number, batch: WriteBatch): void {
    this.#queue.push({ sequence, batch, state: 'waiting' })
  }

  /** The next batch to commit, if one may leave now. */
  take(): { readonly sequence: number; readonly batch: WriteBatch } | undefined {
    if (this.#underWay >= MAX_UNDER_WAY) return undefined
    const next = this.#queue.find(({ state }) => state === 'waiting')
    if (next === undefined) return undefined
    next.state = 'under_way'
    this.#underWay++
    return next
  }

  /** One is durable. Gives the last sequence up to which all are, `undefined` while an earlier one is not. */
  durable(sequence: number): number | undefined {
    this.#underWay--
    const found = this.#queue.find(waiting => waiting.sequence === sequence)
    if (found !== undefined) found.state = 'durable'
    const done = this.#queue.findIndex(({ state }) => state !== 'durable')
    const left = done === -1 ? this.#queue.length : done
    return left === 0 ? undefined : this.#queue.splice(0, left).at(-1)?.sequence
  }

  /** One failed: when the last one under way has ended, `takeAgain` begins anew. */
  failed(): void { this.#underWay-- }

  /** Everything left is to be committed again, in order. Only while idle. */
  takeAgain(): void {
    for (const waiting of this.#queue) waiting.state = 'waiting'
  }
}
