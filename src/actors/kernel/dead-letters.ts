import type { Clock } from './clock.js'
import type { DropReason } from './figures.js'
import type { Logger } from './log.js'

/** One line per reason in this time, with the number of those that it stands for. */
const LOG_EVERY_MS = 10_000

/** Counts what is dropped in a tree, by reason; the root says so, at a limited rate. */
export class DeadLetters {
  readonly counts: Partial<Record<DropReason, number>> = {}
  readonly #lines = new Map<DropReason, { until: number; silent: number }>()

  constructor(private readonly clock: Clock, private readonly log: Logger, private readonly above?: DeadLetters) {}

  add(reason: DropReason, path: string, type: string): void {
    this.counts[reason] = (this.counts[reason] ?? 0) + 1
    if (this.above !== undefined) { this.above.add(reason, path, type); return }
    const now = this.clock.monotonic()
    const line = this.#lines.get(reason)
    if (line !== undefined && now < line.until) { line.silent++; return }
    this.#lines.set(reason, { until: now + LOG_EVERY_MS, silent: 0 })
    this.log.warn({ reason, path, type, since: line?.silent ?? 0 }, 'dead letter')
  }
}
