/** What this room uses of the platform's WebAssembly, whose types come with the browser's library only. */
declare namespace WebAssembly {
  interface Memory { readonly buffer: ArrayBuffer }
  interface Global { readonly value: number }
  interface Instance { readonly exports: object }
  function validate(code: Uint8Array): boolean
  function instantiate(code: Uint8Array, imports: object): Promise<{ readonly instance: Instance }>
}
