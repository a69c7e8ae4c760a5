import { validated } from './options.js'
import { Ring } from './ring.js'

/** In place of the events that a slow subscriber has missed. */
export interface Lagged { readonly type: 'lagged'; readonly count: number; readonly lane: string }

export interface SubscribeOptions<T> {
  /** Events kept in each lane while the subscriber is behind. 1,024. */
  readonly capacity?: number
  /** What an event weighs, such as its bytes, and how much is kept in each lane. Left out: no such bound. Where it throws: all of it. */
  readonly weigh?: (event: T) => number
  readonly maxWeight?: number
  /** Ends the subscription. */
  readonly signal?: AbortSignal
  /** Events of one lane never crowd out those of another. A pure function to few names; left out: one lane. */
  readonly lane?: (event: T) => string
}

interface Limits<T> extends SubscribeOptions<T> { readonly capacity: number; readonly maxWeight: number }

const NO_LIMITS = { capacity: 1_024, maxWeight: Infinity }

const limits = <T>(defaults: Limits<T>, given: SubscribeOptions<T>): Limits<T> => validated('Broadcast', defaults, given)

/** Publishes to any number of subscribers, each with its own bound; a slow one misses the oldest and is told how many. */
export class Broadcast<T> {
  readonly #subscriptions = new Set<Subscription<T>>()
  readonly #defaults: Limits<T>
  #closed = false

  /**
   * @param defaults what a subscriber does not choose itself
   * @throws KernelError `bad_option`
   */
  constructor(defaults: SubscribeOptions<T> = {}) { this.#defaults = limits(NO_LIMITS, defaults) }

  get subscribers(): number { return this.#subscriptions.size }

  /** Never waits. */
  publish(event: T): void { for (const subscription of this.#subscriptions) subscription.put(event) }

  /**
   * Everything from now on, in the order of publication, gaps where they are; until `signal`, `return()` or `close()`.
   * @throws KernelError `bad_option`
   */
  subscribe(options: SubscribeOptions<T> = {}): AsyncIterableIterator<T | Lagged> {
    const own = limits(this.#defaults, options)
    const subscription = new Subscription<T>(own, () => { this.#subscriptions.delete(subscription) })
    this.#subscriptions.add(subscription)
    if (own.signal?.aborted === true) void subscription.return()
    if (this.#closed) subscription.close()
    return subscription
  }

  /** Subscribers get what is left for them, then the end. */
  close(): void {
    this.#closed = true
    for (const subscription of this.#subscriptions) subscription.close()
  }
}

/** One event that waits for a subscriber, in the order of publication over all lanes. */
interface Item<T> {
  readonly event: T
  readonly lane: Lane<T>
  readonly weight: number
  /** Those missed between the item before and this one, by lane. */
  missed: Map<string, number> | undefined
  before: Item<T> | undefined
  after: Item<T> | undefined
}

interface Lane<T> { readonly name: string; readonly items: Ring<Item<T>>; weight: number }

class Subscription<T> implements AsyncIterableIterator<T | Lagged> {
  readonly #options: Limits<T>
  readonly #lanes = new Map<string, Lane<T>>()
  readonly #waiting = new Ring<(result: IteratorResult<T | Lagged>) => void>()
  #first: Item<T> | undefined
  #last: Item<T> | undefined
  #closed = false

  constructor(options: Limits<T>, private readonly left: () => void) {
    this.#options = options
    options.signal?.addEventListener('abort', this.#cancel, { once: true })
  }

  put(event: T): void {
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) { waiting({ done: false, value: event }); return }
    const { capacity, maxWeight } = this.#options
    const lane = this.#lane(this.#nameOf(event))
    const item: Item<T> = { event, lane, weight: this.#weightOf(event), missed: undefined, before: this.#last, after: undefined }
    if (this.#last === undefined) this.#first = item
    else this.#last.after = item
    this.#last = item
    lane.items.push(item)
    lane.weight += item.weight
    while (lane.items.length > capacity || (lane.weight > maxWeight && lane.items.length > 1)) this.#displace(lane)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.left()
    for (const waiting of this.#waiting.drain()) waiting({ done: true, value: undefined })
    if (this.#first === undefined) this.#cancel()
  }

  next(): Promise<IteratorResult<T | Lagged>> {
    const first = this.#first
    if (first !== undefined) return Promise.resolve({ done: false, value: this.#missedBefore(first) ?? this.#take(first) })
    if (this.#closed) return Promise.resolve({ done: true, value: undefined })
    return new Promise(resolve => { this.#waiting.push(resolve) })
  }

  return(): Promise<IteratorResult<T | Lagged>> {
    this.#cancel()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this { return this }

  /** At once, whatever is left. */
  readonly #cancel = (): void => {
    this.#options.signal?.removeEventListener('abort', this.#cancel)
    this.#first = this.#last = undefined
    this.#lanes.clear()
    this.close()
  }

  #missedBefore({ missed }: Item<T>): Lagged | undefined {
    for (const [lane, count] of missed ?? []) {
      missed?.delete(lane)
      return { type: 'lagged', count, lane }
    }
    return undefined
  }

  #take(first: Item<T>): T {
    this.#leave(first)
    if (this.#closed && this.#first === undefined) this.#cancel()
    return first.event
  }

  /** The oldest of a lane gives way; that it is missing is told where it stood, which is before the next one. */
  #displace(lane: Lane<T>): void {
    const oldest = lane.items.peek()!
    const { after, missed = new Map<string, number>() } = oldest
    this.#leave(oldest)
    missed.set(lane.name, (missed.get(lane.name) ?? 0) + 1)
    for (const [name, count] of after?.missed ?? []) missed.set(name, (missed.get(name) ?? 0) + count)
    if (after !== undefined) after.missed = missed
  }

  /** An item is always the oldest of its lane when it leaves. */
  #leave(item: Item<T>): void {
    const { lane, before, after } = item
    lane.items.shift()
    lane.weight = lane.items.length === 0 ? 0 : lane.weight - item.weight
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
  }

  #lane(name: string): Lane<T> {
    const lane = this.#lanes.get(name) ?? { name, items: new Ring(), weight: 0 }
    this.#lanes.set(name, lane)
    return lane
  }

  #nameOf(event: T): string {
    try { return this.#options.lane?.(event) ?? '' } catch { return '' }
  }

  /** One that cannot be told weighs as much as its lane may hold. */
  #weightOf(event: T): number {
    const { weigh, maxWeight } = this.#options
    if (weigh === undefined || maxWeight === Infinity) return 0
    let weight = NaN
    try { weight = weigh(event) } catch { /* it cannot be told */ }
    return weight >= 0 && weight < Infinity ? weight : maxWeight
  }
}
