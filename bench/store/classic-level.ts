import { ClassicLevel } from 'classic-level'
import type { Engine, Tuning } from './engine.js'
import { HASH_BYTES, RECORD_BYTES, hashKey, heightKey } from './work.js'

export async function openClassicLevel(folder: string, tuning: Tuning): Promise<Engine> {
  const db = new ClassicLevel<Uint8Array, Uint8Array>(folder, { keyEncoding: 'view', valueEncoding: 'view', ...tuning })
  await db.open()
  return {
    async commit(first, packed) {
      const batch = db.batch()
      for (let at = 0, height = first; at < packed.length; at += RECORD_BYTES, height++) {
        const key = heightKey(height)
        batch.put(key, packed.subarray(at, at + RECORD_BYTES))
        batch.put(hashKey(0x78, packed.subarray(at, at + HASH_BYTES)), key)
      }
      await batch.write({ sync: true })
    },
    async putTxLists(packed, bytes) {
      const batch = db.batch()
      for (let at = 0; at < packed.length; at += HASH_BYTES + bytes) {
        const hash = packed.subarray(at, at + HASH_BYTES)
        batch.put(hashKey(0x74, hash), packed.subarray(at + HASH_BYTES, at + HASH_BYTES + bytes))
      }
      await batch.write({ sync: true })
    },
    async scan(first, count) {
      const range = { gte: heightKey(first), lt: heightKey(first + count) }
      const values = await db.values({ ...range, highWaterMarkBytes: 256 * 1024 }).all()
      return Buffer.concat(values)
    },
    async txList(hash) { return db.get(hashKey(0x74, hash)) },
    async close() { await db.close() }
  }
}
