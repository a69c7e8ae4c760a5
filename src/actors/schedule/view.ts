import { fromHex } from '../../protocol/index.js'
import type { ScheduleAnswer, UpcomingSigner } from '../chain/ports.js'
import type { FallbackSigner, ScheduleConfig } from './config.js'
import type { Contracts } from './contracts.js'
import type { Hex, Operator } from './facts.js'
import type { L1Record } from './record.js'
import { SLOT } from './time.js'
import { Windows } from './windows.js'
import type { Answer, WindowAnswer } from './windows.js'
import type { ScheduleFigures } from './ingress.js'

/** What is known of L1, and of which contracts. */
export interface Followed { readonly chainId: bigint; readonly contracts: Contracts; readonly record: L1Record }

export type Changed = (from: bigint, to: bigint) => void

/** An old window that somebody waits for. */
interface Waiting { readonly window: number; readonly answer: (answer: ScheduleAnswer) => void }

/** Windows that are told beforehand, the present one among them. */
const AHEAD = 4
const MAX_CACHED = 4_096

/**
 * Who may sign, told at once (docs/schedule.md). Made before the actor and handed to it: nothing is known until that has started, and between
 * two of its incarnations what the last one knew. No answer waits for L1, save those about the past that nobody has read yet.
 */
export class ScheduleView {
  #followed: Followed | undefined
  #fresh = false
  #windows: Windows | undefined
  readonly #cache = new Map<bigint, ScheduleAnswer>()
  readonly #listeners = new Set<Changed>()
  readonly #waiting = new Set<Waiting>()
  #want: ((window: number) => void) | undefined
  readonly answers: { -readonly [K in keyof ScheduleFigures['answers']]: number } = {
    signers: 0, not_slot_end: 0, undecided: 0, bad_post: 0, nobody: 0, not_read: 0, stale: 0, too_old: 0, not_ready: 0,
  }

  constructor(readonly config: ScheduleConfig) {}

  // ---- the resolver

  resolve(window: bigint, signal: AbortSignal): ScheduleAnswer | Promise<ScheduleAnswer> {
    const cached = this.#cache.get(window)
    if (cached !== undefined) {
      this.answers[typeof cached === 'object' ? 'signers' : 'not_slot_end']++
      return cached
    }
    if (this.#windows === undefined || this.#followed === undefined) return this.#unknown('not_ready')
    if (window > BigInt(Number.MAX_SAFE_INTEGER)) return this.#unknown('undecided')
    const end = Number(window)
    const answer = this.#windows.answer(end)
    const given = this.#tell(answer)
    if (given !== 'unknown') this.#remember(window, given)
    if (answer === 'not_slot_end' || !('unknown' in answer)) {
      this.answers[answer === 'not_slot_end' ? answer : 'signers']++
      return given
    }
    if (answer.unknown !== 'not_read') return this.#unknown(answer.unknown)
    if (end < this.oldest) return this.#unknown('too_old')
    this.answers.not_read++
    return this.#want === undefined || this.#waiting.size >= this.config.maxWaiting ? 'unknown' : this.#wait(end, signal)
  }

  /** Windows that end before this are not read, seconds. */
  get oldest(): number { return (this.#followed?.record.head.time ?? 0) - this.config.history / 1_000 }

  upcoming(now: bigint): readonly UpcomingSigner[] {
    const windows = this.#windows
    if (windows === undefined) return []
    const signers: UpcomingSigner[] = []
    for (let time = Number(now), count = 0; count < AHEAD; count++) {
      const window = windows.at(time)
      const addresses = window === undefined ? undefined : this.addresses(window.answer)
      if (window === undefined || addresses === undefined) break
      for (const address of addresses) signers.push({ address: bytesOf(address), submissionWindowEnd: BigInt(window.end) })
      time = window.end + SLOT
    }
    return signers
  }

  subscribe(changed: Changed, signal: AbortSignal): void {
    if (signal.aborted) return
    this.#listeners.add(changed)
    signal.addEventListener('abort', () => { this.#listeners.delete(changed) }, { once: true })
  }

  // ---- for the actor

  /** What the last incarnation knew. */
  get last(): Followed | undefined { return this.#followed }
  get windows(): Windows | undefined { return this.#windows }
  get fresh(): boolean { return this.#fresh }
  get waiting(): readonly number[] { return [...new Set([...this.#waiting].map(({ window }) => window))] }

  /** Whom to tell that an old window is waited for; `undefined`: nobody, and no one waits from now on. */
  connect(want: ((window: number) => void) | undefined): void {
    this.#want = want
    if (want === undefined) this.giveUp()
  }

  /** What is known has changed, or whether it is fresh: nothing that was reckoned before counts. */
  show(followed: Followed, fresh: boolean): void {
    this.#followed = followed
    this.#fresh = fresh
    this.#windows = new Windows(followed.record, { handoverSlots: this.config.handoverSlots, fresh })
    this.#cache.clear()
  }

  /** Windows that end from `from` to `to` may have another answer than was given. */
  changed(from: number, to: number): void {
    for (const listener of this.#listeners) listener(BigInt(Math.max(0, from)), BigInt(to))
  }

  /** Answers those waits that can be answered. */
  serve(): void {
    for (const waiting of this.#waiting) {
      const answer = this.#windows?.answer(waiting.window)
      if (answer !== undefined && answer !== 'not_slot_end' && 'unknown' in answer && answer.unknown === 'not_read') continue
      this.#waiting.delete(waiting)
      waiting.answer(answer === undefined ? 'unknown' : this.#tell(answer))
    }
  }

  /** What cannot be read (now) is not known. */
  giveUp(): void {
    for (const { answer } of this.#waiting) answer('unknown')
    this.#waiting.clear()
  }

  /** The addresses that may sign, in hex; `undefined`: not known. */
  addresses(answer: Answer): readonly Hex[] | undefined {
    if (answer === 'not_slot_end' || 'unknown' in answer) return undefined
    return addressesOf(answer, this.config.fallbackSigner)
  }

  #tell(answer: Answer): ScheduleAnswer {
    if (answer === 'not_slot_end') return answer
    const addresses = this.addresses(answer)
    return addresses === undefined ? 'unknown' : { signers: addresses.map(bytesOf) }
  }

  #remember(window: bigint, answer: ScheduleAnswer): void {
    if (this.#cache.size >= MAX_CACHED) this.#cache.clear()
    this.#cache.set(window, answer)
  }

  #unknown(why: Exclude<keyof ScheduleFigures['answers'], 'signers' | 'not_slot_end'>): ScheduleAnswer {
    this.answers[why]++
    return 'unknown'
  }

  #wait(window: number, signal: AbortSignal): Promise<ScheduleAnswer> {
    return new Promise(resolve => {
      const waiting: Waiting = { window, answer: resolve }
      this.#waiting.add(waiting)
      signal.addEventListener('abort', () => {
        this.#waiting.delete(waiting)
        resolve('unknown')
      }, { once: true })
      this.#want?.(window)
    })
  }
}

function addressesOf({ committers, fallbacks }: WindowAnswer, as: FallbackSigner): readonly Hex[] {
  const ofOperator = ({ proposer, sequencer }: Operator): readonly Hex[] => as === 'both' ? [proposer, sequencer] : [as === 'proposer' ? proposer : sequencer]
  return [...new Set([...committers, ...fallbacks.flatMap(ofOperator)])]
}

const bytesOf = (address: Hex): Uint8Array => fromHex(address.slice(2), 20)
