import type { Database } from './database.js'
import { KeyValueDatabase } from './key-value-database.js'
import type { DatabaseOptions } from './key-value-database.js'
import { keyOfText, keyText } from './schema.js'
import type { Key } from './schema.js'
import type { Entry, Range, Storage, Write } from './storage.js'

/** Where the first of `keys` stands that is not below `text`. */
function lowerBound(keys: readonly string[], text: string): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((keys[middle] ?? '') < text) low = middle + 1
    else high = middle
  }
  return low
}

/** One space of keys. Its order is made when a range asks for it: the hashes, which come at random, are never asked. */
class Space {
  readonly values = new Map<string, Uint8Array>()
  /** Sorted; may name keys that are gone, up to half of them. */
  #sorted: string[] = []
  #added: string[] = []
  /** Whether any range has been asked. */
  #ordered = false

  put(text: string, value: Uint8Array): void {
    if (this.#ordered && !this.values.has(text)) this.#added.push(text)
    this.values.set(text, value)
  }

  remove(text: string): void { this.values.delete(text) }

  keys(): readonly string[] {
    if (!this.#ordered) {
      this.#ordered = true
      this.#sorted = [...this.values.keys()].sort()
      return this.#sorted
    }
    if (this.#added.length > 0) this.#merge()
    if (this.#sorted.length > 2 * this.values.size + 64) this.#sorted = this.#sorted.filter(text => this.values.has(text))
    return this.#sorted
  }

  #merge(): void {
    const added = this.#added.sort()
    this.#added = []
    for (const text of added) {
      const last = this.#sorted.at(-1)
      if (last === undefined || text > last) {
        this.#sorted.push(text)
        continue
      }
      const at = lowerBound(this.#sorted, text)
      // It may have been there before, removed and put again.
      if (this.#sorted[at] !== text) this.#sorted.splice(at, 0, text)
    }
  }
}

/** Everything in memory, gone with the process. */
class MemoryStorage implements Storage {
  readonly durable = false
  readonly droppedBytes = 0
  readonly repaired = false
  readonly unknownFiles: readonly string[] = []
  readonly witnessed = undefined
  readonly #spaces = new Map<number, Space>()

  #space(key: Uint8Array): Space {
    const first = key[0] ?? 0
    let space = this.#spaces.get(first)
    if (space === undefined) this.#spaces.set(first, space = new Space())
    return space
  }

  async get(key: Key): Promise<Uint8Array | undefined> { return this.#space(key).values.get(keyText(key)) }

  async getMany(keys: readonly Key[]): Promise<readonly (Uint8Array | undefined)[]> {
    return keys.map(key => this.#space(key).values.get(keyText(key)))
  }

  /** Ranges stay within one space, or end where the next begins. */
  async range({ gte, lt, limit, reverse = false }: Range): Promise<readonly Entry[]> {
    const space = this.#space(gte)
    const keys = space.keys()
    const [first, end] = [lowerBound(keys, keyText(gte)), lowerBound(keys, keyText(lt))]
    const found: Entry[] = []
    for (let step = 0; step < end - first && found.length < limit; step++) {
      const text = keys[reverse ? end - 1 - step : first + step] ?? ''
      const value = space.values.get(text)
      if (value !== undefined) found.push({ key: keyOfText(text), value })
    }
    return found
  }

  async write(writes: Iterable<Write>): Promise<void> {
    for (const { key, value } of writes) {
      // A copy: what is given may be part of a larger buffer, which it would keep alive.
      if (value === undefined) this.#space(key).remove(keyText(key))
      else this.#space(key).put(keyText(key), Uint8Array.from(value))
    }
  }

  acknowledged(): void { /* gone with the process, as all of it */ }
  async repair(): Promise<void> { /* a map is not damaged */ }
  async recover(): Promise<void> { /* a map does not fail */ }
  async close(): Promise<void> { /* it may be opened again */ }
}

/** Memory that several databases may open one after the other, as they would a directory. */
export class MemoryGround {
  readonly #storage = new MemoryStorage()

  database(options: DatabaseOptions = {}): Database { return new KeyValueDatabase(async () => this.#storage, options) }
}

/** The database for nodes without a data directory: gone with the process. Closed and opened again, it finds what it had. */
export function memoryDatabase(options: DatabaseOptions = {}): Database {
  return new MemoryGround().database(options)
}
