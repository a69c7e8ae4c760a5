/** The native half of the package `secp256k1`, without its fallback to elliptic: importing it throws where it cannot load. */
declare module 'secp256k1/bindings.js' {
  interface Bindings {
    /** Throws where no key can be recovered. Writes to `output` where it is given, which is then the result. */
    ecdsaRecover(
      signature: Uint8Array, recoveryId: number, message: Uint8Array, compressed: boolean, output?: Uint8Array,
    ): Uint8Array
    /** Throws where the key or the signature is not well-formed. */
    ecdsaVerify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean
    publicKeyConvert(publicKey: Uint8Array, compressed: boolean): Uint8Array
  }
  const bindings: Bindings
  export default bindings
}
