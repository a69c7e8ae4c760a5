import type { Figures } from '../figures.js'
import type { Entry } from '../inbox.js'
import type { Hints } from './hints.js'
import type { Window } from './outbox.js'

/** A message that has crossed and is not known to be done. */
export interface Crossed {
  readonly entry: Entry
  readonly bytes: number
  /** The number of the ask; 0 where nobody waits. */
  readonly ask: number
  /** It cannot be sent again. */
  readonly givenAway: boolean
}

/** What is on the other side, in order: how much of it is done is in the hints. */
export class InFlight {
  #crossed: Crossed[] = []
  #bytes = 0
  /** Messages known to be done, and to be handled. */
  #done = 0
  #handled = 0
  /** Messages that had been begun when nothing more could be. */
  #begun: number | undefined

  constructor(private readonly hints: Hints, private readonly window: Window, private readonly figures: Figures) {}

  get length(): number { return this.#crossed.length }
  get closed(): boolean { return this.#begun !== undefined }
  /** The number of the next message, counted over all that have crossed. */
  get next(): number { return this.#done + this.#crossed.length + 1 }
  [Symbol.iterator](): Iterator<Crossed> { return this.#crossed.values() }

  /** The window is full, as far as the thread has told by now. */
  get full(): boolean {
    if (!this.#isFull) return false
    this.look()
    return this.#isFull
  }

  add(crossed: Crossed): void {
    this.#crossed.push(crossed)
    this.#bytes += crossed.bytes
  }

  /** It has not crossed after all. */
  remove(crossed: Crossed): void {
    this.#crossed.splice(this.#crossed.lastIndexOf(crossed), 1)
    this.#bytes -= crossed.bytes
  }

  /** Takes over what the thread has got done. */
  look(): void {
    const handled = this.hints.handledSince(this.#handled)
    this.#handled += handled
    this.figures.handled += handled
    const done = this.hints.doneSince(this.#done)
    if (done === 0) return
    this.#done += done
    for (const { bytes } of this.#crossed.splice(0, done)) this.#bytes -= bytes
  }

  /** From here on no message is begun. */
  close(): void { this.#begun ??= this.#done + this.hints.close(this.#done) }

  /** What is left after `close`: begun and not done, and not begun. */
  settle(): { readonly begun: readonly Crossed[]; readonly back: readonly Crossed[] } {
    this.look()
    const begun = Math.max(0, (this.#begun ?? this.#done) - this.#done)
    const left = this.#crossed.splice(0)
    return { begun: left.slice(0, begun), back: left.slice(begun) }
  }

  get #isFull(): boolean {
    const { records, bytes } = this.window
    return this.#crossed.length >= records || (this.#crossed.length > 0 && this.#bytes >= bytes)
  }
}
