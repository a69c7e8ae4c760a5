import {
  defaultLoaders, type Keccak, type KeccakBackend, type Loaders, type RecoverBackend, type RecoverKey,
} from './backends.js'
import { equalBytes, isScalar } from './bytes.js'
import { ProtocolError } from './errors.js'
import { fromHex } from './hex.js'
import { messageOf } from './thrown.js'

export type { KeccakBackend, Loaders, RecoverBackend } from './backends.js'

/** The two expensive primitives of the protocol, from the best libraries that load here (SPEC §4). */
export interface Crypto {
  readonly recoverBackend: RecoverBackend
  readonly keccakBackend: KeccakBackend
  /** Whether a slower library stands in for the first choice: to be shown at start, in a metric and in the health. */
  readonly degraded: boolean
  /** One sentence for each library that did not load or did not compute right. */
  readonly warnings: readonly string[]
  /** keccak256 of the parts one after the other: a new array of 32 bytes. */
  keccak256(...parts: Uint8Array[]): Uint8Array
  /**
   * The public key (64 bytes, x ‖ y, without the leading 0x04) that made a signature, or undefined where there is none:
   * v outside 0..3, r or s outside 1..n−1, no point of that x, or the point at infinity. High-S signatures are
   * recovered too. Never throws for the content of its arguments; a digest is 32 bytes, a signature 64 (r ‖ s).
   */
  recover(digest: Uint8Array, signature: Uint8Array, v: number): Uint8Array | undefined
}

export interface CryptoOptions {
  /** Use this library and no other; default: the first that works of secp256k1, libauth, noble. */
  readonly recover?: RecoverBackend | undefined
  /** Use this library and no other; default: the first that works of hash-wasm, noble. */
  readonly keccak?: KeccakBackend | undefined
  /** Where the libraries come from; for tests of the fall-back. */
  readonly loaders?: Loaders
}

const RECOVER_ORDER: readonly RecoverBackend[] = ['secp256k1', 'libauth', 'noble']
const KECCAK_ORDER: readonly KeccakBackend[] = ['hash-wasm', 'noble']

/**
 * Chooses the libraries, once per thread. Each is tried on a known answer before it is taken; one that is skipped leaves
 * a warning and sets `degraded` (H36).
 * @throws ProtocolError `backend_unavailable` where a library asked for by name, or every one, does not work here
 */
export async function loadCrypto(options: CryptoOptions = {}): Promise<Crypto> {
  const { recover: wantedRecover, keccak: wantedKeccak, loaders = defaultLoaders } = options
  const warnings: string[] = []
  const recover = await choose('recover', wantedRecover, RECOVER_ORDER, loaders.recover, recoversRight, warnings)
  const keccak = await choose('keccak', wantedKeccak, KECCAK_ORDER, loaders.keccak, hashesRight, warnings)
  const recoverKey = recover.run
  const hash = keccak.run
  return {
    recoverBackend: recover.backend,
    keccakBackend: keccak.backend,
    degraded: recover.backend !== RECOVER_ORDER[0] || keccak.backend !== KECCAK_ORDER[0],
    warnings,
    keccak256: (...parts) => hash(parts),
    recover(digest, signature, v) {
      if (digest.length !== 32 || signature.length !== 64 || !(v === 0 || v === 1 || v === 2 || v === 3)) return undefined
      if (!isScalar(signature, 0) || !isScalar(signature, 32)) return undefined
      try {
        return recoverKey(digest, signature, v)
      } catch {
        return undefined
      }
    },
  }
}

interface Chosen<B, T> {
  readonly backend: B
  readonly run: T
}

async function choose<B extends string, T>(
  what: string, wanted: B | undefined, order: readonly B[], loaders: Readonly<Record<B, () => Promise<T>>>,
  works: (run: T) => boolean, warnings: string[],
): Promise<Chosen<B, T>> {
  let cause: unknown
  for (const backend of wanted === undefined ? order : [wanted]) {
    try {
      const run = await loaders[backend]()
      if (!works(run)) throw new Error('its result for a known input is wrong')
      return { backend, run }
    } catch (error) {
      cause = error
      warnings.push(`${what}: ${backend} is not used: ${firstLine(error)}`)
    }
  }
  const message = `${what}: no library works here: ${warnings.join('; ')}`
  throw new ProtocolError('backend_unavailable', message, { value: wanted }, { cause })
}

function firstLine(error: unknown): string {
  return messageOf(error).split('\n', 1)[0]!.slice(0, 200)
}

// Known answers: keccak256 of nothing, and the key of private key 1 (the generator) from a signature by it.
const EMPTY_HASH = 'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'
const GENERATOR = '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798'
  + '483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8'

function hashesRight(keccak: Keccak): boolean {
  const expected = fromHex(EMPTY_HASH)
  return equalBytes(keccak([]), expected) && equalBytes(keccak([new Uint8Array(0)]), expected)
}

/**
 * With r the generator's x, R = G (v = 0: its y is even), so Q = r⁻¹(s·R − m·G) = r⁻¹(s − m)·G; for s = m + r that is
 * G itself. The digest is 1, so s = r + 1.
 */
function recoversRight(recover: RecoverKey): boolean {
  const generator = fromHex(GENERATOR)
  const signature = new Uint8Array(64)
  signature.set(generator.subarray(0, 32), 0)
  signature.set(generator.subarray(0, 32), 32)
  signature[63] = signature[63]! + 1
  const digest = new Uint8Array(32)
  digest[31] = 1
  const key = recover(digest, signature, 0)
  return key !== undefined && equalBytes(key, generator)
}
