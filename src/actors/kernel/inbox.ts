import { Asked } from './asked.js'
import type { Clock } from './clock.js'
import { CancelledError } from './errors.js'
import type { DropReason } from './figures.js'
import type { Feedback, MailboxSpec, Policy } from './mailbox.js'
import type { Message } from './message.js'
import { checked } from './options.js'
import type { OfferOptions } from './ref.js'
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

/** Stands where a displaced message stood. */
const GONE: Message = Object.freeze({ type: '' })

interface Stamp { readonly at: number; readonly putAt: number }
interface Waiter { readonly message: Message; admitted(outcome: 'ok' | 'closed'): void }

/** The user lane: first in first out, bounded, a policy per type, all in constant time. The hot path allocates nothing. */
export class Inbox {
  depth = 0
  highWater = 0
  capacity = UNBOUND_CAPACITY
  closed = false
  /** When the entry that `take` gave was put, in ms; −1 where it is not one of the sample. */
  sampled = -1
  #backoffAt = UNBOUND_CAPACITY
  #spec: MailboxSpec<Message> | undefined
  #displaceable: ReadonlyMap<string, Displaceable> | undefined
  #nextStamp: Stamp | undefined
  readonly #stamps = new Ring<Stamp>()
  readonly #ring = new Ring<Entry>()
  readonly #waiters = new Set<Waiter>()
  readonly #sampleMask: number

  constructor(
    private readonly clock: Clock, timeAll: boolean,
    private readonly dropped: (entry: Entry, reason: DropReason) => void,
  ) { this.#sampleMask = timeAll ? 0 : SAMPLE_EVERY - 1 }

  /** Callers of `offer` that wait for room. */
  get offering(): number { return this.#waiters.size }

  /** Takes over a bound and policies. What is queued passes them in order at the first time, and when the bound shrinks. */
  bind(spec: MailboxSpec<Message>, whose: string): void {
    if (spec === this.#spec) return
    checked(whose, 'capacity', spec.capacity)
    const keepAll = this.#spec !== undefined && spec.capacity >= this.capacity
    const queued = this.#empty()
    this.#spec = spec
    this.#displaceable = displaceable(spec)
    this.capacity = spec.capacity
    this.#backoffAt = Math.ceil(spec.capacity * BACKOFF_SHARE)
    for (const entry of queued) if (keepAll) this.#append(entry); else void this.put(entry)
    this.#admit()
  }

  put(entry: Entry): Feedback {
    if (this.closed) { this.dropped(entry, 'closed'); return 'closed' }
    if (this.depth >= this.capacity) return this.#overflow(entry)
    this.#append(entry)
    return this.depth >= this.#backoffAt ? 'backoff' : 'ok'
  }

  take(): Entry | undefined {
    for (;;) {
      const at = this.#ring.head
      const entry = this.#ring.shift()
      if (entry === undefined) return undefined
      this.sampled = -1
      if (this.#nextStamp?.at === at) {
        this.sampled = this.#nextStamp.putAt
        this.#nextStamp = this.#stamps.shift()
      }
      if (entry === GONE) continue
      this.depth--
      if (this.#displaceable !== undefined) {
        const message = messageOf(entry)
        this.#displaceable.get(message.type)?.taken(at, message)
      }
      if (this.#waiters.size > 0) this.#admit()
      return entry
    }
  }

  offer(message: Message, what: string, { signal }: OfferOptions = {}): Promise<'ok' | 'closed'> {
    if (signal?.aborted === true) return Promise.reject(new CancelledError(what, signal.reason))
    if (this.closed || this.depth < this.capacity) {
      return Promise.resolve(this.put(message) === 'closed' ? 'closed' : 'ok')
    }
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        message,
        admitted(outcome) { signal?.removeEventListener('abort', cancelled); resolve(outcome) },
      }
      const cancelled = (): void => { this.#waiters.delete(waiter); reject(new CancelledError(what, signal?.reason)) }
      signal?.addEventListener('abort', cancelled, { once: true })
      this.#waiters.add(waiter)
    })
  }

  /** For good: what is queued is dropped as `stopped`, whoever waits is told `closed`. */
  close(): void {
    if (this.closed) return
    this.closed = true
    for (const entry of this.#empty()) this.dropped(entry, 'stopped')
    for (const waiter of this.#waiters) waiter.admitted('closed')
    this.#waiters.clear()
  }

  /** Entries that were taken and not begun stand at the head again, over the bound if need be. */
  putBack(entries: readonly Entry[]): void {
    if (this.closed) { for (const entry of entries) this.dropped(entry, 'stopped'); return }
    for (const entry of [...entries, ...this.#empty()]) this.#append(entry)
  }

  #append(entry: Entry): void {
    const at = this.#ring.push(entry)
    if (++this.depth > this.highWater) this.highWater = this.depth
    if ((at & this.#sampleMask) === 0) this.#stamp(at)
    if (this.#displaceable !== undefined) {
      const message = messageOf(entry)
      this.#displaceable.get(message.type)?.added(at, message)
    }
  }

  #stamp(at: number): void {
    const stamp = { at, putAt: this.clock.monotonic() }
    if (this.#nextStamp === undefined) this.#nextStamp = stamp
    else this.#stamps.push(stamp)
  }

  #overflow(entry: Entry): Feedback {
    const message = messageOf(entry)
    const policy = this.#spec?.whenFull[message.type]?.kind
    const at = this.#displaceable?.get(message.type)?.next(message)
    if (policy === 'keep' && this.depth < this.capacity * KEEP_FACTOR) {
      this.#append(entry)
    } else if (at === undefined) {
      this.dropped(entry, 'rejected')
      return 'rejected'
    } else {
      this.#displace(at, entry, policy === 'coalesce')
    }
    return 'backoff'
  }

  #displace(at: number, entry: Entry, inPlace: boolean): void {
    const displaced = this.#ring.at(at)!
    this.#ring.replace(at, inPlace ? entry : GONE)
    if (!inPlace) {
      this.depth--
      // Gaps are closed once per `capacity` of them: constant time on average, and bounded memory.
      if (this.#ring.length - this.depth >= this.capacity) for (const each of this.#empty()) this.#append(each)
      this.#append(entry)
    }
    this.dropped(displaced, inPlace ? 'coalesced' : 'dropped_oldest')
  }

  #admit(): void {
    for (const waiter of this.#waiters) {
      if (this.depth >= this.capacity) return
      this.#waiters.delete(waiter)
      this.#append(waiter.message)
      waiter.admitted('ok')
    }
  }

  #empty(): Entry[] {
    this.depth = 0
    this.#stamps.drain()
    this.#nextStamp = undefined
    this.#displaceable = this.#spec && displaceable(this.#spec)
    return this.#ring.drain().filter(entry => entry !== GONE)
  }
}

/** The positions of the queued messages of one type that a newer one may displace. */
interface Displaceable {
  added(at: number, message: Message): void
  taken(at: number, message: Message): void
  /** Which one gives way to this message. */
  next(message: Message): number | undefined
}

function displaceable(spec: MailboxSpec<Message>): ReadonlyMap<string, Displaceable> | undefined {
  const types = Object.entries<Policy<Message>>(spec.whenFull).flatMap(([type, policy]) =>
    policy.kind === 'drop_oldest' ? [[type, oldestFirst()] as const]
      : policy.kind === 'coalesce' ? [[type, newestOfKey(message => policy.key(message))] as const] : [])
  return types.length > 0 ? new Map(types) : undefined
}

function oldestFirst(): Displaceable {
  const positions = new Ring<number>()
  return { added: at => { positions.push(at) }, taken: () => { positions.shift() }, next: () => positions.shift() }
}

function newestOfKey(key: (message: Message) => string): Displaceable {
  const positions = new Map<string | undefined, number>()
  const keyOf = (message: Message): string | undefined => { try { return key(message) } catch { return undefined } }
  return {
    added: (at, message) => { positions.set(keyOf(message), at) },
    taken: (at, message) => { if (positions.get(keyOf(message)) === at) positions.delete(keyOf(message)) },
    next: message => positions.get(keyOf(message)),
  }
}
