import { LRUCache } from 'lru-cache'
import { copyBytes, equalBytes } from '../bytes.js'
import type { Crypto } from '../crypto.js'
import { addressOf } from '../hash.js'
import { toHex } from '../hex.js'
import { SIGNERS_ASKED, knownAnswersFail } from './known-answers.js'
import { BatchModule, MOST_SIGNATURES, SignatureStatus } from './module.js'
import type { ModuleOptions } from './module.js'
import { messageOf } from '../thrown.js'

export interface BatchOptions extends Partial<ModuleOptions> {
  /** One in so many accepted signatures is checked again by the recovery library; 1: every one, 0: none. Default 64. */
  readonly sampleEvery?: number | undefined
  /** Fewer signatures than this go to recovery: the shared work pays from here on. Default 2. */
  readonly least?: number | undefined
  /** 0 ≤ random < 1, not to be foreseen by who sends signatures. */
  readonly random: () => number
  /** Told once, when the module is switched off for a wrong answer. */
  readonly onAlarm?: ((evidence: BatchEvidence) => void) | undefined
  /** Another file than the one that was built; for tests. */
  readonly file?: URL
}

/** A signature that the module accepted and the recovery library did not: copies of all that is needed to show it again. */
export interface BatchEvidence {
  readonly digest: Uint8Array
  /** r ‖ s, 64 bytes. */
  readonly signature: Uint8Array
  readonly v: number
  /** The address for which the module said `valid`, and its public key (64 bytes). */
  readonly expected: Uint8Array
  readonly publicKey: Uint8Array
  /** What recovery gives: an address, or undefined where there is none. */
  readonly recovered: Uint8Array | undefined
  /** Where the signatures agree: what else differs (the hash that both computed). */
  readonly what: 'signer' | 'hash'
}

/** A signature and the signer that it should be of. */
export interface ExpectedSignature {
  /** 32 bytes. */
  readonly digest: Uint8Array
  /** r ‖ s, 64 bytes. */
  readonly signature: Uint8Array
  readonly v: number
  /** 20 bytes. */
  readonly signer: Uint8Array
}

/** A signer whose public key is known. `slot` is where its table is, while it has one. */
export interface PreparedSigner {
  /** 20 bytes. */
  readonly address: Uint8Array
  /** 64 bytes, x ‖ y. */
  readonly publicKey: Uint8Array
  readonly slot: number | undefined
}

/** Counters that only grow. */
export interface BatchFigures {
  /** Signatures accepted by the module. */
  batched: number
  /** Signatures that the module said not to be the expected signer's. */
  refused: number
  /** Signatures that the module left to recovery. */
  undecided: number
  /** Signatures that recovery decided, whatever the reason. */
  recovered: number
  /** Accepted signatures that were checked again. */
  sampled: number
  /** Tables built, and those given up for others. */
  tables: number
  evicted: number
}

/** `verifier` is undefined where the module cannot be used here, and `reason` says why. */
export type LoadedBatch =
  | { readonly verifier: BatchVerifier; readonly reason?: undefined }
  | { readonly verifier: undefined; readonly reason: string }

/** By measurement (docs/batch-verification.md): memory 5.2 MB and 16 × 832 KiB a thread. */
const DEFAULTS: ModuleOptions = { generatorBits: 13, signerBits: 10, signers: 16 }
const SAMPLE_EVERY = 64
const LEAST = 2

interface Table extends PreparedSigner { slot: number | undefined }

/**
 * Checks signatures of known signers many at a time, 8 to 10 times faster than recovery, with exactly its outcome: a signature is a
 * signer's if and only if recovery gives that signer's public key (docs/batch-verification.md). What the module leaves undecided, small
 * numbers, and signers without a table go to ordinary recovery; so does everything once the module has been wrong.
 *
 * Synchronous, of one thread, without I/O after `load`.
 */
export class BatchVerifier {
  readonly figures: BatchFigures = { batched: 0, refused: 0, undecided: 0, recovered: 0, sampled: 0, tables: 0, evicted: 0 }
  readonly least: number
  #off: string | undefined
  /** Not drawn before it is needed: chance takes a new thread 2 ms to load. */
  #untilSample: number | undefined
  readonly #sampleEvery: number
  readonly #free: number[]
  readonly #tables: LRUCache<string, Table>

  private constructor(private readonly module: BatchModule, readonly crypto: Crypto, private readonly options: BatchOptions, signers: number) {
    this.least = options.least ?? LEAST
    this.#sampleEvery = options.sampleEvery ?? SAMPLE_EVERY
    this.#free = Array.from({ length: signers }, (_, slot) => slot)
    this.#tables = new LRUCache({
      max: signers,
      dispose: table => {
        if (table.slot !== undefined) this.#free.push(table.slot)
        table.slot = undefined
        this.figures.evicted++
      },
    })
  }

  /** Loads the module and tries it on known answers. Never rejects for what the platform lacks. */
  static async load(crypto: Crypto, options: BatchOptions): Promise<LoadedBatch> {
    const wanted: ModuleOptions = {
      generatorBits: options.generatorBits ?? DEFAULTS.generatorBits,
      signerBits: options.signerBits ?? DEFAULTS.signerBits,
      signers: options.signers ?? DEFAULTS.signers,
    }
    try {
      const module = await BatchModule.load({ ...wanted, signers: Math.max(SIGNERS_ASKED, wanted.signers) }, options.file)
      const failed = knownAnswersFail(module, crypto)
      if (failed !== undefined) return { verifier: undefined, reason: `self-test: ${failed}` }
      return { verifier: new BatchVerifier(module, crypto, options, wanted.signers) }
    } catch (error) {
      return { verifier: undefined, reason: messageOf(error) }
    }
  }

  /** Why the module is not used any more; undefined while it is. */
  get off(): string | undefined { return this.#off }

  /** Whether another table fits without giving one up. */
  get hasRoom(): boolean { return this.#free.length > 0 }

  /** The signer of an address, where it has a table; that it is asked for keeps the table. */
  signer(address: Uint8Array): PreparedSigner | undefined { return this.#tables.get(toHex(address)) }

  /**
   * Builds a signer's table (2.3 ms) unless it has one, in place of the one that was least recently used where there is no room.
   * Undefined where the key (64 bytes, x ‖ y) is no point of the curve, or the module is off.
   */
  prepare(publicKey: Uint8Array): PreparedSigner | undefined {
    if (this.#off !== undefined || publicKey.length !== 64) return undefined
    const address = copyBytes(addressOf(this.crypto, publicKey))
    const key = toHex(address)
    const known = this.#tables.get(key)
    if (known !== undefined) return known
    if (this.#free.length === 0) this.#tables.pop()
    const slot = this.#free.pop()
    if (slot === undefined) return undefined
    if (!this.module.buildTable(slot, publicKey)) {
      this.#free.push(slot)
      return undefined
    }
    const table: Table = { address, publicKey: copyBytes(publicKey), slot }
    this.#tables.set(key, table)
    this.figures.tables++
    return table
  }

  /** For each, whether recovery gives its signer. Any number; never throws for their content. */
  verify(signatures: readonly ExpectedSignature[]): boolean[] {
    const outcome = new Array<boolean>(signatures.length).fill(false)
    const known: number[] = []
    signatures.forEach(({ digest, signature, v, signer }, index) => {
      const wellFormed = digest.length === 32 && signature.length === 64 && Number.isInteger(v) && v >= 0 && v <= 255
      if (wellFormed && this.#off === undefined && this.signer(signer) !== undefined) known.push(index)
      else outcome[index] = this.#recovers(signatures[index]!)
    })
    for (let from = 0; from < known.length; from += MOST_SIGNATURES) {
      this.#verifyKnown(signatures, known.slice(from, from + MOST_SIGNATURES), outcome)
    }
    return outcome
  }

  #verifyKnown(signatures: readonly ExpectedSignature[], known: readonly number[], outcome: boolean[]): void {
    if (known.length < this.least || this.#off !== undefined) {
      for (const index of known) outcome[index] = this.#recovers(signatures[index]!)
      return
    }
    const signers = known.map((index, to) => {
      const { digest, signature, v, signer } = signatures[index]!
      const prepared = this.signer(signer)!
      this.module.put(to, digest, signature, v, prepared.slot!)
      return prepared
    })
    const statuses = this.module.verify(known.length)
    known.forEach((index, at) => {
      const item = signatures[index]!
      const status = this.count(statuses[at]!)
      if (status === SignatureStatus.undecided) outcome[index] = this.#recovers(item)
      else outcome[index] = status === SignatureStatus.valid
      if (status === SignatureStatus.valid && this.samples()) {
        const { digest, signature, v } = item
        const publicKey = this.crypto.recover(digest, signature, v)
        if (publicKey === undefined || !equalBytes(publicKey, signers[at]!.publicKey)) {
          this.#alarm(item, signers[at]!, publicKey)
        }
      }
    })
    // What was accepted along with a wrong answer is not to be trusted either.
    if (this.#off !== undefined) for (const index of known) outcome[index] = this.#recovers(signatures[index]!)
  }

  /** Counts a status, which it gives back; anything unknown is `undecided`. */
  count(status: number): number {
    if (status === SignatureStatus.valid) this.figures.batched++
    else if (status === SignatureStatus.invalid) this.figures.refused++
    else this.figures.undecided++
    return status === SignatureStatus.valid || status === SignatureStatus.invalid ? status : SignatureStatus.undecided
  }

  /** Whether the accepted signature at hand is to be checked again. */
  samples(): boolean {
    this.#untilSample ??= this.#nextGap()
    if (--this.#untilSample > 0) return false
    this.#untilSample = this.#nextGap()
    this.figures.sampled++
    return true
  }

  /** The module's own primitives, for `CommitmentJudge`; undefined once it is off. */
  get primitives(): BatchModule | undefined { return this.#off === undefined ? this.module : undefined }

  /** Switches the module off for good, with an alarm where there is evidence. Later calls change nothing. */
  switchOff(reason: string, evidence?: BatchEvidence): void {
    if (this.#off !== undefined) return
    this.#off = reason
    if (evidence !== undefined) this.options.onAlarm?.(evidence)
  }

  #alarm({ digest, signature, v }: ExpectedSignature, { address, publicKey }: PreparedSigner, recovered: Uint8Array | undefined): void {
    this.switchOff('it accepted a signature that recovery does not give to its signer', {
      digest: copyBytes(digest), signature: copyBytes(signature), v, expected: copyBytes(address), publicKey: copyBytes(publicKey),
      recovered: recovered === undefined ? undefined : copyBytes(addressOf(this.crypto, recovered)), what: 'signer',
    })
  }

  #recovers({ digest, signature, v, signer }: ExpectedSignature): boolean {
    this.figures.recovered++
    const publicKey = this.crypto.recover(digest, signature, v)
    return publicKey !== undefined && equalBytes(addressOf(this.crypto, publicKey), signer)
  }

  /** 1 to 2·sampleEvery − 1, all alike: sampleEvery on average, and no signature is safe from it. */
  #nextGap(): number {
    return this.#sampleEvery === 0 ? Infinity : 1 + Math.floor(this.options.random() * (2 * this.#sampleEvery - 1))
  }
}
