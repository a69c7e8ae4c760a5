/** Keccak alone of the package `hash-wasm`: 11 KB, where its main entry has 280 KB for every algorithm that it knows. */
declare module 'hash-wasm/dist/keccak.umd.min.js' {
  import type { createKeccak } from 'hash-wasm'

  const hashWasm: { readonly createKeccak: typeof createKeccak }
  export default hashWasm
}
