import { LRUCache } from 'lru-cache'
import { keyOf } from './commitment.js'
import type { ChainConfig } from './config.js'
import { ChainError } from './errors.js'
import type { ScheduleAnswer } from './schedule.js'

/** A window's answer as it is remembered: whose keys may sign, nobody's where no slot ends. */
export interface Known {
  readonly signers: ReadonlySet<string>
  readonly slotEnd: boolean
  /** When it was looked up, ms. */
  readonly at: number
}

interface Lookup {
  state: 'queued' | 'running' | 'resting'
  since: number
  failures: number
  retryAt: number
}

/** Asks the application about a window: an answer at once, or `undefined` where it comes later as `answered` or `failed`. */
export interface LookUps {
  ask(window: bigint, generation: number): ScheduleAnswer | undefined
  /** Nobody waits for it any more. */
  abandon(window: bigint): void
}

type CacheConfig = Pick<ChainConfig, 'scheduleCache' | 'scheduleLookups' | 'scheduleDeadline' | 'scheduleRetryFirst' | 'scheduleRetryLast' | 'scheduleFresh'>

/** What came of looking up a window. */
export type LookedUp =
  /** `changed`: it was answered otherwise before. */
  | { readonly window: bigint; readonly known: Known; readonly changed?: boolean }
  /** Not known, or failed: it is tried again as long as somebody waits. */
  | { readonly window: bigint; readonly error: unknown }

/**
 * The schedule's answers by window, and the lookups under way: bounded in number, each with a deadline, tried again with growing pauses
 * as long as somebody waits. Times in ms.
 */
export class ScheduleCache {
  readonly #known: LRUCache<bigint, Known>
  readonly #lookups = new Map<bigint, Lookup>()
  #running = 0
  /** Counts changes of the schedule: what was asked before one is not the answer. */
  #generation = 0

  constructor(private readonly lookUps: LookUps, private readonly config: CacheConfig) {
    this.#known = new LRUCache({ max: config.scheduleCache })
  }

  get underWay(): number { return this.#lookups.size }

  known(window: bigint): Known | undefined { return this.#known.get(window) }

  /** Looks a window up, unless that is under way. What came of it at once is given; an answer of just now is left to grow older first. */
  want(window: bigint, now: number): LookedUp | undefined {
    if (this.#lookups.has(window)) return undefined
    const retryAt = (this.#known.peek(window)?.at ?? -Infinity) + this.config.scheduleFresh
    const lookup: Lookup = { state: retryAt > now ? 'resting' : 'queued', since: now, failures: 0, retryAt }
    this.#lookups.set(window, lookup)
    return lookup.state === 'queued' && this.#hasSlot ? this.#start(window, now) : undefined
  }

  /** What is known of windows from `from` to `to` counts no more, nor do answers that are on their way. */
  forget(from: bigint, to: bigint): void {
    this.#generation++
    for (const window of [...this.#known.keys()]) if (window >= from && window <= to) this.#known.delete(window)
    for (const window of [...this.#lookups.keys()]) this.drop(window)
  }

  /** The application has answered. @returns `undefined` where nothing of the sort was under way */
  answered(window: bigint, answer: unknown, now: number, generation = this.#generation): LookedUp | undefined {
    if (!this.#lookups.has(window) || generation !== this.#generation) return undefined
    const known = knownOf(answer, now)
    if (known instanceof ChainError) return this.failed(window, known, now)
    if (known === undefined) return this.#rest(window, undefined, now)
    this.#remove(window)
    const before = this.#known.peek(window)
    this.#known.set(window, known)
    return { window, known, changed: before !== undefined && !sameAnswer(before, known) }
  }

  failed(window: bigint, error: unknown, now: number, generation = this.#generation): LookedUp | undefined {
    return this.#lookups.get(window)?.state === 'running' && generation === this.#generation ? this.#rest(window, error, now) : undefined
  }

  /** Nobody waits for this window. */
  drop(window: bigint): void {
    if (this.#lookups.get(window)?.state === 'running') this.lookUps.abandon(window)
    this.#remove(window)
  }

  /** Time has passed: gives up what is over its deadline, tries again what has rested, starts what had no room. */
  tick(now: number): LookedUp[] {
    const outcomes: LookedUp[] = []
    for (const [window, lookup] of this.#lookups) {
      if (lookup.state === 'running' && now - lookup.since >= this.config.scheduleDeadline) {
        this.lookUps.abandon(window)
        const error = new ChainError('schedule_timeout', `the schedule did not answer within ${this.config.scheduleDeadline} ms`, this.config.scheduleDeadline)
        outcomes.push(this.#rest(window, error, now))
      } else if (lookup.state === 'resting' && now >= lookup.retryAt) {
        lookup.state = 'queued'
      }
    }
    for (const [window, lookup] of this.#lookups) {
      if (lookup.state !== 'queued' || !this.#hasSlot) continue
      const outcome = this.#start(window, now)
      if (outcome !== undefined) outcomes.push(outcome)
    }
    return outcomes
  }

  #start(window: bigint, now: number): LookedUp | undefined {
    const lookup = this.#lookups.get(window)!
    this.#enter(lookup, 'running')
    lookup.since = now
    let answer: ScheduleAnswer | undefined
    try {
      answer = this.lookUps.ask(window, this.#generation)
    } catch (error) {
      return this.#rest(window, error, now)
    }
    return answer === undefined ? undefined : this.answered(window, answer, now)
  }

  #rest(window: bigint, error: unknown, now: number): LookedUp {
    const lookup = this.#lookups.get(window)!
    const { scheduleRetryFirst, scheduleRetryLast } = this.config
    this.#enter(lookup, 'resting')
    lookup.retryAt = now + Math.min(scheduleRetryFirst * 2 ** lookup.failures, scheduleRetryLast)
    lookup.failures++
    return { window, error }
  }

  get #hasSlot(): boolean { return this.#running < this.config.scheduleLookups }

  #enter(lookup: Lookup, state: Lookup['state']): void {
    this.#running += Number(state === 'running') - Number(lookup.state === 'running')
    lookup.state = state
  }

  #remove(window: bigint): void {
    const lookup = this.#lookups.get(window)
    if (lookup !== undefined) this.#enter(lookup, 'resting')
    this.#lookups.delete(window)
  }
}

function sameAnswer(a: Known, b: Known): boolean {
  return a.slotEnd === b.slotEnd && a.signers.size === b.signers.size && [...a.signers].every(signer => b.signers.has(signer))
}

function knownOf(answer: unknown, at: number): Known | ChainError | undefined {
  if (answer === 'unknown') return undefined
  if (answer === 'not_slot_end') return { signers: new Set(), slotEnd: false, at }
  const { signer, signers } = (typeof answer === 'object' && answer !== null ? answer : {}) as { signer?: unknown; signers?: unknown }
  const list: unknown[] = Array.isArray(signers) ? signers : [signer]
  if (!list.every(each => each instanceof Uint8Array && each.length === 20)) {
    return new ChainError('bad_schedule_answer', 'the schedule\'s answer is neither signers of 20 bytes nor `not_slot_end` nor `unknown`')
  }
  return { signers: new Set((list as Uint8Array[]).map(keyOf)), slotEnd: true, at }
}
