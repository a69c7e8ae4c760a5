/** What a port, a worker and a thread's own port have in common. */
export interface Poster { postMessage(value: unknown, transfer?: readonly ArrayBuffer[]): void }

/** How much may be on its way, in records and bytes; a single record may be larger. */
export interface Window { readonly records: number; readonly bytes: number }

/** A record on its way out; until it is `posted` it may change. */
export interface Item<R> {
  readonly record: R
  readonly bytes: number
  readonly transfer: readonly ArrayBuffer[]
  readonly refused: ((error: unknown) => void) | undefined
  posted: boolean
}

const NOTHING: readonly ArrayBuffer[] = []

/** Collects the records of a turn and posts them together, in order, and no more of them than the window allows. */
export class Outbox<R> {
  #items: Item<R>[] = []
  #armed = false
  /** On their way, and not yet `taken`. */
  #records = 0
  #bytes = 0

  constructor(private readonly port: Poster, private readonly window: Window) {}

  get length(): number { return this.#items.length }

  /** @param refused when the record cannot be cloned: then it alone is not posted */
  push(record: R, bytes = 0, transfer = NOTHING, refused?: (error: unknown) => void): Item<R> {
    const item: Item<R> = { record, bytes, transfer, refused, posted: false }
    this.#items.push(item)
    this.#arm()
    return item
  }

  /** The other side has dealt with so much. */
  taken(records: number, bytes: number): void {
    this.#records -= records
    this.#bytes -= bytes
    if (this.#items.length > 0) this.#arm()
  }

  flush(): void {
    const items = this.#next()
    if (items.length === 0) return
    try {
      this.port.postMessage(items.map(({ record }) => record), items.flatMap(({ transfer }) => transfer))
    } catch { this.#oneByOne(items) }
  }

  clear(): void { this.#items = [] }

  #arm(): void {
    if (this.#armed) return
    this.#armed = true
    queueMicrotask(() => { this.#armed = false; this.flush() })
  }

  #next(): readonly Item<R>[] {
    let count = 0
    for (; count < this.#items.length; count++) {
      if (this.#records > 0 && (this.#records >= this.window.records || this.#bytes >= this.window.bytes)) break
      this.#records++
      const item = this.#items[count]!
      item.posted = true
      this.#bytes += item.bytes
    }
    if (count < this.#items.length) return this.#items.splice(0, count)
    const all = this.#items
    this.#items = []
    return all
  }

  #oneByOne(items: readonly Item<R>[]): void {
    for (const { record, bytes, transfer, refused } of items) {
      try { this.port.postMessage([record], transfer) } catch (error) {
        this.taken(1, bytes)
        refused?.(error)
      }
    }
  }
}

/** Counts what has been dealt with, and says so once it is half a window. */
export class Acknowledger {
  #records = 0
  #bytes = 0

  constructor(private readonly window: Window, private readonly tell: (records: number, bytes: number) => void) {}

  add(records: number, bytes: number): void {
    this.#records += records
    this.#bytes += bytes
    if (this.#records * 2 < this.window.records && this.#bytes * 2 < this.window.bytes) return
    this.tell(this.#records, this.#bytes)
    this.#records = this.#bytes = 0
  }
}
