import { openSync, readSync } from 'node:fs'
import { quantile } from './harness.js'
import { nowMs } from './net/clock.js'

/** How often the own delay is looked at, ms. */
const LOOK_EVERY = 2

/** Kept open, since it is read a thousand times a second by what is measured itself. */
const schedstat = open(`/proc/self/task/${process.pid}/schedstat`)
const text = Buffer.alloc(128)

/** How late the event loop is less the time in which the machine gave it no core: what the process itself is to blame for. */
export class OwnDelay {
  #lates: number[] = []
  #dueMs = 0
  #waitedMs = 0
  #timer: NodeJS.Timeout | undefined

  constructor() { this.#next() }

  stop(): void { clearTimeout(this.#timer) }

  takeP99(): number {
    const lates = this.#lates
    this.#lates = []
    return quantile(lates, 0.99)
  }

  #next(): void {
    this.#dueMs = nowMs() + LOOK_EVERY
    this.#waitedMs = mainThreadMs()?.[1] ?? 0
    this.#timer = setTimeout(() => {
      this.#lates.push(Math.max(0, nowMs() - this.#dueMs - ((mainThreadMs()?.[1] ?? 0) - this.#waitedMs)))
      this.#next()
    }, LOOK_EVERY).unref()
  }
}

/** Of the main thread, whose id is that of the process: CPU time, and time in which it could have run and had no core; ms, on Linux. */
export function mainThreadMs(): readonly number[] | undefined {
  if (schedstat === undefined) return undefined
  const size = readSync(schedstat, text, 0, text.length, 0)
  return text.toString('latin1', 0, size).split(' ').map(ns => Number(ns) / 1e6)
}

function open(path: string): number | undefined {
  try { return openSync(path, 'r') } catch { return undefined }
}
