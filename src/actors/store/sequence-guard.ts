import { StoreError } from './errors.js'

/** Keeps sequenced batches without a hole: one that follows a failed one is refused until that one has come again. */
export class SequenceGuard {
  /** Failed or refused, and not come again. Bounded by what the callers have under way. */
  readonly #missing = new Set<number>()
  #error: StoreError | undefined

  /** @throws StoreError the failure of a batch below this one */
  admit(sequence: number | undefined): void {
    if (sequence === undefined || this.#missing.size === 0) return
    for (const missing of this.#missing) {
      if (missing >= sequence) continue
      this.#missing.add(sequence)
      throw this.#error ?? new StoreError('io', 'a batch before it failed', { value: missing })
    }
    this.#missing.delete(sequence)
  }

  failed(sequence: number | undefined, error: StoreError): void {
    this.#error = error
    if (sequence !== undefined) this.#missing.add(sequence)
  }
}
