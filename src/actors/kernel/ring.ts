const FIRST_SIZE = 16

/**
 * A queue in a circular buffer that doubles when it is full: constant time at any depth, growth amortised. A position names a
 * slot from `push` until its `shift`; positions are 32-bit counters that wrap around, so compare them for equality only.
 */
export class Ring<T> {
  #slots: (T | undefined)[] = new Array<T | undefined>(FIRST_SIZE).fill(undefined)
  #mask = FIRST_SIZE - 1
  #head = 0
  #tail = 0

  get length(): number { return (this.#tail - this.#head) | 0 }

  /** The position that the next `shift` will take. */
  get head(): number { return this.#head }

  push(value: T): number {
    const at = this.#tail
    if (((at - this.#head) | 0) > this.#mask) this.#grow()
    this.#slots[at & this.#mask] = value
    this.#tail = (at + 1) | 0
    return at
  }

  shift(): T | undefined {
    const at = this.#head
    if (at === this.#tail) return undefined
    const slot = at & this.#mask
    const value = this.#slots[slot]
    this.#slots[slot] = undefined
    this.#head = (at + 1) | 0
    return value
  }

  peek(): T | undefined { return this.#slots[this.#head & this.#mask] }

  at(position: number): T | undefined { return this.#slots[position & this.#mask] }

  replace(position: number, value: T): void { this.#slots[position & this.#mask] = value }

  /** Takes everything out. */
  drain(): T[] {
    const values: T[] = []
    for (let value = this.shift(); value !== undefined; value = this.shift()) values.push(value)
    return values
  }

  #grow(): void {
    const old = this.#slots
    const mask = this.#mask
    const size = old.length * 2
    const slots = new Array<T | undefined>(size).fill(undefined)
    for (let at = this.#head, left = old.length; left > 0; left--, at = (at + 1) | 0) slots[at & (size - 1)] = old[at & mask]
    this.#slots = slots
    this.#mask = size - 1
  }
}
