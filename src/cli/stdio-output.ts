import type { Writable } from 'node:stream'
import type { JsonObject } from '../operate/json.js'
import { drained } from '../operate/lines.js'

/**
 * Writes whole JSON lines, one after the other, at the reader's pace. A waiting line becomes text only when its turn comes.
 * Lines after the reader has gone are dropped.
 */
export class LineOutput {
  #tail: Promise<void> = Promise.resolve()
  readonly #gone = new AbortController()

  /** @param now wall time for the `at` of each line, ms since the epoch */
  constructor(
    private readonly output: Writable,
    private readonly now: () => number,
  ) {
    const end = (): void => {
      this.#gone.abort()
    }
    output.on('error', end)
    output.once('close', end)
    if (output.destroyed) end()
  }

  /** Aborted when nobody can read any more. */
  get gone(): AbortSignal {
    return this.#gone.signal
  }

  /** Resolves when everything up to now is written. */
  get written(): Promise<void> {
    return this.#tail
  }

  /**
   * Resolves when the line is handed over and there is room for the next one, or when the reader has gone. Rejects only if
   * `line` throws.
   */
  async write(line: () => JsonObject): Promise<void> {
    const written = this.#tail.then(async () => this.#put(line))
    this.#tail = written.catch(() => undefined)
    return written
  }

  async #put(line: () => JsonObject): Promise<void> {
    if (this.gone.aborted) return
    const room = this.output.write(`${JSON.stringify({ ...line(), at: this.now() })}\n`)
    if (!room) await drained(this.output, this.gone)
  }
}
