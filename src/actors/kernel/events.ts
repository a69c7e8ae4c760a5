import { Ring } from './ring.js'

/** In place of the events that a slow subscriber has missed. */
export interface Lagged { readonly type: 'lagged'; readonly count: number; readonly lane: string }

export interface SubscribeOptions<T> {
  /** Events kept in each lane while the subscriber is behind. 1,024. */
  readonly capacity?: number
  /** What an event weighs, such as its bytes, and how much is kept in each lane. Left out: no such bound. */
  readonly weigh?: (event: T) => number
  readonly maxWeight?: number
  /** Ends the subscription. */
  readonly signal?: AbortSignal
  /** Events of one lane never crowd out those of another. A pure function to few names; left out: one lane. */
  readonly lane?: (event: T) => string
}

/** Publishes to any number of subscribers, each with its own bound; a slow one misses the oldest and is told how many. */
export class Broadcast<T> {
  readonly #subscriptions = new Set<Subscription<T>>()
  #closed = false

  /** @param defaults what a subscriber does not choose itself */
  constructor(private readonly defaults: SubscribeOptions<T> = {}) {}

  get subscribers(): number { return this.#subscriptions.size }

  /** Never waits. */
  publish(event: T): void { for (const subscription of this.#subscriptions) subscription.put(event) }

  /** Everything from now on, in the order of publication, gaps where they are; until `signal`, `return()` or `close()`. */
  subscribe(options: SubscribeOptions<T> = {}): AsyncIterableIterator<T | Lagged> {
    const subscription = new Subscription<T>({ ...this.defaults, ...options }, () => { this.#subscriptions.delete(subscription) })
    if (this.#closed || options.signal?.aborted === true) subscription.close()
    else this.#subscriptions.add(subscription)
    return subscription
  }

  /** Subscribers get what is left for them, then the end. */
  close(): void {
    this.#closed = true
    for (const subscription of this.#subscriptions) subscription.close()
  }
}

interface Item<T> { readonly at: number; readonly event: T; readonly weight: number }
interface Lane<T> { readonly name: string; readonly queue: Ring<Item<T>>; weight: number; missed: number }

class Subscription<T> implements AsyncIterableIterator<T | Lagged> {
  readonly #lanes = new Map<string, Lane<T>>()
  readonly #waiting = new Ring<(result: IteratorResult<T | Lagged>) => void>()
  #published = 0
  #done = false

  constructor(private readonly options: SubscribeOptions<T>, private readonly left: () => void) {
    options.signal?.addEventListener('abort', this.#cancel, { once: true })
  }

  put(event: T): void {
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) { waiting({ done: false, value: event }); return }
    const { lane: laneOf, weigh, capacity = 1_024, maxWeight = Infinity } = this.options
    const lane = this.#lane(laneOf?.(event) ?? '')
    const weight = weigh?.(event) ?? 0
    lane.queue.push({ at: this.#published++, event, weight })
    lane.weight += weight
    for (; lane.queue.length > capacity || (lane.weight > maxWeight && lane.queue.length > 1); lane.missed++) this.#shift(lane)
  }

  close(): void {
    if (this.#done) return
    this.#done = true
    this.left()
    this.options.signal?.removeEventListener('abort', this.#cancel)
    for (const waiting of this.#waiting.drain()) waiting({ done: true, value: undefined })
  }

  next(): Promise<IteratorResult<T | Lagged>> {
    const lane = this.#oldest()
    if (lane === undefined && this.#done) return Promise.resolve({ done: true, value: undefined })
    if (lane === undefined) return new Promise(resolve => { this.#waiting.push(resolve) })
    const { missed, name } = lane
    lane.missed = 0
    return Promise.resolve({ done: false, value: missed > 0 ? { type: 'lagged', count: missed, lane: name } : this.#shift(lane) })
  }

  return(): Promise<IteratorResult<T | Lagged>> {
    this.#cancel()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this { return this }

  readonly #cancel = (): void => {
    this.close()
    this.#lanes.clear()
  }

  #lane(name: string): Lane<T> {
    const lane = this.#lanes.get(name) ?? { name, queue: new Ring(), weight: 0, missed: 0 }
    this.#lanes.set(name, lane)
    return lane
  }

  #shift(lane: Lane<T>): T {
    const { event, weight } = lane.queue.shift()!
    lane.weight -= weight
    return event
  }

  #oldest(): Lane<T> | undefined {
    let oldest: Lane<T> | undefined
    let oldestAt = Infinity
    for (const lane of this.#lanes.values()) {
      const at = lane.queue.peek()?.at ?? Infinity
      if (at < oldestAt) { oldest = lane; oldestAt = at }
    }
    return oldest
  }
}
