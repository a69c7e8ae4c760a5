/** CRC-32 alone of the package `hash-wasm`, as `hash-wasm-keccak.d.ts` has it for keccak. */
declare module 'hash-wasm/dist/crc32.umd.min.js' {
  import type { createCRC32 } from 'hash-wasm'

  const hashWasm: { readonly createCRC32: typeof createCRC32 }
  export default hashWasm
}
