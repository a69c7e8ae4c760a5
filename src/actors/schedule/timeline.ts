/** Something that holds from a time on, until the next entry. */
export interface Entry<T> { readonly from: number; readonly value: T }

/** A value over time, rising. Times are seconds of L1. */
export class Timeline<T> {
  #entries: Entry<T>[] = []

  /** Holds from then on; of several at one time the last one counts. */
  set(from: number, value: T): void {
    this.#entries.push({ from, value })
  }

  /** Holds before everything that is known. */
  setBefore(from: number, value: T): void {
    this.#entries.unshift({ from, value })
  }

  /** Forgets what came after a time. */
  dropAfter(time: number): void {
    while ((this.#entries.at(-1)?.from ?? -Infinity) > time) this.#entries.pop()
  }

  /** Forgets what was over before a time. */
  dropOverBefore(time: number): void {
    while (this.#entries.length > 1 && this.#entries[1]!.from <= time) this.#entries.shift()
  }

  get first(): T | undefined { return this.#entries[0]?.value }
  get last(): T | undefined { return this.#entries.at(-1)?.value }
  get entries(): readonly Entry<T>[] { return this.#entries }

  /** Takes over what another one knows of the time before our first entry, and of what that one says. */
  adopt(older: readonly Entry<T>[]): void {
    const first = this.#entries[0]?.from ?? Infinity
    const before = older.filter(({ from }) => from <= first)
    if (before.length > 0) this.#entries = [...before, ...this.#entries.filter(({ from }) => from > first)]
  }

  /** What holds at a time. */
  at(time: number): T | undefined {
    return this.#entries.findLast(({ from }) => from <= time)?.value
  }

  /**
   * Every value that holds at some time after `start` and until `end`, each still counted for `grace` after another took its place;
   * `undefined` among them where nothing is known of a part.
   */
  within(start: number, end: number, grace: number): readonly (T | undefined)[] {
    const values: (T | undefined)[] = (this.#entries[0]?.from ?? Infinity) > start + 1 ? [undefined] : []
    this.#entries.forEach(({ from, value }, index) => {
      const until = this.#entries[index + 1]?.from ?? Infinity
      if (from === until) return
      if (from <= end && until + grace > start) values.push(value)
    })
    return values
  }
}
