/**
 * Memory shared by the validator and its threads: the expected signers, whether batch verification is on, and its counters.
 * A thread reads it before each batch, so no message is needed, and a new thread has the whole state at once.
 *
 *     version i32 | count i32 | off i32 | unused i32 | counters 7 × u64 | unused | signers 64 × (address 20 | known i32 | window u64)
 *
 * The version is odd while the list is being written. A reader that finds another version after reading discards the list and reads it next time.
 */
import type { BatchFigures } from '../../protocol/secp256k1/index.js'

/** The reason of a thread that does not use the batch module because the configuration says so. */
export const BATCH_OFF_BY_CONFIGURATION = 'by configuration'

/** A signer that the schedule elected. */
export interface ExpectedSigner {
  /** 20 bytes. */
  readonly address: Uint8Array
  /** The end of its submission window; left out: not known. */
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
/** Maximum number of signers; of a longer list the last ones are taken. */
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

  /** Replaces the list. Only the validator may write. */
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

  /** The list; `undefined` if it is still the one of `version`. */
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

  /** Switches batch verification off in all threads. */
  get off(): boolean { return Atomics.load(this.#words, OFF) !== 0 }
  switchOff(): void { Atomics.store(this.#words, OFF, 1) }

  /** Adds a thread's counters since `before`. */
  add(now: BatchFigures, before: BatchFigures): void {
    COUNTERS.forEach((name, index) => {
      const more = now[name] - before[name]
      if (more > 0) Atomics.add(this.#counters, index, BigInt(more))
    })
  }

  /** The counters of all threads, including those that have ended. */
  figures(): BatchFigures {
    const [batched, refused, undecided, recovered, sampled, tables, evicted] = COUNTERS.map((_, index) => Number(Atomics.load(this.#counters, index)))
    return {
      batched: batched ?? 0, refused: refused ?? 0, undecided: undecided ?? 0, recovered: recovered ?? 0,
      sampled: sampled ?? 0, tables: tables ?? 0, evicted: evicted ?? 0,
    }
  }
}
