import { createRequire } from 'node:module'
import type HashWasm from 'hash-wasm/dist/crc32.umd.min.js'

const CASTAGNOLI = 0x82f63b78

export type Crc = (bytes: Uint8Array) => number

/** The CRC that LevelDB puts under its blocks and records. */
export async function crc32c(): Promise<Crc> {
  const { createCRC32 } = createRequire(import.meta.url)('hash-wasm/dist/crc32.umd.min.js') as typeof HashWasm
  const hasher = await createCRC32(CASTAGNOLI)
  return bytes => new DataView(Uint8Array.from(hasher.init().update(bytes).digest('binary')).buffer).getUint32(0)
}

/** LevelDB masks it where it stands: a CRC over bytes that hold CRCs would be weak. */
export function unmasked(stated: number): number {
  const rotated = (stated - 0xa282ead8) >>> 0
  return (rotated >>> 17 | rotated << 15) >>> 0
}
