import { Asked } from './asked.js'
import type { Waiting } from './asked.js'
import type { Clock } from './clock.js'
import { displaceable } from './displaceable.js'
import type { Displaceable } from './displaceable.js'
import { CancelledError } from './errors.js'
import type { DropReason } from './figures.js'
import type { Feedback, MailboxSpec } from './mailbox.js'
import type { Message } from './message.js'
import { Offers } from './offers.js'
import { checked } from './options.js'
import type { OfferOptions, Offered } from './ref.js'
import { Ring } from './ring.js'

/** A message, or one whose asker waits. */
export type Entry = Message | Asked

export const messageOf = (entry: Entry): Message => entry instanceof Asked ? entry.message : entry

/** What an inbox takes before its actor's first start, when its spec is not known yet. */
const UNBOUND_CAPACITY = 1_024
/** `keep` may fill a mailbox up to this many times its capacity; further the senders have broken their word. */
const KEEP_FACTOR = 2
/** From this share of the capacity on the sender is told to slow down. */
const BACKOFF_SHARE = 0.75
/** One message in so many is timed. A power of two. */
const SAMPLE_EVERY = 16

/** Stands where a message stood that gave way, or whose asker gave up. */
const GONE: Message = Object.freeze({ type: '' })
/** Counted in place of what is no message. */
const NO_MESSAGE: Message = Object.freeze({ type: '?' })

interface Stamp { readonly at: number; readonly putAt: number }

/** The user lane: first in first out, bounded, a policy per type, all in constant time. The hot path allocates nothing. */
export class Inbox implements Waiting {
  depth = 0
  highWater = 0
  capacity = UNBOUND_CAPACITY
  maxWaiting = UNBOUND_CAPACITY
  closed = false
  /** When the entry that `take` gave was put, in ms; −1 where it is not one of the sample. */
  sampled = -1
  #backoffAt = UNBOUND_CAPACITY
  #spec: MailboxSpec<Message> | undefined
  #displaceable: ReadonlyMap<string, Displaceable> | undefined
  readonly #ring = new Ring<Entry>()
  /** The positions of what may be displaced, and who remembers it: all that is known of a message was learned when it came. */
  readonly #markedAt = new Ring<number>()
  readonly #marks = new Ring<Displaceable>()
  #nextStamp: Stamp | undefined
  readonly #stamps = new Ring<Stamp>()
  /** When messages came that have coalesced, by position. */
  readonly #restamped = new Map<number, number>()
  readonly #offers = new Offers()
  readonly #sampleMask: number

  constructor(
    private readonly clock: Clock, timeAll: boolean,
    private readonly dropped: (entry: Entry, reason: DropReason) => void,
  ) { this.#sampleMask = timeAll ? 0 : SAMPLE_EVERY - 1 }

  /** Callers of `offer` that wait for room. */
  get offering(): number { return this.#offers.size }

  /**
   * Takes over a bound and policies. What is queued passes them in order at the first time, and when the bound shrinks.
   * @throws KernelError `bad_option`
   */
  bind(spec: MailboxSpec<Message>, whose: string): void {
    if (spec === this.#spec) return
    for (const name of ['capacity', 'maxWaiting', 'maxAnswering'] as const) {
      checked(whose, `mailbox.${name}`, name === 'capacity' ? spec.capacity : spec[name] ?? spec.capacity)
    }
    const keepAll = this.#spec !== undefined && spec.capacity >= this.capacity
    const queued = this.#empty()
    this.#spec = spec
    this.#displaceable = displaceable(spec)
    this.capacity = spec.capacity
    this.maxWaiting = spec.maxWaiting ?? Math.max(spec.capacity, UNBOUND_CAPACITY)
    this.#backoffAt = Math.ceil(spec.capacity * BACKOFF_SHARE)
    for (const entry of queued) if (keepAll) this.#append(entry); else void this.#accept(entry, false)
    this.#admit()
  }

  put(entry: Entry): Feedback {
    const isKnown = isMessage(entry)
    if (this.closed || !isKnown) {
      this.dropped(isKnown || entry instanceof Asked ? entry : NO_MESSAGE, this.closed ? 'closed' : 'unknown')
      return this.closed ? 'closed' : 'rejected'
    }
    return this.#accept(entry, this.#offers.size > 0)
  }

  take(): Entry | undefined {
    for (;;) {
      const at = this.#ring.head
      const entry = this.#ring.shift()
      if (entry === undefined) return undefined
      this.sampled = -1
      if (this.#nextStamp?.at === at) this.sampled = this.#unstamp(at)
      if (this.#displaceable !== undefined && this.#markedAt.peek() === at) this.#unmark(at)
      if (entry === GONE) continue
      this.depth--
      if (entry instanceof Asked) entry.queue = undefined
      if (this.#offers.size > 0) this.#admit()
      return entry
    }
  }

  offer(message: Message, what: string, { signal }: OfferOptions = {}): Promise<Offered> {
    if (signal?.aborted === true) return Promise.reject(new CancelledError(what, signal.reason))
    if (this.closed || this.depth < this.capacity || !isMessage(message)) {
      const feedback = this.put(message)
      return Promise.resolve(feedback === 'backoff' ? 'ok' : feedback)
    }
    if (this.#offers.size >= this.maxWaiting) {
      this.dropped(message, 'overloaded')
      return Promise.resolve('rejected')
    }
    return this.#offers.wait(message, what, signal)
  }

  /** Entries that were taken and not begun stand at the head again, over the bound if need be. */
  putBack(entries: readonly Entry[]): void {
    const queued = this.closed ? [] : this.#empty()
    for (const entry of entries) {
      if (this.closed) this.dropped(entry, 'stopped')
      else if (entry instanceof Asked && entry.settled) this.dropped(entry, 'ask_expired')
      else this.#append(entry)
    }
    for (const entry of queued) this.#append(entry)
  }

  /** The asker has given up: there is room again. */
  forget(asked: Asked): void {
    this.#ring.replace(asked.at, GONE)
    this.#left(asked, 'ask_expired')
    this.#admit()
  }

  /** Takes nothing any more, for good: whoever waits for room is told `closed`. */
  close(): void {
    this.closed = true
    this.#offers.close()
  }

  /** What is queued is dropped as `stopped`. */
  clear(): void { for (const entry of this.#empty()) this.dropped(entry, 'stopped') }

  #accept(entry: Entry, othersWait: boolean): Feedback {
    if (this.depth >= this.capacity) return this.#overflow(entry, othersWait)
    this.#append(entry)
    return this.depth >= this.#backoffAt ? 'backoff' : 'ok'
  }

  #append(entry: Entry): void {
    const at = this.#ring.push(entry)
    if (++this.depth > this.highWater) this.highWater = this.depth
    if ((at & this.#sampleMask) === 0) this.#stamp({ at, putAt: this.clock.monotonic() })
    if (entry instanceof Asked) { entry.queue = this; entry.at = at }
    const mark = this.#displaceable?.get(entry.type)
    if (mark === undefined) return
    this.#markedAt.push(at)
    this.#marks.push(mark)
    mark.came(at, messageOf(entry))
  }

  #stamp(stamp: Stamp): void {
    if (this.#nextStamp === undefined) this.#nextStamp = stamp
    else this.#stamps.push(stamp)
  }

  #unstamp(at: number): number {
    const { putAt } = this.#nextStamp!
    this.#nextStamp = this.#stamps.shift()
    return this.#restamped.get(at) ?? putAt
  }

  #unmark(at: number): Displaceable {
    this.#markedAt.shift()
    this.#restamped.delete(at)
    const mark = this.#marks.shift()!
    mark.left(at)
    return mark
  }

  /** @param othersWait for room: then nobody is taken over the bound, or in place of another, before them */
  #overflow(entry: Entry, othersWait: boolean): Feedback {
    const policy = this.#spec?.whenFull[entry.type]?.kind
    const mayGoOver = policy === 'keep' && !othersWait && this.depth < this.capacity * KEEP_FACTOR
    const mayDisplace = policy === 'coalesce' || (policy === 'drop_oldest' && !othersWait)
    const at = mayDisplace ? this.#displaceable?.get(entry.type)?.next(messageOf(entry), this.#isQueued) : undefined
    if (mayGoOver) {
      this.#append(entry)
    } else if (at === undefined) {
      this.dropped(entry, 'rejected')
      return 'rejected'
    } else if (policy === 'coalesce') {
      this.#replace(at, entry)
    } else {
      const oldest = this.#ring.at(at)!
      this.#ring.replace(at, GONE)
      this.#left(oldest, 'dropped_oldest')
      this.#append(entry)
    }
    return 'backoff'
  }

  readonly #isQueued = (at: number): boolean => this.#ring.at(at) !== GONE

  #replace(at: number, entry: Entry): void {
    const replaced = this.#ring.at(at)!
    this.#ring.replace(at, entry)
    this.#restamped.set(at, this.clock.monotonic())
    if (entry instanceof Asked) { entry.queue = this; entry.at = at }
    if (replaced instanceof Asked) replaced.queue = undefined
    this.dropped(replaced, 'coalesced')
  }

  /** Its place is empty. Gaps are closed once per `capacity` of them: constant time on average, and bounded memory. */
  #left(entry: Entry, reason: DropReason): void {
    this.depth--
    if (entry instanceof Asked) entry.queue = undefined
    if (this.#ring.length - this.depth >= this.capacity) this.#closeGaps()
    this.dropped(entry, reason)
  }

  /** Turns the ring once round, without those that are gone. */
  #closeGaps(): void {
    for (let left = this.#ring.length; left > 0; left--) {
      const from = this.#ring.head
      const entry = this.#ring.shift()!
      const restamped = this.#restamped.get(from)
      const putAt = this.#nextStamp?.at === from ? this.#unstamp(from) : undefined
      const mark = this.#markedAt.peek() === from ? this.#unmark(from) : undefined
      if (entry === GONE) continue
      const at = this.#ring.push(entry)
      if (entry instanceof Asked) entry.at = at
      if (putAt !== undefined) this.#stamp({ at, putAt })
      if (mark === undefined) continue
      this.#markedAt.push(at)
      this.#marks.push(mark)
      mark.moved(at)
      if (restamped !== undefined) this.#restamped.set(at, restamped)
    }
  }

  #admit(): void { this.#offers.admit(() => this.depth < this.capacity, message => { this.#append(message) }) }

  #empty(): Entry[] {
    this.depth = 0
    this.#stamps.drain()
    this.#nextStamp = undefined
    this.#restamped.clear()
    this.#markedAt.drain()
    this.#marks.drain()
    this.#displaceable = this.#spec && displaceable(this.#spec)
    const entries = this.#ring.drain().filter(entry => entry !== GONE)
    for (const entry of entries) if (entry instanceof Asked) entry.queue = undefined
    return entries
  }
}

/** What comes from outside may be anything. */
const isMessage = (entry: Entry | null | undefined): boolean => typeof entry?.type === 'string'
