import { keyText } from './schema.js'
import type { Key } from './schema.js'
import type { Entry, Range, Storage, Write } from './storage.js'

/**
 * Writes that become durable together, over a storage that they do not change yet. Reads see the writes before them.
 * One transaction at a time: what it has read does not change under it.
 */
export class Transaction {
  readonly #storage: Storage
  readonly #writes = new Map<string, Write>()
  readonly #read = new Map<string, Uint8Array | undefined>()
  #bytes = 0

  constructor(storage: Storage) { this.#storage = storage }

  /** Bytes of the values written so far. */
  get bytes(): number { return this.#bytes }
  get size(): number { return this.#writes.size }
  get writes(): Iterable<Write> { return this.#writes.values() }

  /** The value is kept, not copied: it must not change any more. */
  put(key: Key, value: Uint8Array): void {
    this.#writes.set(keyText(key), { key, value })
    this.#bytes += value.length
  }

  remove(key: Key): void { this.#writes.set(keyText(key), { key, value: undefined }) }

  /** Reads many keys in one call, so that `get` finds them without waiting for the storage. */
  async prefetch(keys: readonly Key[]): Promise<void> {
    const unknown = keys.filter(key => !this.#known(keyText(key)))
    if (unknown.length === 0) return
    const values = await this.#storage.getMany(unknown)
    unknown.forEach((key, at) => { this.#read.set(keyText(key), values[at]) })
  }

  #known(text: string): boolean { return this.#writes.has(text) || this.#read.has(text) }

  async get(key: Key): Promise<Uint8Array | undefined> {
    const text = keyText(key)
    const written = this.#writes.get(text)
    if (written !== undefined) return written.value
    if (this.#read.has(text)) return this.#read.get(text)
    const value = await this.#storage.get(key)
    this.#read.set(text, value)
    return value
  }

  async range(range: Range): Promise<readonly Entry[]> {
    const first = keyText(range.gte)
    const end = keyText(range.lt)
    const mine = new Map<string, Write>()
    let removed = 0
    for (const [text, write] of this.#writes) {
      if (text < first || text >= end) continue
      mine.set(text, write)
      if (write.value === undefined) removed++
    }
    const stored = await this.#storage.range(removed === 0 ? range : { ...range, limit: range.limit + removed })
    if (mine.size === 0) return stored
    const merged = stored.filter(({ key }) => !mine.has(keyText(key)))
    for (const { key, value } of mine.values()) if (value !== undefined) merged.push({ key, value })
    merged.sort((a, b) => range.reverse === true ? Buffer.compare(b.key, a.key) : Buffer.compare(a.key, b.key))
    return merged.slice(0, range.limit)
  }
}
