import type { Clock } from '../../src/actors/kernel/index.js'

/** Of one turn of the event loop no more real time counts than this. */
const TURN_MS = 5
const EVERY_MS = 2

interface Timer { readonly at: number; readonly fn: () => void }

/**
 * The system's clock, and from `hurry` on so many times faster: deadlines, windows and bans of a real node pass so much sooner. A turn of the
 * loop that took long, since the machine is slow or busy with others, counts as a short one: time then goes slower, and nobody is late for
 * want of a processor. Until then it is the system's, for a start that waits for threads.
 */
export function fastClock(faster: number): Clock & { hurry(): void } {
  const [wall, start] = [Date.now(), performance.now()]
  const timers = new Set<Timer>()
  let [passed, last, speed, ofTurn] = [0, start, 1, Infinity]
  const now = (): number => passed + Math.min(performance.now() - last, ofTurn) * speed
  const turn = (): void => {
    passed = now()
    last = performance.now()
    const due = [...timers].filter(({ at }) => at <= passed).sort((a, b) => a.at - b.at)
    for (const timer of due) if (timers.delete(timer)) timer.fn()
  }
  setInterval(turn, EVERY_MS).unref()
  return {
    now: () => wall + now(),
    monotonic: () => start + now(),
    setTimeout: (fn, ms) => {
      const timer = { at: now() + ms, fn }
      timers.add(timer)
      return timer
    },
    clearTimeout: handle => { timers.delete(handle as Timer) },
    hurry: () => { turn(); [speed, ofTurn] = [faster, TURN_MS] },
  }
}
