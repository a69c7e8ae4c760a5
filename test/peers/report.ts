import { LATE_MS, quantile } from './ledger.js'
import type { Delivery } from './ledger.js'
import type { Check, NetworkResult } from './network-run.js'
import type { Comparison } from './scenario.js'

interface Report { readonly lines: readonly string[]; readonly ok: boolean }

const ms = (value: number | undefined): string => value === undefined ? '–' : value.toFixed(value < 10 ? 1 : 0)
const MAKES = ['ours', 'rust'] as const
const LARGE = 1_048_576

/** Rows as columns of one width; the first row is the head. */
function table(rows: ReadonlyArray<readonly string[]>): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  return rows.map(row => row.map((cell, column) => column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)).join('  ').trimEnd())
}

export function networkLines({ net, seconds, asked, checks, lowestOfOurs, lowestOfRust }: NetworkResult): Report {
  const { ledger } = net
  const kinds: ReadonlyArray<readonly [string, (delivery: Delivery) => boolean]> = [
    ['commitments', ({ topic, crowded }) => topic === 'commitments' && !crowded],
    ['commitments in bursts', ({ topic, crowded }) => topic === 'commitments' && crowded],
    ['txlists to 100 KiB', ({ topic, crowded }) => topic === 'txLists' && !crowded],
    ['txlists of 2 MiB', ({ bytes }) => bytes >= LARGE],
  ]
  const latencies = MAKES.flatMap(from => MAKES.flatMap(to => kinds.map(([name, which]) => {
    const samples = ledger.deliveries(delivery => delivery.from === from && delivery.to.make === to && which(delivery)).map(delivery => delivery.ms)
    const late = samples.filter(each => each > LATE_MS).length
    return [`${from} → ${to}, ${name}`, String(samples.length), ms(quantile(samples, 0.5)), ms(quantile(samples, 0.99)), ms(quantile(samples, 1)), String(late)]
  })))
  const nodes = net.all.map(peer => [
    peer.name, peer.make, String(ledger.publishedBy(peer.name)), String(ledger.deliveries(({ to }) => to === peer).length), String(ledger.missing(peer.name).length),
  ])
  const lines = [
    '',
    `Mixed network: ${net.blocks.length} blocks, ${ledger.messages} messages, ${(ledger.bytes / LARGE).toFixed(0)} MiB, in ${seconds.toFixed(0)} s`,
    '',
    ...table([['node', 'make', 'published', 'received', 'missing'], ...nodes]),
    '',
    ...table([['published → received', 'messages', 'p50 ms', 'p99 ms', 'max ms', `over ${LATE_MS / 1_000} s`], ...latencies]),
    '',
    `Rust peers asked ours ${asked.requests} times: ${asked.commitments} commitments, ${(asked.txListBytes / LARGE).toFixed(1)} MiB of txlists`,
    `lowest gossip score: of ours with Rust peers ${lowestOfOurs.toFixed(1)} (ever), of Rust peers with ours ${lowestOfRust.toFixed(1)} (at the end)`,
    '',
  ]
  const judged = checkLines(checks)
  return { lines: [...lines, ...judged.lines], ok: judged.ok }
}

export function checkLines(checks: readonly Check[]): Report {
  const lines = checks.map(({ what, ok, found }) => `${ok ? 'ok    ' : 'FAILED'}  ${what}: ${found}`)
  return { lines, ok: checks.every(({ ok }) => ok) }
}

export function comparisonLines(comparisons: readonly Comparison[]): Report {
  const lines = comparisons.flatMap(({ row, what, withIt, withoutIt, matters }) => [
    `${matters ? 'ok    ' : 'FAILED'}  ${row}: ${what}`, `          with it:     ${withIt}`, `          without it:  ${withoutIt}`,
  ])
  return { lines: ['', 'Work-arounds and protections', ...lines], ok: comparisons.every(({ matters }) => matters) }
}
