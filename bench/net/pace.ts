import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { nowMs } from './clock.js'

/** Calls `act` for 0 to `count` − 1, evenly spaced; what is late follows one a turn of the loop, so that the rate holds and nobody gets a burst. */
export async function evenly(count: number, perSecond: number, act: (at: number) => void): Promise<void> {
  const start = nowMs()
  for (let at = 0; at < count; at++) {
    const wait = start + at * 1_000 / perSecond - nowMs()
    await (wait > 0 ? sleep(wait) : nextTurn())
    act(at)
  }
}
