import { LRUCache } from 'lru-cache'
import { equalBytes } from '../../protocol/bytes.js'
import { COMMITMENT_SIZE, CommitmentView, SIGNED_COMMITMENT_SIZE, toHex } from '../../protocol/index.js'
import type { OwnSigned } from '../store/ingress.js'
import { ChainError } from './errors.js'
import { turnEndsAt } from './handover.js'
import type { SignedRecords } from './ports.js'

/** What we are about to sign or to publish: a commitment with its signature (382 bytes) or without (317). */
export type ToSign = OwnSigned

/** A record with what the rules look at. */
interface Signed {
  readonly record: OwnSigned
  readonly number: bigint
  readonly window: bigint
  readonly eop: boolean
  /** A hand-over without a block. */
  readonly bare: boolean
}

/**
 * Slashing protection (SPEC §7): compares with what we signed in the same window. The same commitment again is allowed.
 * @throws ChainError `conflicting_commitment`, `after_own_eop`, `eop_below_own_block`
 */
function checkAgainstOwn(own: Signed, before: readonly Signed[]): 'new' | 'same' {
  for (const each of before) {
    if (each.number === own.number && equalBytes(covered(each), covered(own))) return 'same'
  }
  for (const each of before) {
    if (!own.bare && !each.bare && each.number === own.number) throw conflicting(own)
    if (each.eop && own.number >= turnEndsAt(each)) {
      throw new ChainError('after_own_eop', `we ended our turn in this window before height ${own.number}`, own.number, turnEndsAt(each))
    }
    if (own.eop && each.number >= turnEndsAt(own)) {
      throw new ChainError('eop_below_own_block', `we signed height ${each.number} of this window, above this end of our turn`, own.number, each.number)
    }
  }
  return 'new'
}

interface Waiting { readonly own: Signed; readonly resolve: () => void; readonly reject: (error: unknown) => void }

/** Windows whose records are kept in memory: the one that runs, the next, and what is named again. */
const WINDOWS = 4

/**
 * Checks, and records durably before anything can leave. Round after round: what waits together goes to disk together, except that one
 * which conflicts with another of its round waits for what becomes of that. A window's records are read from the store once.
 * @throws ChainError as `checkAgainstOwn`, or `not_recorded`
 */
export class SlashingProtection {
  /** What is on disk, by signer and window. Dropped where a write failed: then only the store knows. */
  readonly #windows = new LRUCache<string, Signed[]>({ max: WINDOWS })
  /** What `add` took and the store has not acknowledged: it counts, wherever a window is read again meanwhile. */
  readonly #added = new Map<ToSign, Signed>()
  #waiting: Waiting[] = []
  #running = false
  #closed = false

  constructor(private readonly records: SignedRecords, private readonly within: number) {}

  /**
   * The same at once, for what the caller writes together with what it is for, before any of it leaves: `new` is to be written, and
   * `isDurable` told afterwards; `same` is recorded already; `unknown` where the store has to be asked first, by `record`.
   * @throws ChainError as `checkAgainstOwn`
   */
  add(record: ToSign): 'new' | 'same' | 'unknown' {
    const own = read(record)
    const known = this.#windows.get(keyOf(own))
    if (this.#running || known === undefined) return 'unknown'
    const is = checkAgainstOwn(own, known)
    if (is === 'new') {
      known.push(own)
      this.#added.set(record, own)
    }
    return is
  }

  isDurable(record: ToSign): void { this.#added.delete(record) }

  /** Records nothing that has not begun: whoever comes after reads the store, and would not know of it. */
  close(): void { this.#closed = true }

  record(record: ToSign): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ own: read(record), resolve, reject })
      if (!this.#running) void this.#run()
    })
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#waiting.length > 0) await this.#round(this.#waiting.splice(0))
    this.#running = false
  }

  async #round(waiting: readonly Waiting[]): Promise<void> {
    const underWay = new Map<string, Signed[]>()
    const writes: Promise<void>[] = []
    const again: Waiting[] = []
    for (const each of waiting) {
      const key = keyOf(each.own)
      const others = underWay.get(key) ?? []
      underWay.set(key, others)
      // Only the store knows of this window now, and not yet of what is under way.
      if (others.length > 0 && !this.#windows.has(key)) await Promise.all(writes)
      try {
        const is = checkAgainstOwn(each.own, await this.#known(key, each.own))
        // What was only added may still be lost in a crash: who asks waits for a write of its own.
        if (is === 'same' && !this.#isAdded(key, each.own)) { each.resolve(); continue }
      } catch (error) {
        each.reject(error)
        continue
      }
      try {
        checkAgainstOwn(each.own, others)
      } catch {
        again.push(each)
        continue
      }
      others.push(each.own)
      writes.push(this.#write(key, each))
    }
    await Promise.all(writes)
    this.#waiting.unshift(...again)
  }

  async #known(key: string, { record: { signer }, number, window }: Signed): Promise<readonly Signed[]> {
    const kept = this.#windows.get(key)
    if (kept !== undefined) return kept
    try {
      // Before the store is read: what becomes durable meanwhile may not be in its answer.
      const added = this.#addedIn(key)
      const known = [...(await this.records.ownSigned(signer, window, this.within)).map(read), ...added]
      this.#windows.set(key, known)
      return known
    } catch (cause) {
      throw notRecorded(number, cause)
    }
  }

  #addedIn(key: string): Signed[] { return [...this.#added.values()].filter(each => keyOf(each) === key) }

  #isAdded(key: string, own: Signed): boolean { return this.#addedIn(key).some(each => equalBytes(covered(each), covered(own))) }

  async #write(key: string, { own, resolve, reject }: Waiting): Promise<void> {
    try {
      if (this.#closed) throw notRecorded(own.number, 'closed')
      const { recorded } = await this.records.recordSigned(own.record, this.within)
      if (!recorded) throw conflicting(own)
      this.#windows.get(key)?.push(own)
      resolve()
    } catch (error) {
      this.#windows.delete(key)
      reject(error instanceof ChainError ? error : notRecorded(own.number, error))
    }
  }
}

/** What a signature covers. */
const covered = ({ record: { ssz } }: Signed): Uint8Array => ssz.subarray(0, COMMITMENT_SIZE)

const keyOf = ({ record: { signer }, window }: Signed): string => `${toHex(signer)} ${window}`

const conflicting = ({ number }: Signed): ChainError =>
  new ChainError('conflicting_commitment', `we signed another commitment for height ${number} of this window`, number)

const notRecorded = (number: bigint, cause: unknown): ChainError =>
  new ChainError('not_recorded', 'what we sign could not be recorded', number, undefined, { cause })

function read(record: OwnSigned): Signed {
  const { ssz } = record
  const whole = ssz.length >= SIGNED_COMMITMENT_SIZE ? ssz : Uint8Array.from({ length: SIGNED_COMMITMENT_SIZE }, (_, at) => ssz[at] ?? 0)
  const { blockNumber, submissionWindowEnd, eop, isHandoverOnly } = new CommitmentView(whole)
  return { record, number: blockNumber, window: submissionWindowEnd, eop, bare: isHandoverOnly }
}
