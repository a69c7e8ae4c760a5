/** Word of each hint. */
const BEGUN = 0
const DONE = 1
const HANDLED = 2
const BEAT = 3
const WORDS = 4

/** In the word of `begun`: nothing is begun any more. */
const CLOSED = 1
const STEP = 2

/**
 * Numbers that only grow, in memory that both sides see. They overtake the port, so nothing that has an order depends on them; whoever
 * reads one knows that at least so much has happened. They wrap around at 2³¹: only differences count.
 */
export class Hints {
  readonly #words: Int32Array

  constructor(readonly memory = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT)) { this.#words = new Int32Array(memory) }

  // ---- for the thread

  /** Takes the right to begin the next message; false once the other side has closed. */
  begin(): boolean { return (Atomics.add(this.#words, BEGUN, STEP) & CLOSED) === 0 }
  set done(count: number) { Atomics.store(this.#words, DONE, count) }
  set handled(count: number) { Atomics.store(this.#words, HANDLED, count) }
  tick(): void { Atomics.add(this.#words, BEAT, 1) }

  // ---- for the other side

  /** From now on no message is begun. Gives how many of the messages after the `known` first had been begun at that moment: exact. */
  close(known: number): number {
    const word = Atomics.or(this.#words, BEGUN, CLOSED)
    // Attempts after the first close count as well, so only the first answer is of use.
    return since(word >>> 1, known)
  }

  /** Messages done, and handled without a drop, beyond the `known` first. */
  doneSince(known: number): number { return since(Atomics.load(this.#words, DONE), known) }
  handledSince(known: number): number { return since(Atomics.load(this.#words, HANDLED), known) }
  get beat(): number { return Atomics.load(this.#words, BEAT) }
}

const MASK = 0x7fff_ffff
const since = (count: number, known: number): number => (count - known) & MASK
