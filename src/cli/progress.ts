import type { Writable } from 'node:stream'
import { createLogUpdate } from 'log-update'
import type { Logger } from '../actors/kernel/index.js'
import type { SyncEvent } from '../actors/sync/ingress.js'
import type { LogOutput } from './log.js'

/** Progress of a catch-up, from `syncProgress`. */
export type Progress = Pick<Extract<SyncEvent, { type: 'syncProgress' }>, 'from' | 'to' | 'at' | 'perSecond' | 'peers' | 'etaMs'>

const BAR_WIDTH = 30
/** Without a terminal: ms between two lines, at least. */
const LINE_EVERY = 10_000

/** The part that is done, 0 to 1. */
export function doneOf({ from, to, at }: Progress): number {
  const all = to - from + 1n
  if (all <= 0n) return 1
  const done = at - from
  return done >= all ? 1 : Math.max(0, Number(done * 10_000n / all) / 10_000)
}

/** A duration for people: `45 s`, `3 min 20 s`, `2 h 5 min`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

const whole = (value: number | bigint): string => value.toLocaleString('en')

/** One line of at most `width` columns: a bar, then as many figures as fit, the most important first. */
export function progressLine(progress: Progress, width: number): string {
  const { from, to, at, perSecond, peers, etaMs } = progress
  const done = doneOf(progress)
  const bars = Math.floor(done * BAR_WIDTH)
  const all = to >= from ? to - from + 1n : 0n
  const parts = [
    `${String(Math.floor(done * 100)).padStart(3)} %`,
    etaMs === undefined ? 'waiting' : `${duration(etaMs)} left`,
    `${whole(Math.round(perSecond))} blocks/s`,
    `${whole(at > from ? at - from : 0n)} of ${whole(all)}`,
    `${peers} ${peers === 1 ? 'peer' : 'peers'}`,
  ]
  let line = 'catching up'
  const bar = ` ${'█'.repeat(bars)}${'░'.repeat(BAR_WIDTH - bars)}`
  if (line.length + bar.length + 8 <= width) line += bar
  for (const part of parts) {
    if (line.length + 2 + part.length > width) break
    line += `  ${part}`
  }
  return line.slice(0, Math.max(0, width))
}

/** A terminal: the bar is its last line, below the log. */
export type Terminal = Writable & { readonly columns: number }

/** Shows a catch-up: a moving bar on a terminal, else a line now and then. */
export class CatchUpProgress {
  readonly #draw: ReturnType<typeof createLogUpdate> | undefined
  #line: string | undefined
  #running = false
  #loggedAt = -Infinity

  /** @param now monotonic ms */
  constructor(private readonly output: Writable, private readonly terminal: Terminal | undefined, private readonly now: () => number) {
    // Hiding the cursor by itself, it would install signal handlers.
    this.#draw = terminal === undefined ? undefined : createLogUpdate(terminal, { showCursor: true })
  }

  /** A catch-up is under way: no log line for each of its blocks. */
  get running(): boolean { return this.#running }

  /** For the log: its lines go above the bar. */
  get above(): LogOutput {
    const { output } = this
    const write = (line: string): boolean => this.#above(line)
    return { get destroyed() { return output.destroyed }, get writableLength() { return output.writableLength }, write }
  }

  started(from: bigint, log: Logger): void {
    this.#running = true
    this.#loggedAt = this.now()
    log.info({ from: String(from) }, 'catching up')
  }

  moved(progress: Progress, log: Logger): void {
    this.#running = true
    if (this.terminal !== undefined) {
      this.#line = progressLine(progress, this.terminal.columns)
      this.#draw?.(this.#line)
      return
    }
    if (this.now() - this.#loggedAt < LINE_EVERY) return
    this.#loggedAt = this.now()
    const { at, to, perSecond, peers, etaMs } = progress
    const left = etaMs === undefined ? undefined : duration(etaMs)
    log.info({ at: String(at), to: String(to), percent: Math.floor(doneOf(progress) * 100), perSecond: Math.round(perSecond), peers, left }, 'catching up')
  }

  done({ from, to, blocks, ms }: Extract<SyncEvent, { type: 'syncDone' }>, log: Logger): void {
    this.close()
    log.info({ from: String(from), to: String(to), blocks, ms: Math.round(ms) }, 'caught up')
  }

  failed({ code, at, reason, ms }: Extract<SyncEvent, { type: 'syncFailed' }>, log: Logger): void {
    this.close()
    log.warn({ code, at: String(at), reason, ms: Math.round(ms) }, 'not caught up')
  }

  /** Removes the bar. */
  close(): void {
    this.#running = false
    if (this.#line === undefined) return
    this.#line = undefined
    this.#draw?.clear()
    this.#draw?.done()
  }

  #above(line: string): boolean {
    if (this.#line === undefined) return this.output.write(line)
    this.#draw?.clear()
    const more = this.output.write(line)
    this.#draw?.(this.#line)
    return more
  }
}
