import type { BatchKind } from './packing.js'

/** Where a batch would go: to an idle worker, behind a running batch, or nowhere. */
export type Room = 'idle' | 'behind' | 'full'

/** One worker and what it has in hand. */
export interface Slot {
  readonly id: number
  /** Never takes txlists, so that commitments never wait for 2 MiB of keccak. */
  readonly reserved: boolean
  /** Batches given to it and not yet back. */
  running: number
  /** How many it has given back. */
  returned: number
  /** One of them is of txlists. */
  txLists: boolean
  /** The batch in hand is a suspect: nothing else may be lost with it. */
  alone: boolean
}

/** Which worker takes which batch. Pure. */
export class Slots {
  readonly #slots = new Map<number, Slot>()

  /**
   * @param threads with two or more, one at a time is reserved
   * @param depth batches in one worker's hands, the running one included
   */
  constructor(private readonly threads: number, private readonly depth: number) {}

  get size(): number { return this.#slots.size }
  get running(): number { return this.#sum(slot => slot.running) }

  /** A worker is ready. The first takes the reserve, and so does the successor of a reserved one that died. */
  add(id: number): Slot {
    const reserved = this.threads > 1 && !this.#some(slot => slot.reserved)
    const slot: Slot = { id, reserved, running: 0, returned: 0, txLists: false, alone: false }
    this.#slots.set(id, slot)
    return slot
  }

  remove(id: number): boolean { return this.#slots.delete(id) }
  has(id: number): boolean { return this.#slots.has(id) }
  ids(): readonly number[] { return [...this.#slots.keys()] }

  /** Workers with nothing in hand that would take such a batch. */
  idle(kind: BatchKind): number {
    return this.#sum(slot => slot.running === 0 && !(slot.reserved && kind === 'txLists') ? 1 : 0)
  }

  room(kind: BatchKind): Room {
    const slot = this.choose(kind)
    return slot === undefined ? 'full' : slot.running === 0 ? 'idle' : 'behind'
  }

  /** The best worker for a batch; with `alone` only an idle one. Commitments never go behind txlists. */
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

  /** A batch came back. Nothing but txlists goes behind txlists, so the mark holds until all are back. */
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
