import { HASH_SIZE } from '../../protocol/layout.js'
import { keyAfter, sequenceOf, spaceEnd, spaceStart } from './schema.js'
import { StoreError } from './errors.js'
import type { Storage } from './storage.js'

/** What a txlist costs of a budget beside its bytes, so that a flood of tiny ones is bounded in number too. */
export const CHARGE = 256

/** A txlist that no accepted commitment names yet. */
export interface Unnamed { readonly sequence: number; readonly hash: Uint8Array; readonly cost: number; readonly peer: string }

interface Share { cost: number; readonly entries: Map<number, Unnamed> }

/** Txlists that no accepted commitment names yet, by sender, in the order of their arrival. Bounded by the byte budgets. */
export class Unreferenced {
  readonly #shares = new Map<string, Share>()
  #cost = 0

  /** Bytes of all, with the charge for each. */
  get cost(): number { return this.#cost }

  costOf(peer: string): number { return this.#shares.get(peer)?.cost ?? 0 }

  add(entry: Unnamed): void {
    let share = this.#shares.get(entry.peer)
    if (share === undefined) this.#shares.set(entry.peer, share = { cost: 0, entries: new Map() })
    share.entries.set(entry.sequence, entry)
    share.cost += entry.cost
    this.#cost += entry.cost
  }

  remove(peer: string, sequence: number): void {
    const share = this.#shares.get(peer)
    const entry = share?.entries.get(sequence)
    if (share === undefined || entry === undefined) return
    share.entries.delete(sequence)
    share.cost -= entry.cost
    this.#cost -= entry.cost
    if (share.entries.size === 0) this.#shares.delete(peer)
  }

  oldestOf(peer: string): Unnamed | undefined {
    return this.#shares.get(peer)?.entries.values().next().value
  }

  /**
   * What leaves when all together are too many: the oldest of the sender with the most, so that a flood pushes out itself
   * first (H13); of equals that of the sender who came last. Our own (no sender) leave when nothing else is left.
   */
  next(): Unnamed | undefined {
    let worst: Unnamed | undefined
    let most = -1
    for (const [peer, { cost }] of this.#shares) {
      const oldest = peer === '' ? undefined : this.oldestOf(peer)
      if (oldest === undefined || cost < most || (cost === most && oldest.sequence < (worst?.sequence ?? 0))) continue
      worst = oldest
      most = cost
    }
    return worst ?? this.oldestOf('')
  }

  static async load(storage: Storage): Promise<Unreferenced> {
    const all = new Unreferenced()
    const lt = spaceEnd('u')
    for (let gte = spaceStart('u'); ;) {
      const entries = await storage.range({ gte, lt, limit: 1_024 })
      // One that cannot be read is out of the order of eviction until the database is repaired.
      for (const { key, value } of entries) if (value.length >= HASH_SIZE + 4) all.add(readUnnamed(sequenceOf(key), value))
      const last = entries.at(-1)
      if (last === undefined || entries.length < 1_024) return all
      gte = keyAfter(last.key)
    }
  }
}

/** The value under `u sequence`: hash, cost, sender. */
export function unnamedValue({ hash, cost, peer }: Unnamed): Uint8Array {
  const value = Buffer.allocUnsafe(HASH_SIZE + 4)
  value.set(hash)
  value.writeUInt32BE(cost, HASH_SIZE)
  return Buffer.concat([value, Buffer.from(peer, 'utf8')])
}

/** @throws StoreError `damaged` */
export function readUnnamed(sequence: number, value: Uint8Array): Unnamed {
  const bytes = Buffer.from(value)
  if (bytes.length < HASH_SIZE + 4) throw new StoreError('damaged', 'an unreferenced txlist cannot be read')
  return {
    sequence,
    hash: bytes.subarray(0, HASH_SIZE),
    cost: bytes.readUInt32BE(HASH_SIZE),
    peer: bytes.toString('utf8', HASH_SIZE + 4),
  }
}
