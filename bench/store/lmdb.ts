import { open } from 'lmdb'
import type { Engine, Tuning } from './engine.js'
import { HASH_BYTES, RECORD_BYTES, hashKey, heightKey } from './work.js'

export async function openLmdb(folder: string, tuning: Tuning): Promise<Engine> {
  const db = open<Uint8Array, Uint8Array>({ path: folder, keyEncoding: 'binary', encoding: 'binary', ...tuning })
  return {
    async commit(first, packed) {
      for (let at = 0, height = first; at < packed.length; at += RECORD_BYTES, height++) {
        const key = heightKey(height)
        void db.put(key, packed.subarray(at, at + RECORD_BYTES))
        void db.put(hashKey(0x78, packed.subarray(at, at + HASH_BYTES)), key)
      }
      await db.flushed
    },
    async putTxLists(packed, bytes) {
      for (let at = 0; at < packed.length; at += HASH_BYTES + bytes) {
        const hash = packed.subarray(at, at + HASH_BYTES)
        void db.put(hashKey(0x74, hash), packed.subarray(at + HASH_BYTES, at + HASH_BYTES + bytes))
      }
      await db.flushed
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
