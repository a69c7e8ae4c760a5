import { copyBytes, equalBytes, isHigh } from '../bytes.js'
import type { Crypto } from '../crypto.js'
import { addressOf, signingHash } from '../hash.js'
import { COMMITMENT_SIZE, OFFSETS, SIGNED_COMMITMENT_SIZE } from '../layout.js'
import { Finding, RECORD_HASH, RECORD_SIGNER, RECORD_SIZE, checkCommitment, precheckCommitment } from '../rules.js'
import type { CommitmentRules } from '../rules.js'
import type { BatchVerifier, PreparedSigner } from './batch-verifier.js'
import { MOST_SIGNATURES, SignatureStatus } from './module.js'
import { HitRate, SignerGuess, windowKey, windowKeyOf } from './signer-guess.js'
import type { Guess, GuessedSigner } from './signer-guess.js'

/** Recoveries of a signer before it may have a table that is not simply there for it. */
const FAMILIAR = 32
/** Recoveries that pay for one such table: it costs 45 of them, so that tables never cost more than a tenth of the work. */
const TABLE_PRICE = 450
/** Such tables that may be built at once. */
const MOST_CREDIT = 4 * TABLE_PRICE

/** A commitment whose guess goes into the module. */
interface Candidate {
  readonly index: number
  readonly guess: Guess
  readonly signer: PreparedSigner
}

/**
 * Judges commitments by the stateless rules of SPEC §6, with exactly the records of `checkCommitment`, most of them by the batch
 * verifier: a commitment whose signer can be guessed is tried against that one signer, and what does not turn out to be that signer's
 * is judged by `checkCommitment` as if there were no batch. Of one thread, synchronous, never throws for content. A verifier serves one
 * judge: the domain is the module's.
 */
export class CommitmentJudge {
  readonly #guess = new SignerGuess()
  readonly #hits = new HitRate()
  #credit = MOST_CREDIT

  constructor(private readonly verifier: BatchVerifier, private readonly rules: CommitmentRules, private readonly crypto: Crypto) {
    verifier.primitives?.setDomain(rules.domain)
  }

  /** The schedule elected a signer (20 bytes) for the window that ends so. Its table is built with its first commitment. */
  expect(address: Uint8Array, submissionWindowEnd?: bigint): void {
    this.#guess.expect(address, submissionWindowEnd === undefined ? undefined : windowKeyOf(submissionWindowEnd))
  }

  /** The share of guesses that were right of late. */
  get hitRate(): number { return this.#hits.rate }

  /**
   * @param commitments n × 382 bytes
   * @param records room for n × `RECORD_SIZE` bytes; the record of `checkCommitment` for each
   */
  check(commitments: Uint8Array, records: Uint8Array): void {
    const count = commitments.length / SIGNED_COMMITMENT_SIZE
    for (let from = 0; from < count; from += MOST_SIGNATURES) {
      const to = Math.min(count, from + MOST_SIGNATURES)
      this.#checkSome(
        commitments.subarray(from * SIGNED_COMMITMENT_SIZE, to * SIGNED_COMMITMENT_SIZE),
        records.subarray(from * RECORD_SIZE, to * RECORD_SIZE),
      )
    }
  }

  #checkSome(commitments: Uint8Array, records: Uint8Array): void {
    const candidates = this.#candidates(commitments, records)
    const module = this.verifier.primitives
    if (module === undefined || candidates.length < this.verifier.least) {
      for (const { index } of candidates) this.#ordinary(commitments, index, records)
      return
    }
    module.hashCommitments(commitments)
    // A table may have gone to another signer while the candidates were looked up.
    const tried = candidates.filter(({ signer }) => signer.slot !== undefined)
    tried.forEach(({ index, signer }, to) => { module.select(to, index, signer.slot!) })
    const statuses = tried.length === 0 ? undefined : module.verify(tried.length).slice()
    let hits = 0
    tried.forEach(({ index, guess, signer }, at) => {
      if (this.verifier.count(statuses![at]!) !== SignatureStatus.valid) return
      hits++
      this.#guess.hit(guess)
      const offset = index * RECORD_SIZE
      records[offset] = isHigh(commitments, index * SIGNED_COMMITMENT_SIZE + OFFSETS.signature + 32) ? Finding.high_s : Finding.valid
      records.set(signer.address, offset + RECORD_SIGNER)
      records.set(module.preconfirmationHash(index), offset + RECORD_HASH)
    })
    this.#hits.saw(hits, tried.length - hits)
    for (const { index, signer } of tried) {
      if (records[index * RECORD_SIZE] !== Finding.unjudged && this.verifier.samples()) this.#checkAgain(commitments, index, records, signer)
    }
    // Once the module was wrong, nothing of its batch stands.
    const untrusted = this.verifier.off !== undefined
    for (const { index } of candidates) {
      if (untrusted || records[index * RECORD_SIZE] === Finding.unjudged) this.#ordinary(commitments, index, records)
    }
  }

  /** Judges what needs no signature or has no guess, and gives the rest. Records of candidates are zeros. */
  #candidates(commitments: Uint8Array, records: Uint8Array): readonly Candidate[] {
    const candidates: Candidate[] = []
    // Looked up once a batch: an address as a key is a string.
    const tables = new Map<GuessedSigner, PreparedSigner | undefined>()
    const tries = this.verifier.off === undefined && this.#hits.tries()
    const count = commitments.length / SIGNED_COMMITMENT_SIZE
    for (let index = 0; index < count; index++) {
      const at = index * SIGNED_COMMITMENT_SIZE
      const guess = tries ? this.#guess.of(windowKey(commitments, at + OFFSETS.submissionWindowEnd)) : undefined
      if (guess !== undefined && !tables.has(guess.signer)) tables.set(guess.signer, this.verifier.signer(guess.signer.address))
      const signer = guess === undefined ? undefined : tables.get(guess.signer)
      if (guess === undefined || signer?.slot === undefined) {
        this.#ordinary(commitments, index, records)
        tables.clear()
        continue
      }
      const finding = precheckCommitment(commitments.subarray(at, at + SIGNED_COMMITMENT_SIZE), this.rules)
      records.fill(0, index * RECORD_SIZE, (index + 1) * RECORD_SIZE)
      if (finding === undefined) candidates.push({ index, guess, signer })
      else records[index * RECORD_SIZE] = finding
    }
    return candidates
  }

  /** Recovery decides, and what it shows is remembered. */
  #ordinary(commitments: Uint8Array, index: number, records: Uint8Array): void {
    const bytes = commitments.subarray(index * SIGNED_COMMITMENT_SIZE, (index + 1) * SIGNED_COMMITMENT_SIZE)
    const offset = index * RECORD_SIZE
    const finding = checkCommitment(bytes, this.rules, this.crypto, records, offset)
    if (finding !== Finding.valid && finding !== Finding.high_s && finding !== Finding.bad_signature) return
    this.verifier.figures.recovered++
    this.#credit = Math.min(MOST_CREDIT, this.#credit + 1)
    if (finding === Finding.bad_signature || this.verifier.off !== undefined) return
    const address = records.subarray(offset + RECORD_SIGNER, offset + RECORD_HASH)
    const signer = this.#guess.learn(windowKey(bytes, OFFSETS.submissionWindowEnd), address)
    if (this.#deservesTable(signer)) this.#buildTable(signer, bytes)
  }

  /**
   * An expected signer gets what room there is. Others, and whoever would drive one out, must be familiar, and recoveries must have
   * paid: nobody makes us build tables for nothing.
   */
  #deservesTable({ expected, recovered }: GuessedSigner): boolean {
    if (expected && this.verifier.hasRoom) return true
    return recovered >= FAMILIAR && this.#credit >= TABLE_PRICE
  }

  #buildTable(signer: GuessedSigner, bytes: Uint8Array): void {
    if (this.verifier.signer(signer.address) !== undefined) return
    const publicKey = this.#recover(bytes)
    if (publicKey === undefined || !equalBytes(addressOf(this.crypto, publicKey), signer.address)) return
    if (!signer.expected || !this.verifier.hasRoom) this.#credit -= TABLE_PRICE
    signer.recovered = 0
    this.verifier.prepare(publicKey)
  }

  /** The sample: the whole record as `checkCommitment` writes it. */
  #checkAgain(commitments: Uint8Array, index: number, records: Uint8Array, signer: PreparedSigner): void {
    const bytes = commitments.subarray(index * SIGNED_COMMITMENT_SIZE, (index + 1) * SIGNED_COMMITMENT_SIZE)
    const expected = new Uint8Array(RECORD_SIZE)
    checkCommitment(bytes, this.rules, this.crypto, expected)
    const record = records.subarray(index * RECORD_SIZE, (index + 1) * RECORD_SIZE)
    if (expected[0] === Finding.unjudged || equalBytes(expected, record)) return
    const recovered = this.#recover(bytes)
    const address = recovered === undefined ? undefined : copyBytes(addressOf(this.crypto, recovered))
    const sameSigner = address !== undefined && equalBytes(address, signer.address)
    const what = sameSigner ? 'hash' : 'signer'
    this.verifier.switchOff(`it gave another ${what} than recovery`, {
      digest: signingHash(this.crypto, this.rules.domain, bytes.subarray(0, COMMITMENT_SIZE)),
      signature: copyBytes(bytes.subarray(OFFSETS.signature, OFFSETS.signature + 64)),
      v: bytes[OFFSETS.signature + 64]!,
      expected: copyBytes(signer.address), publicKey: copyBytes(signer.publicKey), recovered: address, what,
    })
  }

  #recover(bytes: Uint8Array): Uint8Array | undefined {
    const digest = signingHash(this.crypto, this.rules.domain, bytes.subarray(0, COMMITMENT_SIZE))
    return this.crypto.recover(digest, bytes.subarray(OFFSETS.signature, OFFSETS.signature + 64), bytes[OFFSETS.signature + 64]!)
  }
}
