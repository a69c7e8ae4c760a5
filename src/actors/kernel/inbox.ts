import { Asked } from './asked.js'
import { CancelledError } from './errors.js'
import type { DropReason } from './figures.js'
import type { Feedback, MailboxSpec, Policy } from './mailbox.js'
import type { Message } from './message.js'
import type { OfferOptions } from './ref.js'
import { Ring } from './ring.js'

/** A message, or one whose asker waits. */
export type Entry = Message | Asked

/** What an inbox that has no spec yet takes: its actor has not started for the first time. */
const UNBOUND_CAPACITY = 1_024
/** `keep` may go over the capacity up to this many times it; further the senders have broken their word. */
const KEEP_FACTOR = 2
/** Above this share of the capacity the sender is told to slow down. */
const BACKOFF_SHARE = 0.75
/** One message in so many is timed. A power of two. */
const SAMPLE_EVERY = 16

const GONE: Message = Object.freeze({ type: '' })

interface Waiter { readonly message: Message; admitted(feedback: 'ok' | 'closed'): void }

/** Keeps track of the queued messages of one type that a newer one may displace. */
interface Displaced { added(at: number, message: Message): void; taken(at: number, message: Message): void; next(message: Message): number | undefined }

/** The user lane: bounded, first in first out, with a policy per type. The hot path of `put` and `take` allocates nothing. */
export class Inbox {
  depth = 0
  highWater = 0
  closed = false
  /** When the entry that `take` gave was put, where it is one of the sample; else −1. */
  sampled = -1
  capacity = UNBOUND_CAPACITY
  #backoffAt = UNBOUND_CAPACITY
  #spec: MailboxSpec<Message> | undefined
  #displaceable: Map<string, Displaced> | undefined
  readonly #ring = new Ring<Entry>()
  readonly #stamps = new Ring<{ readonly at: number; readonly putAt: number }>()
  #nextStamp: { readonly at: number; readonly putAt: number } | undefined
  readonly #waiters = new Set<Waiter>()
  readonly #sampleMask: number

  constructor (
    private readonly monotonic: () => number,
    private readonly dropped: (entry: Entry, reason: DropReason) => void,
    timeAll: boolean,
  ) { this.#sampleMask = timeAll ? 0 : SAMPLE_EVERY - 1 }

  get offering (): number { return this.#waiters.size }

  /** Takes a spec's bound and policies; what is queued passes them in order as if it were sent now. */
  bind (spec: MailboxSpec<Message>): void {
    if (spec === this.#spec) return
    const queued = this.#empty()
    this.#spec = spec
    this.capacity = spec.capacity
    this.#backoffAt = Math.ceil(spec.capacity * BACKOFF_SHARE)
    this.#displaceable = displaceables(spec)
    for (const entry of queued) this.put(entry)
    this.#admit()
  }

  put (entry: Entry): Feedback {
    if (this.closed) { this.dropped(entry, 'closed'); return 'closed' }
    if (this.depth >= this.capacity) return this.#overflow(entry)
    this.#append(entry)
    return this.depth >= this.#backoffAt ? 'backoff' : 'ok'
  }

  take (): Entry | undefined {
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

  offer (message: Message, what: string, options?: OfferOptions): Promise<'ok' | 'closed'> {
    const signal = options?.signal
    if (signal?.aborted === true) return Promise.reject(new CancelledError(what, signal.reason))
    if (this.closed || (this.depth < this.capacity && this.#waiters.size === 0)) return Promise.resolve(this.put(message) === 'closed' ? 'closed' : 'ok')
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        message,
        admitted (feedback) { signal?.removeEventListener('abort', cancelled); resolve(feedback) },
      }
      const cancelled = (): void => { this.#waiters.delete(waiter); reject(new CancelledError(what, signal?.reason)) }
      signal?.addEventListener('abort', cancelled, { once: true })
      this.#waiters.add(waiter)
    })
  }

  /** For good: what is queued is dropped as `stopped`, who waits is told `closed`. */
  close (): void {
    if (this.closed) return
    this.closed = true
    for (const entry of this.#empty()) this.dropped(entry, 'stopped')
    for (const waiter of this.#waiters) waiter.admitted('closed')
    this.#waiters.clear()
  }

  #append (entry: Entry): void {
    const at = this.#ring.push(entry)
    if (++this.depth > this.highWater) this.highWater = this.depth
    if ((at & this.#sampleMask) === 0) this.#stamp(at)
    if (this.#displaceable !== undefined) {
      const message = messageOf(entry)
      this.#displaceable.get(message.type)?.added(at, message)
    }
  }

  #stamp (at: number): void {
    const stamp = { at, putAt: this.monotonic() }
    if (this.#nextStamp === undefined) this.#nextStamp = stamp
    else this.#stamps.push(stamp)
  }

  #overflow (entry: Entry): Feedback {
    const message = messageOf(entry)
    const policy: Policy | undefined = this.#spec?.whenFull[message.type]
    if (policy?.kind === 'keep' && this.depth < this.capacity * KEEP_FACTOR) {
      this.#append(entry)
      return 'backoff'
    }
    const at = this.#displaceable?.get(message.type)?.next(message)
    const displaced = at === undefined ? undefined : this.#ring.at(at)
    if (at === undefined || displaced === undefined) { this.dropped(entry, 'rejected'); return 'rejected' }
    if (policy?.kind === 'coalesce') {
      this.#ring.replace(at, entry)
      this.dropped(displaced, 'coalesced')
    } else {
      this.#ring.replace(at, GONE)
      this.depth--
      if (this.#ring.length - this.depth >= this.capacity) this.#compact()
      this.#append(entry)
      this.dropped(displaced, 'dropped_oldest')
    }
    return 'backoff'
  }

  #admit (): void {
    for (const waiter of this.#waiters) {
      if (this.depth >= this.capacity) return
      this.#waiters.delete(waiter)
      this.#append(waiter.message)
      waiter.admitted('ok')
    }
  }

  /** Closes the gaps that displaced messages left; at most once per `capacity` of them. */
  #compact (): void {
    for (const entry of this.#empty()) this.#append(entry)
  }

  #empty (): Entry[] {
    const queued: Entry[] = []
    for (let entry = this.#ring.shift(); entry !== undefined; entry = this.#ring.shift()) if (entry !== GONE) queued.push(entry)
    this.depth = 0
    this.#stamps.clear()
    this.#nextStamp = undefined
    if (this.#spec !== undefined) this.#displaceable = displaceables(this.#spec)
    return queued
  }
}

export function messageOf (entry: Entry): Message {
  return entry instanceof Asked ? entry.message : entry
}

function displaceables (spec: MailboxSpec<Message>): Map<string, Displaced> | undefined {
  const map = new Map<string, Displaced>()
  for (const [type, policy] of Object.entries<Policy<Message>>(spec.whenFull)) {
    if (policy.kind === 'drop_oldest') map.set(type, oldestFirst())
    if (policy.kind === 'coalesce') map.set(type, newestOfKey(policy.key))
  }
  return map.size > 0 ? map : undefined
}

function oldestFirst (): Displaced {
  const positions = new Ring<number>()
  return { added: at => { positions.push(at) }, taken: () => { positions.shift() }, next: () => positions.shift() }
}

function newestOfKey (keyOf: (message: Message) => string): Displaced {
  const positions = new Map<string, number>()
  return {
    added: (at, message) => { positions.set(keyOf(message), at) },
    taken: (at, message) => { const key = keyOf(message); if (positions.get(key) === at) positions.delete(key) },
    next: message => positions.get(keyOf(message)),
  }
}
