/** The WebAssembly module as the host sees it: numbers and views, no policy. */
import { readFile } from 'node:fs/promises'
import { SIGNED_COMMITMENT_SIZE } from '../layout.js'

/** What the module says of a signature. */
export const SignatureStatus = {
  /** It is not this key's, or no signature at all. */
  invalid: 0,
  /** Recovery gives exactly this key. */
  valid: 1,
  /** An exceptional case that the module does not decide. */
  undecided: 2,
} as const

export interface ModuleOptions {
  /** Bits of a window of the generator's table, 6 to 13. Wider is faster and takes more memory: 13 bits are 5.2 MB. */
  readonly generatorBits: number
  /** Bits of a window of a signer's table, 6 to 13: 8 bits are 256 KiB and 0.9 ms to build, 10 bits 832 KiB and 2.3 ms. */
  readonly signerBits: number
  /** Tables of signers, 1 to 256. */
  readonly signers: number
}

/** Signatures in one call at most. */
export const MOST_SIGNATURES = 128

interface Exports {
  readonly memory: WebAssembly.Memory
  initialize(generatorBits: number, signerBits: number, signers: number): number
  buildTable(slot: number): number
  prepareHashes(): void
  hashCommitments(count: number): void
  select(to: number, from: number, slot: number): void
  verify(count: number, stages: number): void
  readonly KEY: WebAssembly.Global
  readonly DOMAIN: WebAssembly.Global
  readonly COMMITMENTS: WebAssembly.Global
  readonly HASHES: WebAssembly.Global
  readonly RECORDS: WebAssembly.Global
  readonly STATUSES: WebAssembly.Global
}

const RECORD_SIZE = 128
const RECORD_V = 96
const RECORD_TABLE = 97
const ALL_STAGES = 15

/** Where `npm run build` puts the module: beside this file, compiled. */
const FILE = new URL('./batch.wasm', import.meta.url)

export class BatchModule {
  readonly #exports: Exports
  readonly #memory: Uint8Array
  readonly #commitments: number
  readonly #hashes: number
  readonly #records: number
  readonly #statuses: number

  private constructor(exports: Exports) {
    this.#exports = exports
    // The memory grows in `initialize` only, so this view stays valid.
    this.#memory = new Uint8Array(exports.memory.buffer)
    this.#commitments = address(exports.COMMITMENTS)
    this.#hashes = address(exports.HASHES)
    this.#records = address(exports.RECORDS)
    this.#statuses = address(exports.STATUSES)
  }

  /**
   * Compiles the module and builds the generator's table (15 to 25 ms).
   * @throws Error where the platform has no WebAssembly SIMD, the file is missing, or the module refuses the options
   */
  static async load({ generatorBits, signerBits, signers }: ModuleOptions, file: URL = FILE): Promise<BatchModule> {
    const code = await readFile(file)
    if (!WebAssembly.validate(code)) throw new Error('this platform has no WebAssembly SIMD')
    const { instance } = await WebAssembly.instantiate(code, {})
    const exports = instance.exports as unknown as Exports
    if (exports.initialize(generatorBits, signerBits, signers) !== 1) throw new Error('the module could not be set up')
    return new BatchModule(exports)
  }

  /** Writes the table of a public key (64 bytes, x ‖ y). False where that is no point of the curve. */
  buildTable(slot: number, publicKey: Uint8Array): boolean {
    this.#memory.set(publicKey, address(this.#exports.KEY))
    return this.#exports.buildTable(slot) === 1
  }

  /** The 32 bytes before a commitment in its signing hash. */
  setDomain(domain: Uint8Array): void {
    this.#memory.set(domain, address(this.#exports.DOMAIN))
    this.#exports.prepareHashes()
  }

  /** Takes up to 128 signed commitments, 382 bytes each, and computes their hashes. */
  hashCommitments(commitments: Uint8Array): void {
    this.#memory.set(commitments, this.#commitments)
    this.#exports.hashCommitments(commitments.length / SIGNED_COMMITMENT_SIZE)
  }

  /** Views of the module's memory: valid until the next `hashCommitments`. */
  signingHash(commitment: number): Uint8Array { return this.#hash(2 * commitment) }
  preconfirmationHash(commitment: number): Uint8Array { return this.#hash(2 * commitment + 1) }

  /** Makes signature `to` of a commitment that was hashed. */
  select(to: number, commitment: number, slot: number): void { this.#exports.select(to, commitment, slot) }

  /** Makes signature `to` of a digest (32 bytes), r ‖ s (64 bytes) and v (0 to 255). */
  put(to: number, digest: Uint8Array, signature: Uint8Array, v: number, slot: number): void {
    const at = this.#records + RECORD_SIZE * to
    this.#memory.set(digest, at)
    this.#memory.set(signature, at + 32)
    this.#memory[at + RECORD_V] = v
    this.#memory[at + RECORD_TABLE] = slot
  }

  /** Decides the first `count` signatures, 1 to 128. A view: valid until the next `verify`. */
  verify(count: number): Uint8Array {
    this.#exports.verify(count, ALL_STAGES)
    return this.#memory.subarray(this.#statuses, this.#statuses + count)
  }

  #hash(index: number): Uint8Array {
    return this.#memory.subarray(this.#hashes + 32 * index, this.#hashes + 32 * (index + 1))
  }
}

function address(global: WebAssembly.Global): number { return global.value }
