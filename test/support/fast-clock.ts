import type { Clock } from '../../src/actors/kernel/index.js'

/** Of one turn of the event loop no more real time counts than this. */
const TURN_MS = 5
const EVERY_MS = 2

interface Timer { readonly at: number; readonly fn: () => void }

/**
 * The system's clock, running so many times faster: deadlines, windows and bans of a real node pass so much sooner. A turn of the loop that
 * took long, since the machine is slow or busy with others, counts as a short one: time then goes slower, and nobody is late for want of a
 * processor.
 */
export function fastClock(faster: number): Clock {
  const [wall, start] = [Date.now(), performance.now()]
  const timers = new Set<Timer>()
  let [elapsed, last] = [0, start]
  const now = (): number => (elapsed + Math.min(performance.now() - last, TURN_MS)) * faster
  setInterval(() => {
    elapsed = now() / faster
    last = performance.now()
    const due = [...timers].filter(({ at }) => at <= elapsed * faster).sort((a, b) => a.at - b.at)
    for (const timer of due) if (timers.delete(timer)) timer.fn()
  }, EVERY_MS).unref()
  return {
    now: () => wall + now(),
    monotonic: () => start + now(),
    setTimeout: (fn, ms) => {
      const timer = { at: now() + ms, fn }
      timers.add(timer)
      return timer
    },
    clearTimeout: handle => { timers.delete(handle as Timer) },
  }
}
