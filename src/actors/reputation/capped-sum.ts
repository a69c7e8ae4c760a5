/** Adds up amounts so that no span of a given length ever holds more than a cap, wherever it begins. */
export class CappedSum {
  readonly #counted: { readonly at: number; readonly amount: number }[] = []

  /** How much of `amount` still counts at `now`, monotonic milliseconds. */
  take(amount: number, cap: number, spanMs: number, now: number): number {
    while (this.#counted.length > 0 && now - this.#counted[0]!.at >= spanMs) this.#counted.shift()
    const counts = Math.min(amount, cap - this.#counted.reduce((sum, each) => sum + each.amount, 0))
    // what floating point leaves of a full cap is no amount
    if (counts <= amount * 1e-6) return 0
    this.#counted.push({ at: now, amount: counts })
    return counts
  }
}
