import type { Clock, Logger } from '../actors/kernel/index.js'
import type { Outlook } from '../actors/service/index.js'

/** A stop waits for no longer, s: below the time-out of the service manager (docs/operating.md). */
export const MOST_SECONDS = 60

/**
 * Aborted as `stopped` is, but, where our own submission window ends within 60 s, only after it: who stops in it leaves the chain without a signer. A second
 * signal ends the process meanwhile.
 */
export function afterOurWindow(stopped: AbortSignal, outlook: Pick<Outlook, 'ourWindowWithin'>, log: Logger, clock: Clock): AbortSignal {
  const controller = new AbortController()
  const stop = async (): Promise<void> => {
    // a schedule that cannot be read holds up no stop
    const end = await outlook.ourWindowWithin(MOST_SECONDS).catch(() => undefined)
    if (end !== undefined) {
      const ms = Math.min(MOST_SECONDS * 1_000, Math.max(0, Number(end + 1n) * 1_000 - clock.now()))
      log.warn({ submissionWindowEnd: String(end), waitsMs: Math.round(ms) }, 'our submission window is near: stopping after it; a second signal ends the node at once')
      await new Promise<void>(resolve => { clock.setTimeout(resolve, ms) })
    }
    controller.abort(stopped.reason)
  }
  if (stopped.aborted) void stop()
  else stopped.addEventListener('abort', () => { void stop() }, { once: true })
  return controller.signal
}
