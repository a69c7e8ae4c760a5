import type { BatchKind } from './packing.js'

/** The room for a batch: on an idle worker, queued behind a running batch, or none. */
export type Room = 'idle' | 'behind' | 'full'

/** One worker and the batches that it holds. */
export interface Slot {
  readonly id: number
  /** Never takes txlists, so that commitments never wait for 2 MiB of keccak. */
  readonly reserved: boolean
  /** Number of batches that it holds. */
  running: number
  /** Number of batches that it has returned. */
  returned: number
  /** Whether one of the batches that it holds has txlists. */
  txLists: boolean
  /** Whether it runs a suspect batch: it gets no other batch, which could be lost too. */
  alone: boolean
}

/** Assigns batches to workers. Without I/O. */
export class Slots {
  readonly #slots = new Map<number, Slot>()

  /**
   * @param threads with two or more, one at a time is reserved
   * @param depth maximum number of batches that a worker holds, the running one included
   */
  constructor(private readonly threads: number, private readonly depth: number) {}

  get size(): number { return this.#slots.size }
  get running(): number { return this.#sum(slot => slot.running) }

  /** Adds a worker that is ready. It becomes the reserved one if there is none. */
  add(id: number): Slot {
    const reserved = this.threads > 1 && !this.#some(slot => slot.reserved)
    const slot: Slot = { id, reserved, running: 0, returned: 0, txLists: false, alone: false }
    this.#slots.set(id, slot)
    return slot
  }

  remove(id: number): boolean { return this.#slots.delete(id) }
  has(id: number): boolean { return this.#slots.has(id) }
  ids(): readonly number[] { return [...this.#slots.keys()] }

  /** Number of idle workers that may take such a batch. */
  idle(kind: BatchKind): number {
    return this.#sum(slot => slot.running === 0 && !(slot.reserved && kind === 'txLists') ? 1 : 0)
  }

  room(kind: BatchKind): Room {
    const slot = this.choose(kind)
    return slot === undefined ? 'full' : slot.running === 0 ? 'idle' : 'behind'
  }

  /** The best worker for a batch; with `alone` only an idle one. Commitments are never queued behind txlists. */
  choose(kind: BatchKind, alone = false): Slot | undefined {
    let best: Slot | undefined
    for (const slot of this.#slots.values()) {
      if (kind === 'txLists' && slot.reserved) continue
      if (slot.running > 0 && (alone || !this.#joins(slot, kind))) continue
      if (best === undefined || slot.running < best.running || (slot.running === best.running && slot.reserved)) best = slot
    }
    return best
  }

  take(slot: Slot, kind: BatchKind, alone = false): void {
    slot.running++
    slot.txLists ||= kind === 'txLists'
    slot.alone = alone
  }

  /** Notes that a batch came back. The mark for txlists stays until the worker is idle, since only txlists are queued behind txlists. */
  release(slot: Slot): void {
    slot.running--
    slot.returned++
    if (slot.running > 0) return
    slot.txLists = false
    slot.alone = false
  }

  /** Whether a batch may queue behind the running one of a worker. */
  #joins(slot: Slot, kind: BatchKind): boolean {
    if (slot.alone || slot.running >= this.depth) return false
    // Commitments never wait for two batches of txlists: not even where there is no reserved worker.
    return !slot.txLists || (kind === 'txLists' && this.threads > 1)
  }

  #some(test: (slot: Slot) => boolean): boolean {
    for (const slot of this.#slots.values()) if (test(slot)) return true
    return false
  }

  #sum(of: (slot: Slot) => number): number {
    let sum = 0
    for (const slot of this.#slots.values()) sum += of(slot)
    return sum
  }
}
