/**
 * Memory that the validator and its threads share: who is expected to sign, whether batch verification is on, and what it has done.
 * Nothing is sent, so nothing queues: a thread looks at the board before each batch, and a new thread finds everything there.
 *
 *     version i32 | count i32 | off i32 | unused i32 | counters 7 × u64 | unused | signers 64 × (address 20 | known i32 | window u64)
 *
 * The version is odd while the list is being written; who reads it and finds another version afterwards reads again next time.
 */
import type { BatchFigures } from '../../protocol/secp256k1/index.js'

/** Why a thread does not use the batch module, where it is meant not to. */
export const BATCH_OFF_BY_CONFIGURATION = 'by configuration'

/** A signer that the schedule elected. */
export interface ExpectedSigner {
  /** 20 bytes. */
  readonly address: Uint8Array
  /** The end of its submission window; left out: some window. */
  readonly submissionWindowEnd?: bigint | undefined
}

const VERSION = 0
const COUNT = 1
const OFF = 2
const COUNTERS_AT = 16
const SIGNERS_AT = 128
const SIGNER_SIZE = 32
const KNOWN_AT = 20
const WINDOW_AT = 24
/** Signers on the board at most; the last ones of a longer list. */
export const MOST_EXPECTED = 64
const SIZE = SIGNERS_AT + MOST_EXPECTED * SIGNER_SIZE

const COUNTERS = ['batched', 'refused', 'undecided', 'recovered', 'sampled', 'tables', 'evicted'] as const satisfies readonly (keyof BatchFigures)[]

export class SharedSigners {
  readonly #words: Int32Array
  readonly #counters: BigUint64Array
  readonly #signers: DataView

  constructor(readonly memory = new SharedArrayBuffer(SIZE)) {
    this.#words = new Int32Array(memory, 0, 4)
    this.#counters = new BigUint64Array(memory, COUNTERS_AT, COUNTERS.length)
    this.#signers = new DataView(memory, SIGNERS_AT)
  }

  /** Puts up another list. For one writer: the validator. */
  write(signers: readonly ExpectedSigner[]): void {
    const shown = signers.slice(-MOST_EXPECTED)
    Atomics.add(this.#words, VERSION, 1)
    shown.forEach(({ address, submissionWindowEnd }, index) => {
      const at = index * SIGNER_SIZE
      for (let byte = 0; byte < KNOWN_AT; byte++) this.#signers.setUint8(at + byte, address[byte] ?? 0)
      this.#signers.setInt32(at + KNOWN_AT, submissionWindowEnd === undefined ? 0 : 1)
      this.#signers.setBigUint64(at + WINDOW_AT, BigInt.asUintN(64, submissionWindowEnd ?? 0n))
    })
    Atomics.store(this.#words, COUNT, shown.length)
    Atomics.add(this.#words, VERSION, 1)
  }

  /** The list, unless it is the one of `version`. */
  read(version: number): { readonly version: number; readonly signers: readonly ExpectedSigner[] } | undefined {
    const before = Atomics.load(this.#words, VERSION)
    if (before === version || before % 2 !== 0) return undefined
    const signers = Array.from({ length: Atomics.load(this.#words, COUNT) }, (_, index): ExpectedSigner => {
      const at = index * SIGNER_SIZE
      const address = Uint8Array.from({ length: KNOWN_AT }, (_byte, byte) => this.#signers.getUint8(at + byte))
      const known = this.#signers.getInt32(at + KNOWN_AT) === 1
      return known ? { address, submissionWindowEnd: this.#signers.getBigUint64(at + WINDOW_AT) } : { address }
    })
    return Atomics.load(this.#words, VERSION) === before ? { version: before, signers } : undefined
  }

  /** One thread's module was wrong: none uses its own any more. */
  get off(): boolean { return Atomics.load(this.#words, OFF) !== 0 }
  switchOff(): void { Atomics.store(this.#words, OFF, 1) }

  /** Adds what a thread did since `before`. */
  add(now: BatchFigures, before: BatchFigures): void {
    COUNTERS.forEach((name, index) => {
      const more = now[name] - before[name]
      if (more > 0) Atomics.add(this.#counters, index, BigInt(more))
    })
  }

  /** What all threads did, those that are gone included. */
  figures(): BatchFigures {
    const [batched, refused, undecided, recovered, sampled, tables, evicted] = COUNTERS.map((_, index) => Number(Atomics.load(this.#counters, index)))
    return {
      batched: batched ?? 0, refused: refused ?? 0, undecided: undecided ?? 0, recovered: recovered ?? 0,
      sampled: sampled ?? 0, tables: tables ?? 0, evicted: evicted ?? 0,
    }
  }
}
