import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BenchOptions, BenchResult } from './harness.js'
import { figure, logVersions, loopDelay, quantile, rate, sample, table, timed } from './harness.js'
import type { Engine } from './store/engine.js'
import type { Subject } from './store/subjects.js'
import { inThread, onMainThread, ourStore } from './store/subjects.js'
import { HASH_BYTES, commitments, txLists } from './store/work.js'

export const about = 'the store in its thread beside bare classic-level and lmdb: inserts, scans, txlists, delay, size on disk'

const GROUP = 256
const TXLIST = 20_000
const LARGE = 2 * 1024 * 1024
const DAY = 43_200
/** The store does more than a bare put: checks, counters, an overlay that makes batches whole. The disk stays the larger part. */
const GOAL = 0.4
const SUBJECTS: readonly Subject[] = [ourStore, inThread('classic-level'), inThread('lmdb')]
const DELAYED: readonly Subject[] = [...SUBJECTS, onMainThread('classic-level'), onMainThread('lmdb')]

interface Measured {
  readonly insertsPerSecond: number
  readonly loneCommitMs: readonly number[]
  readonly scansPerSecond: number
  readonly listWriteMBps: number
  readonly largeWriteMBps: number
  readonly listReadMBps: number
}

const COLUMNS: readonly (readonly [title: string, of: (measured: Measured) => number])[] = [
  ['inserts/s', ({ insertsPerSecond }) => insertsPerSecond],
  ['scan rec/s', ({ scansPerSecond }) => scansPerSecond],
  ['20 KB write MB/s', ({ listWriteMBps }) => listWriteMBps],
  ['2 MiB write MB/s', ({ largeWriteMBps }) => largeWriteMBps],
  ['20 KB read MB/s', ({ listReadMBps }) => listReadMBps],
]

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-store-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** One round: everything on a new database, the data made before the clock starts. */
async function round(subject: Subject, scale: number): Promise<Measured> {
  const count = (full: number) => Math.max(4, Math.round(full * scale))
  const groups = Array.from({ length: count(120) }, (_, at) => commitments(1_000 + at * GROUP, GROUP))
  const lone = Array.from({ length: count(40) }, (_, at) => commitments(at, 1))
  const lists = Array.from({ length: count(40) }, () => txLists(16, TXLIST))
  const large = Array.from({ length: count(12) }, () => txLists(1, LARGE))
  return inFolder(async folder => {
    const engine = await subject.open(folder)
    try {
      const loneCommitMs: number[] = []
      for (const [at, packed] of lone.entries()) loneCommitMs.push((await timed(() => engine.commit(at, packed))).ms)
      const insertsPerSecond = await rate(groups.length * GROUP, async () => {
        for (const [at, packed] of groups.entries()) await engine.commit(1_000 + at * GROUP, packed)
      })
      const scans = count(120)
      const scansPerSecond = await rate(scans * GROUP, async () => {
        for (let at = 0; at < scans; at++) await engine.scan(1_000 + (at * 151) % ((groups.length - 1) * GROUP), GROUP)
      })
      const listWriteMBps = await rate(lists.length * 16 * TXLIST / 1e6, () => writeAll(engine, lists, TXLIST))
      const largeWriteMBps = await rate(large.length * LARGE / 1e6, () => writeAll(engine, large, LARGE))
      const listReadMBps = await rate(lists.length * 16 * TXLIST / 1e6, async () => {
        for (const packed of lists) {
          for (let at = 0; at < packed.length; at += HASH_BYTES + TXLIST) {
            await engine.txList(packed.subarray(at, at + HASH_BYTES))
          }
        }
      })
      return { insertsPerSecond, loneCommitMs, scansPerSecond, listWriteMBps, largeWriteMBps, listReadMBps }
    } finally {
      await engine.close()
    }
  })
}

async function writeAll(engine: Engine, packed: readonly Uint8Array[], bytes: number): Promise<void> {
  for (const one of packed) await engine.putTxLists(one, bytes)
}

/** How late the main thread is while groups and large txlists go to disk as fast as they can. */
async function delayOf(subject: Subject, scale: number): Promise<{ readonly p99Ms: number; readonly maxMs: number }> {
  const groups = Array.from({ length: Math.max(8, Math.round(100 * scale)) }, (_, at) => commitments(at * GROUP, GROUP))
  const large = txLists(1, LARGE)
  return inFolder(async folder => {
    const engine = await subject.open(folder)
    try {
      return await loopDelay(async () => {
        for (const [at, packed] of groups.entries()) {
          await engine.commit(at * GROUP, packed)
          if (at % 10 === 0) {
            large[0] = at
            await engine.putTxLists(large, LARGE)
          }
        }
      })
    } finally {
      await engine.close()
    }
  })
}

/** Bytes on disk after a share of a day of blocks with txlists, scaled up to the day. */
async function dayOf(subject: Subject, share: number): Promise<{ readonly bytes: number; readonly blocksPerSecond: number }> {
  const blocks = Math.max(GROUP, Math.round(DAY * share))
  return inFolder(async folder => {
    const engine = await subject.open(folder)
    let ms = 0
    for (let first = 0; first < blocks; first += 64) {
      const [packed, lists] = [commitments(first, 64), txLists(64, TXLIST)]
      ms += (await timed(async () => {
        await engine.commit(first, packed)
        await engine.putTxLists(lists, TXLIST)
      })).ms
    }
    await engine.close()
    const written = Math.ceil(blocks / 64) * 64
    return { bytes: await sizeOf(folder) * DAY / written, blocksPerSecond: written / (ms / 1_000) }
  })
}

/** Space that the files take: lmdb's have holes. */
async function sizeOf(folder: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    bytes += entry.isDirectory() ? await sizeOf(path) : (await stat(path)).blocks * 512
  }
  return bytes
}

/** `--set day=0.1` is the share of a day that is written to see its size; 1 takes a few minutes. */
export async function run(options: BenchOptions): Promise<BenchResult> {
  logVersions(options, ['classic-level', 'lmdb', 'comlink'])
  const rounds = options.rounds ?? 5
  const seen = new Map<Subject, Measured[]>(SUBJECTS.map(subject => [subject, []]))
  for (let at = -1; at < rounds; at++) {
    // Who goes first changes, and the first round is thrown away.
    for (let step = 0; step < SUBJECTS.length; step++) {
      const subject = SUBJECTS[(at + 1 + step) % SUBJECTS.length] ?? ourStore
      const measured = await round(subject, options.scale)
      if (at >= 0) seen.get(subject)?.push(measured)
    }
  }
  const medianOf = (subject: Subject, of: (measured: Measured) => number) => sample((seen.get(subject) ?? []).map(of))
  const lone = (subject: Subject, p: number) => quantile((seen.get(subject) ?? []).flatMap(({ loneCommitMs }) => loneCommitMs), p)
  const rows = SUBJECTS.map(subject => [
    subject.name,
    ...COLUMNS.map(([, of]) => figure(medianOf(subject, of).median)),
    figure(lone(subject, 0.5)), figure(lone(subject, 0.99)),
  ])
  options.log(table(['', ...COLUMNS.map(([title]) => title), 'lone commit p50 ms', 'p99 ms'], rows))

  const delays = new Map<Subject, { readonly p99Ms: number; readonly maxMs: number }>()
  for (const subject of DELAYED) delays.set(subject, await delayOf(subject, options.scale))
  const late = [...delays].map(([{ name }, { p99Ms, maxMs }]) => [name, figure(p99Ms), figure(maxMs)])
  options.log(table(['delay of the main thread', 'p99 ms', 'max ms'], late))

  const share = Number(options.set['day'] ?? 0.1) * options.scale
  const days = new Map<Subject, { readonly bytes: number; readonly blocksPerSecond: number }>()
  for (const subject of SUBJECTS) days.set(subject, await dayOf(subject, share))
  const sizes = [...days].map(([{ name }, { bytes, blocksPerSecond }]) => [name, figure(bytes / 1e6), figure(blocksPerSecond)])
  options.log(table([`a day (${figure(share)} of it written)`, 'MB', 'blocks/s'], sizes))

  const [, level = ourStore, lmdb = ourStore] = SUBJECTS
  const perRound = (a: Subject, b: Subject) => sample((seen.get(a) ?? []).map(({ insertsPerSecond }, at) =>
    insertsPerSecond / (seen.get(b)?.[at]?.insertsPerSecond ?? NaN))).median
  const ratio = perRound(ourStore, level)
  const choice = (of: (measured: Measured) => number) => medianOf(level, of).median / medianOf(lmdb, of).median
  return {
    bench: 'store',
    figures: {
      perSecond: medianOf(ourStore, ({ insertsPerSecond }) => insertsPerSecond).median,
      spread: medianOf(ourStore, ({ insertsPerSecond }) => insertsPerSecond).spread,
      p50Ms: lone(ourStore, 0.5),
      p99Ms: lone(ourStore, 0.99),
      scanPerSecond: medianOf(ourStore, ({ scansPerSecond }) => scansPerSecond).median,
      txListWriteMBps: medianOf(ourStore, ({ listWriteMBps }) => listWriteMBps).median,
      txListReadMBps: medianOf(ourStore, ({ listReadMBps }) => listReadMBps).median,
      loopDelayP99Ms: delays.get(ourStore)?.p99Ms ?? NaN,
      dayMB: (days.get(ourStore)?.bytes ?? NaN) / 1e6,
      choiceInserts: choice(({ insertsPerSecond }) => insertsPerSecond),
      choiceScans: choice(({ scansPerSecond }) => scansPerSecond),
      choiceTxListWrites: choice(({ listWriteMBps }) => listWriteMBps),
      choiceTxListReads: choice(({ listReadMBps }) => listReadMBps),
    },
    ratio,
    goal: GOAL,
    pass: ratio >= GOAL,
  }
}
