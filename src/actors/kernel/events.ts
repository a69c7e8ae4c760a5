import { Ring } from './ring.js'

/** In place of events that a slow subscriber missed. */
export interface Lagged { readonly type: 'lagged'; readonly count: number; readonly lane: string }

export interface SubscribeOptions<T> {
  /** Events kept per lane for a subscriber that is behind. 1,024. */
  readonly capacity?: number
  /** What an event weighs, in a unit of the application's (bytes, say), and how much may wait per lane. By default events weigh nothing. */
  readonly weigh?: (event: T) => number
  readonly maxWeight?: number
  /** Ends the subscription. */
  readonly signal?: AbortSignal
  /** Events of one lane never crowd out those of another. All in one by default. */
  readonly lane?: (event: T) => string
}

const CAPACITY = 1_024

/** Publishes to any number of subscribers, each with its own bound; a slow one misses the oldest and is told how many. */
export class Broadcast<T> {
  readonly #subscriptions = new Set<Subscription<T>>()
  #closed = false

  constructor (private readonly defaults: SubscribeOptions<T> = {}) {}

  get subscribers (): number { return this.#subscriptions.size }

  /** Never waits, never throws. */
  publish (event: T): void {
    for (const subscription of this.#subscriptions) subscription.put(event)
  }

  /** From now on, in the order of publication, each lane's gaps where they are. */
  subscribe (options: SubscribeOptions<T> = {}): AsyncIterableIterator<T | Lagged> {
    const subscription = new Subscription<T>({ ...this.defaults, ...options }, () => { this.#subscriptions.delete(subscription) })
    if (this.#closed) subscription.close()
    else if (options.signal?.aborted !== true) this.#subscriptions.add(subscription)
    return subscription
  }

  /** Subscribers get what is left for them, then the end. */
  close (): void {
    this.#closed = true
    for (const subscription of [...this.#subscriptions]) subscription.close()
  }
}

interface Lane<T> { readonly name: string; readonly queue: Ring<{ readonly at: number; readonly event: T }>; weight: number; missed: number }

class Subscription<T> implements AsyncIterableIterator<T | Lagged> {
  readonly #lanes = new Map<string, Lane<T>>()
  readonly #capacity: number
  readonly #maxWeight: number
  readonly #weigh: (event: T) => number
  readonly #laneOf: (event: T) => string
  readonly #waiting: ((result: IteratorResult<T | Lagged>) => void)[] = []
  readonly #signal: AbortSignal | undefined
  #published = 0
  #done = false

  constructor (options: SubscribeOptions<T>, private readonly left: () => void) {
    this.#capacity = options.capacity ?? CAPACITY
    this.#maxWeight = options.maxWeight ?? Infinity
    this.#weigh = options.weigh ?? (() => 0)
    this.#laneOf = options.lane ?? (() => '')
    this.#signal = options.signal
    if (this.#signal?.aborted === true) this.#done = true
    else this.#signal?.addEventListener('abort', this.#cancel, { once: true })
  }

  put (event: T): void {
    const waiting = this.#waiting.shift()
    if (waiting !== undefined) { waiting({ done: false, value: event }); return }
    const lane = this.#lane(event)
    lane.weight += this.#weigh(event)
    while (lane.queue.length > 0 && (lane.queue.length >= this.#capacity || lane.weight > this.#maxWeight)) {
      lane.weight -= this.#weigh(lane.queue.shift()!.event)
      lane.missed++
    }
    lane.queue.push({ at: this.#published++, event })
  }

  close (): void {
    if (this.#done) return
    this.#done = true
    this.left()
    this.#signal?.removeEventListener('abort', this.#cancel)
    for (const waiting of this.#waiting.splice(0)) waiting({ done: true, value: undefined })
  }

  next (): Promise<IteratorResult<T | Lagged>> {
    const value = this.#take()
    if (value !== undefined) return Promise.resolve({ done: false, value: value.event })
    if (this.#done) return Promise.resolve({ done: true, value: undefined })
    return new Promise(resolve => { this.#waiting.push(resolve) })
  }

  return (): Promise<IteratorResult<T | Lagged>> {
    this.#cancel()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator] (): this { return this }

  readonly #cancel = (): void => {
    this.close()
    this.#lanes.clear()
  }

  #lane (event: T): Lane<T> {
    const name = this.#laneOf(event)
    let lane = this.#lanes.get(name)
    if (lane === undefined) this.#lanes.set(name, lane = { name, queue: new Ring(), weight: 0, missed: 0 })
    return lane
  }

  /** The oldest event over all lanes, or the gap before it. */
  #take (): { readonly event: T | Lagged } | undefined {
    let first: Lane<T> | undefined
    let firstAt = Infinity
    for (const lane of this.#lanes.values()) {
      const head = lane.queue.at(lane.queue.head)
      if (head !== undefined && head.at < firstAt) { first = lane; firstAt = head.at }
    }
    if (first === undefined) return undefined
    if (first.missed > 0) {
      const event: Lagged = { type: 'lagged', count: first.missed, lane: first.name }
      first.missed = 0
      return { event }
    }
    const next = first.queue.shift()
    if (next !== undefined) first.weight -= this.#weigh(next.event)
    return next
  }
}
