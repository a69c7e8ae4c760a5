import type { Writable } from 'node:stream'
import { seconds, supervisor } from '../actors/kernel/index.js'
import { schedule, scheduleFromL1 } from '../actors/schedule/index.js'
import type { L1Options } from '../actors/schedule/index.js'
import { Schedule } from '../actors/schedule/ingress.js'
import type { WindowRow } from '../actors/schedule/ingress.js'
import { EPOCH } from '../actors/schedule/time.js'

/** Nothing is kept. */
const NOWHERE = { meta: async () => undefined, setMeta: async () => undefined }
/** Sooner than while a node runs: somebody waits. */
const RETRY_LAST = seconds(1)

/** Reads an epoch's windows from L1 and tells them. @returns whether L1 could be read; @throws ScheduleError `bad_config` */
export async function tellSchedule(options: L1Options, { epoch, json, within }: { readonly epoch?: number; readonly json?: boolean; readonly within: number }, output: Writable, signal: AbortSignal): Promise<boolean> {
  const { view, open } = scheduleFromL1({ retryLast: RETRY_LAST, ...options })
  const tree = supervisor('schedule')
  const handle = new Schedule(tree.child('l1', () => schedule({ store: NOWHERE, events: { send: () => 'ok' }, view, open }, view.config)))
  const stopped = (): void => { void tree.stop() }
  signal.addEventListener('abort', stopped, { once: true })
  try {
    await tree.start()
    // the epoch's number is one of the chain's, which is told with the first answer
    let rows = await handle.windows(undefined, seconds(within))
    const followed = view.last!
    const { clock, head } = followed.record
    const start = epoch === undefined ? clock.epochOf(head.time) : clock.genesis + epoch * EPOCH
    if (epoch !== undefined) rows = await handle.windows(start, seconds(within))
    const { chainId, contracts } = followed
    const about = { chainId: String(chainId), ...contracts, head: head.number, headTime: head.time, epoch: (start - clock.genesis) / EPOCH, epochStart: start }
    output.write(json === true ? `${JSON.stringify({ ...about, windows: rows })}\n` : tableOf(about, rows))
    return true
  } catch (error) {
    signal.throwIfAborted()
    const { failing } = await handle.figures(seconds(1)).catch(() => ({ failing: undefined }))
    process.stderr.write(`preconfirmation-p2p: L1 could not be read: ${failing === undefined ? String((error as Error).message) : `${failing.message} (${failing.code})`}\n`)
    return false
  } finally {
    signal.removeEventListener('abort', stopped)
    await tree.stop()
  }
}

function tableOf(about: { readonly variant: string; readonly checker: string; readonly head: number; readonly headTime: number; readonly epoch: number; readonly epochStart: number }, rows: readonly WindowRow[]): string {
  const lines = rows.map(({ from, to, as, signers, why }) => [`${from}`, `${to}`, as, signers.join(' or ') || '-', why])
  const header = ['from', 'to', 'as', 'signers', 'why']
  const widths = header.map((title, column) => Math.max(title.length, ...lines.map(line => line[column]!.length)))
  const text = [header, ...lines].map(line => line.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd()).join('\n')
  return `epoch ${about.epoch}, from ${about.epochStart}; ${about.variant} at ${about.checker}; L1 at block ${about.head}, time ${about.headTime}\n${text}\n`
}
