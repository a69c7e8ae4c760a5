import { equalBytes } from '../../protocol/bytes.js'
import { COMMITMENT_SIZE, CommitmentView, SIGNED_COMMITMENT_SIZE } from '../../protocol/index.js'
import type { OwnSigned, SignedWindow } from '../store/ingress.js'
import { keyOf, turnEndsAt } from './commitment.js'
import { ChainError } from './errors.js'

/** What the ledger tells and asks. */
export interface LedgerPorts {
  /** Asks the store for a window; comes back as `known`, or `unknown`. */
  read(signer: Uint8Array, window: bigint): void
  /** Into the write of this turn. */
  write(record: OwnSigned): void
  /** Runs when the write of this turn is durable. */
  whenDurable(run: () => void): void
  /** Two that conflict bear our key. */
  equivocated(first: OwnSigned, second: OwnSigned): void
  /** Others show something of ours that is not in the records. */
  unrecorded(record: OwnSigned): void
}

/** A record with what the rules look at. */
interface Signed {
  readonly record: OwnSigned
  readonly number: bigint
  readonly window: bigint
  readonly eop: boolean
  /** A hand-over without a block. */
  readonly handoverOnly: boolean
}

interface Window {
  /** As the store told, and what came since. */
  readonly records: Signed[]
  /** Writes under way that have something of it: it is not read again before they are durable. */
  writing: number
}

/** Windows kept in memory: the one that runs, the next, and those that a catch-up goes through. */
const WINDOWS = 16
/** Of our key, seen in windows that are still being read. More cannot be told apart from what is recorded: they are recorded at once. */
const MOST_UNREAD = 4_096

/**
 * What bears our key (SPEC §7): the one place that says what may be signed, and the one call, `record`, that lets it be. What it takes is in the
 * write of the turn, which is durable before any of it leaves. What others bring of our key (gossip, pages, what the store gives back) is
 * taken by `saw`, and counts the same. A window is in memory before anything is said of it: `knows` asks the store for it.
 */
export class SignedLedger {
  /** In the order of use. */
  readonly #windows = new Map<string, Window>()
  readonly #reading = new Set<string>()
  readonly #unread = new Map<string, Signed[]>()
  #unreadCount = 0
  readonly #ours: Set<string>
  #closedUpTo: bigint | undefined

  /** @param addresses of our signer, 20 bytes each: whatever bears one of them counts, whoever brings it */
  constructor(private readonly ports: LedgerPorts, addresses: readonly Uint8Array[]) { this.#ours = new Set(addresses.map(keyOf)) }

  /** At or below it nothing is signed. */
  get closedUpTo(): bigint | undefined { return this.#closedUpTo }

  /** Something of our key was seen, and what is recorded of its window is not known yet. */
  get isReading(): boolean { return this.#unreadCount > 0 }

  isOurs(signerKey: string): boolean { return this.#ours.has(signerKey) }

  /** Whether the window of this record is in memory; if not, it is asked for. */
  knows({ signer, ssz }: OwnSigned): boolean {
    const { window } = fieldsOf(ssz)
    const key = windowKey(signer, window)
    const there = this.#windows.get(key)
    if (there === undefined) { this.#ask(key, signer, window); return false }
    this.#windows.delete(key)
    this.#windows.set(key, there)
    return true
  }

  /** @throws ChainError `conflicting_commitment`, `after_own_eop`, `eop_below_own_block`, `window_closed`; `not_recorded` where the window is not known */
  check(record: OwnSigned): 'new' | 'same' {
    const own = signed(record)
    const window = this.#windows.get(keyOfSigned(own))
    if (window === undefined) throw new ChainError('not_recorded', 'what we signed in this window is not known', own.number)
    const is = against(own, window.records)
    if (is === 'new' && this.#closedUpTo !== undefined && own.window <= this.#closedUpTo) {
      throw new ChainError('window_closed', `nothing is signed any more for windows that end at ${this.#closedUpTo} or before: records of them are pruned, or may be lost`, own.window, this.#closedUpTo)
    }
    return is
  }

  /** The same, and it is recorded with this turn: signed or sent only once that is durable. From now on its signer is one of ours. @throws ChainError as `check` */
  record(record: OwnSigned): void {
    if (this.check(record) === 'same') return
    const own = signed(record)
    this.#ours.add(keyOf(record.signer))
    this.#add(this.#windows.get(keyOfSigned(own)) as Window, own)
  }

  /** Somebody shows what bears our key: it is signed, whatever we think of it. The bytes are kept. */
  saw(record: OwnSigned): void {
    const own = signed(record)
    if (this.#closedUpTo !== undefined && own.window <= this.#closedUpTo) return
    const key = keyOfSigned(own)
    const window = this.#windows.get(key)
    if (window !== undefined) { this.#learn(window, own); return }
    const unread = this.#unread.get(key) ?? []
    if (unread.some(each => sameCovered(each, own))) return
    if (this.#unreadCount >= MOST_UNREAD) { this.ports.write(record); return }
    this.#unreadCount++
    this.#unread.set(key, [...unread, own])
    this.#ask(key, record.signer, own.window)
  }

  /** A window as the store has it. */
  known(signer: Uint8Array, at: bigint, { records, closedUpTo }: SignedWindow): void {
    const key = windowKey(signer, at)
    this.#reading.delete(key)
    if (closedUpTo !== undefined) this.close(closedUpTo)
    const window: Window = { records: records.map(signed), writing: 0 }
    this.#windows.set(key, window)
    for (const own of this.#takeUnread(key)) this.#learn(window, own)
    this.#makeRoom()
  }

  /** The store did not answer. What was seen meanwhile is recorded all the same; whether it conflicts is seen another time. */
  unknown(signer: Uint8Array, at: bigint): void {
    const key = windowKey(signer, at)
    this.#reading.delete(key)
    for (const { record } of this.#takeUnread(key)) this.ports.write(record)
  }

  /** Nothing is signed any more for windows that end at or before this one. */
  close(upTo: bigint): void { if (this.#closedUpTo === undefined || upTo > this.#closedUpTo) this.#closedUpTo = upTo }

  #learn(window: Window, own: Signed): void {
    try {
      if (against(own, window.records) === 'same') return
    } catch (error) {
      if (!(error instanceof ChainError)) throw error
      const first = window.records.find(each => conflict(each, own)) ?? own
      this.ports.equivocated(first.record, own.record)
    }
    this.ports.unrecorded(own.record)
    this.#add(window, own)
  }

  #add(window: Window, own: Signed): void {
    window.records.push(own)
    window.writing++
    this.ports.write(own.record)
    this.ports.whenDurable(() => { window.writing-- })
  }

  #ask(key: string, signer: Uint8Array, window: bigint): void {
    if (this.#reading.has(key)) return
    this.#reading.add(key)
    this.ports.read(signer.slice(), window)
  }

  #takeUnread(key: string): readonly Signed[] {
    const unread = this.#unread.get(key) ?? []
    this.#unread.delete(key)
    this.#unreadCount -= unread.length
    return unread
  }

  #makeRoom(): void {
    for (const [key, { writing }] of this.#windows) {
      if (this.#windows.size <= WINDOWS) return
      if (writing === 0) this.#windows.delete(key)
    }
  }
}

/**
 * What of our own in the same window forbids it. The same commitment again is allowed.
 * @throws ChainError `conflicting_commitment`, `after_own_eop`, `eop_below_own_block`
 */
function against(own: Signed, before: readonly Signed[]): 'new' | 'same' {
  for (const each of before) if (each.number === own.number && sameCovered(each, own)) return 'same'
  for (const each of before) {
    const code = conflict(each, own)
    if (code === undefined) continue
    const message = {
      conflicting_commitment: `we signed another commitment for height ${own.number} of this window`,
      after_own_eop: `we ended our turn in this window before height ${own.number}`,
      eop_below_own_block: `we signed height ${each.number} of this window, above this end of our turn`,
    }[code]
    throw new ChainError(code, message, own.number, code === 'conflicting_commitment' ? undefined : code === 'after_own_eop' ? turnEndsAt(each) : each.number)
  }
  return 'new'
}

/** Why the second may not be signed after the first. */
function conflict(first: Signed, second: Signed): 'conflicting_commitment' | 'after_own_eop' | 'eop_below_own_block' | undefined {
  if (sameCovered(first, second)) return undefined
  if (!first.handoverOnly && !second.handoverOnly && first.number === second.number) return 'conflicting_commitment'
  if (first.eop && second.number >= turnEndsAt(first)) return 'after_own_eop'
  if (second.eop && first.number >= turnEndsAt(second)) return 'eop_below_own_block'
  return undefined
}

/** What a signature covers. */
const sameCovered = ({ record: { ssz: a } }: Signed, { record: { ssz: b } }: Signed): boolean => equalBytes(a.subarray(0, COMMITMENT_SIZE), b.subarray(0, COMMITMENT_SIZE))

const windowKey = (signer: Uint8Array, window: bigint): string => `${keyOf(signer)}${window}`
const keyOfSigned = ({ record: { signer }, window }: Signed): string => windowKey(signer, window)

const signed = (record: OwnSigned): Signed => ({ record, ...fieldsOf(record.ssz) })

function fieldsOf(ssz: Uint8Array): Omit<Signed, 'record'> {
  const whole = ssz.length >= SIGNED_COMMITMENT_SIZE ? ssz : wholeOf(ssz)
  const { blockNumber, submissionWindowEnd, eop, isHandoverOnly } = new CommitmentView(whole)
  return { number: blockNumber, window: submissionWindowEnd, eop, handoverOnly: isHandoverOnly }
}

/** A commitment that is not signed yet, in the form of one that is: with zeros for its signature. */
export function wholeOf(ssz: Uint8Array): Uint8Array {
  const whole = new Uint8Array(SIGNED_COMMITMENT_SIZE)
  whole.set(ssz.subarray(0, SIGNED_COMMITMENT_SIZE))
  return whole
}
