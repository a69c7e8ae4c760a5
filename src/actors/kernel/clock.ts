/** What `setTimeout` gave and `clearTimeout` takes. */
export type TimerHandle = object

/** Time as actors see it, in milliseconds. Injected everywhere: nothing else in an actor reads a clock. */
export interface Clock {
  /** Wall time since the epoch; may jump. */
  now(): number
  /** Time that only moves forward, from an origin of its own. */
  monotonic(): number
  setTimeout(fn: () => void, ms: number): TimerHandle
  clearTimeout(handle: TimerHandle): void
}

/** A number in [0, 1). */
export type Random = () => number

/** The longest delay that the platform's timer can count, 24.8 days. */
const LONGEST_DELAY = 2 ** 31 - 1

/** A longer one, in several steps. */
class LongTimer {
  #step: NodeJS.Timeout | undefined
  constructor(fn: () => void, ms: number) { this.#next(fn, ms) }
  clear(): void { clearTimeout(this.#step) }

  #next(fn: () => void, left: number): void {
    const ms = Math.min(left, LONGEST_DELAY)
    this.#step = setTimeout(() => { if (left > ms) this.#next(fn, left - ms); else fn() }, ms)
  }
}

/* eslint-disable no-restricted-properties -- here, and nowhere else in an actor, time and chance come in */
/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout: (fn, ms) => ms > LONGEST_DELAY ? new LongTimer(fn, ms) : setTimeout(fn, ms),
  clearTimeout: handle => { if (handle instanceof LongTimer) handle.clear(); else clearTimeout(handle as NodeJS.Timeout) },
}

export const systemRandom: Random = () => Math.random()
/* eslint-enable no-restricted-properties */

/** The same sequence for the same seed (mulberry32). Not for secrets. */
export function seededRandom(seed: number): Random {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export const seconds = (n: number): number => n * 1_000
export const minutes = (n: number): number => n * 60_000
export const hours = (n: number): number => n * 3_600_000

/** True if the promise is fulfilled within `ms`, false if it is still pending then. A rejection passes through; the timer is always cleared. */
export async function withinMs(timers: Pick<Clock, 'setTimeout' | 'clearTimeout'>, ms: number, promise: Promise<unknown>): Promise<boolean> {
  if (ms === Infinity) return promise.then(() => true)
  let timer!: TimerHandle
  const late = new Promise<false>(resolve => { timer = timers.setTimeout(() => { resolve(false) }, ms) })
  try { return await Promise.race([promise.then(() => true), late]) } finally { timers.clearTimeout(timer) }
}

/** An exponential backoff with a cap. Times in ms; `jitter` is the share of a delay that is random, 0 to 1. */
export interface Backoff { readonly firstMs: number; readonly maxMs: number; readonly factor: number; readonly jitter: number }

/** The delay after this many earlier failures in a row, ms. */
export function backoffMs(failures: number, { firstMs, maxMs, factor, jitter }: Backoff, random: Random): number {
  // 0 · Infinity is not a number
  const full = firstMs === 0 ? 0 : Math.min(maxMs, firstMs * factor ** failures)
  return full * (1 - jitter * random())
}
