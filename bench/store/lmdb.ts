import { open } from 'lmdb'
import type { Engine, Tuning } from './engine.js'
import { HASH_BYTES, RECORD_BYTES, hashKey, heightKey } from './work.js'

export async function openLmdb(folder: string, tuning: Tuning): Promise<Engine> {
  const db = open<Uint8Array, Uint8Array>({ path: folder, keyEncoding: 'binary', encoding: 'binary', ...tuning })
  // A put resolves when its value is visible; each rejects by itself, and so does what it waits for.
  const durable = async (puts: Promise<boolean>[]) => { await Promise.all([...puts, db.flushed]) }
  return {
    async commit(first, packed) {
      const puts: Promise<boolean>[] = []
      for (let at = 0, height = first; at < packed.length; at += RECORD_BYTES, height++) {
        const key = heightKey(height)
        puts.push(db.put(key, packed.subarray(at, at + RECORD_BYTES)))
        puts.push(db.put(hashKey(0x78, packed.subarray(at, at + HASH_BYTES)), key))
      }
      await durable(puts)
    },
    async putTxLists(packed, bytes) {
      const puts: Promise<boolean>[] = []
      for (let at = 0; at < packed.length; at += HASH_BYTES + bytes) {
        const hash = packed.subarray(at, at + HASH_BYTES)
        puts.push(db.put(hashKey(0x74, hash), packed.subarray(at + HASH_BYTES, at + HASH_BYTES + bytes)))
      }
      await durable(puts)
    },
    async scan(first, count) {
      const values: Uint8Array[] = []
      for (const { value } of db.getRange({ start: heightKey(first), end: heightKey(first + count) })) values.push(value)
      return Buffer.concat(values)
    },
    async txList(hash) {
      const found = db.getBinary(hashKey(0x74, hash))
      return found === undefined ? undefined : Uint8Array.from(found)
    },
    async close() { await db.close() }
  }
}
