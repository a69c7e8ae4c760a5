import { asError } from '../../protocol/thrown.js'

/** Payloads under way at most, bytes; one message may always go. */
const MAX_BYTES = 8 * 1024 ** 2

/** Appends that are under way: so many, of so many bytes. The first failure ends it. */
export class Window {
  inFlight = 0
  failure: Error | undefined
  #bytes = 0
  #waiting: (() => void) | undefined

  /** @param failed called once, at the first failure */
  constructor(private readonly most: number, private readonly failed: () => void) {}

  /** Resolves when one more may go, or none may any more. For one caller at a time. */
  async room(bytes: number): Promise<void> {
    while (this.failure === undefined && this.inFlight > 0 && (this.inFlight >= this.most || this.#bytes + bytes > MAX_BYTES)) await this.#change()
  }

  /** One more is under way. Resolves with what `taken` was told, `undefined` where it failed. */
  async add(bytes: number, append: Promise<number>, taken: (sequence: number) => void): Promise<number | undefined> {
    this.inFlight++
    this.#bytes += bytes
    try {
      const sequence = await append
      // What comes behind a failure is told to nobody: it is not known in which order.
      if (this.failure !== undefined) return undefined
      taken(sequence)
      return sequence
    } catch (error) {
      if (this.failure === undefined) {
        this.failure = asError(error)
        this.failed()
      }
      return undefined
    } finally {
      this.inFlight--
      this.#bytes -= bytes
      const waiting = this.#waiting
      this.#waiting = undefined
      waiting?.()
    }
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    while (this.inFlight > 0) await this.#change()
  }

  #change(): Promise<void> {
    return new Promise(resolve => { this.#waiting = resolve })
  }
}
