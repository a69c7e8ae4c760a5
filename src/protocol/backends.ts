/**
 * The libraries behind `loadCrypto`, each brought to one form. All are imported on demand, so that a process loads only
 * what it uses. Measured on one core: recovery 60 µs native, 175–210 µs WebAssembly, 2,500 µs JavaScript; keccak256 of
 * a commitment 1.7 µs against 20 µs, of 2 MiB 7 ms against 100 ms.
 */
import { createRequire } from 'node:module'
import type Bindings from 'secp256k1/bindings.js'
import type HashWasm from 'hash-wasm/dist/keccak.umd.min.js'

/** For libraries in CommonJS: `import` first scans them for their exports, about 10 ms a thread. */
const require = createRequire(import.meta.url)

/** Gives the 64-byte public key, or undefined (or throws) where there is none. Called only with arguments in range. */
export type RecoverKey = (digest: Uint8Array, signature: Uint8Array, v: number) => Uint8Array | undefined

/** Writes nothing, keeps nothing: the digest is a new array. */
export type Keccak = (parts: readonly Uint8Array[]) => Uint8Array

/** `secp256k1`: libsecp256k1 as a native addon. `libauth`: the same in WebAssembly. `noble`: JavaScript. */
export type RecoverBackend = 'secp256k1' | 'libauth' | 'noble'
/** `hash-wasm`: WebAssembly. `noble`: JavaScript. */
export type KeccakBackend = 'hash-wasm' | 'noble'

/** How each library is loaded; tests put failing loaders in their place. */
export interface Loaders {
  readonly recover: Readonly<Record<RecoverBackend, () => Promise<RecoverKey>>>
  readonly keccak: Readonly<Record<KeccakBackend, () => Promise<Keccak>>>
}

async function loadNativeRecover(): Promise<RecoverKey> {
  // Never the package's main entry: it falls back to elliptic silently.
  const native = require('secp256k1/bindings.js') as typeof Bindings
  // The addon moves small arrays out of V8's heap to read them. Two arrays that stay outside save an allocation a call.
  const message = new Uint8Array(32)
  const publicKey = new Uint8Array(65)
  return (digest, signature, v) => {
    message.set(digest)
    return native.ecdsaRecover(signature, v, message, false, publicKey).slice(1)
  }
}

async function loadLibauthRecover(): Promise<RecoverKey> {
  const { instantiateSecp256k1 } = await import('@bitauth/libauth')
  const secp256k1 = await instantiateSecp256k1()
  return (digest, signature, v) => {
    const key = secp256k1.recoverPublicKeyUncompressed(signature, v as 0 | 1 | 2 | 3, digest)
    return typeof key === 'string' ? undefined : key.subarray(1)
  }
}

async function loadNobleRecover(): Promise<RecoverKey> {
  const { recoverPublicKey } = await import('@noble/secp256k1')
  const withRecovery = new Uint8Array(65)
  return (digest, signature, v) => {
    withRecovery[0] = v
    withRecovery.set(signature, 1)
    return recoverPublicKey(withRecovery, digest, { prehash: false, isCompressed: false }).subarray(1)
  }
}

async function loadWasmKeccak(): Promise<Keccak> {
  // Keccak alone: the main entry takes every thread some 30 ms more to load.
  const hashWasm = require('hash-wasm/dist/keccak.umd.min.js') as typeof HashWasm
  const hasher = await hashWasm.createKeccak(256)
  // One hasher for all: it is stateful, so nothing may run between init and digest. Nothing here is asynchronous.
  return (parts) => {
    hasher.init()
    for (const part of parts) hasher.update(part)
    return hasher.digest('binary')
  }
}

async function loadNobleKeccak(): Promise<Keccak> {
  const { keccak_256: keccak256 } = await import('@noble/hashes/sha3.js')
  return (parts) => {
    const hasher = keccak256.create()
    for (const part of parts) hasher.update(part)
    return hasher.digest()
  }
}

export const defaultLoaders: Loaders = {
  recover: { secp256k1: loadNativeRecover, libauth: loadLibauthRecover, noble: loadNobleRecover },
  keccak: { 'hash-wasm': loadWasmKeccak, noble: loadNobleKeccak },
}
