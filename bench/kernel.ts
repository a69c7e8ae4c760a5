import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fastq from 'fastq'
import { actor, dropOldest, keep, mailbox, reject, supervisor } from '../src/actors/kernel/index.js'
import type { Ask, MailboxSpec, Ref } from '../src/actors/kernel/index.js'
import type { BenchOptions, BenchResult } from './harness.js'
import { threads } from './kernel/threads.js'
import { alternate, describeSample, figure, logVersions, rate, sample } from './harness.js'

export const about = 'messages through a mailbox and a chain of three, asks, memory a queued message; against fastq and direct calls; the same across a thread, beside postMessage and Comlink'

/** Ours may cost five times a bare queue, and a microsecond. */
const GOAL_RATIO = 1 / 5
const GOAL_NS = 1_000
/** Messages under way at once, as a sender has that listens to its feedback. */
const WINDOW = 1_024
const CAPACITY = 1 << 19

type Work =
  | { readonly type: 'add'; readonly n: number }
  | { readonly type: 'done'; readonly then: () => void }
  | Ask<'echo', { readonly n: number }, number>

const rejecting = mailbox<Work>({
  capacity: CAPACITY,
  whenFull: { add: reject('a bench counts'), done: keep('one at a time'), echo: reject('a bench counts') },
})
/** The policy that costs most while there is room. */
const displacing = mailbox<Work>({ ...rejecting, whenFull: { ...rejecting.whenFull, add: dropOldest('a bench counts') } })

/** Adds up what it gets, or hands it on. */
const worker = (spec: MailboxSpec<Work>, next?: Ref<Work>) => actor<Work, { sum: number }>({
  name: 'worker',
  mailbox: spec,
  init: () => ({ sum: 0 }),
  receive: {
    add(state, message) { if (next === undefined) state.sum += message.n; else void next.send(message) },
    done(_, message) { if (next === undefined) message.then(); else void next.send(message) },
    echo: (_, { n }) => n,
  },
})

async function inWindows(count: number, send: (n: number) => void, flush: () => Promise<void>): Promise<void> {
  for (let sent = 0; sent < count; sent += WINDOW) {
    for (let n = 0; n < WINDOW; n++) send(n)
    await flush()
  }
}

const flushed = (ref: Ref<Work>): Promise<void> => new Promise(then => { void ref.send({ type: 'done', then }) })

/** Messages a second, each sent and handled. */
function throughRef(ref: Ref<Work>, count: number): Promise<number> {
  return rate(count, () => inWindows(count, n => { void ref.send({ type: 'add', n }) }, () => flushed(ref)))
}

/** The same through fastq. Not queued it calls the worker from within `push`, which an actor must not; so that is its best case. */
async function throughFastq(count: number, queued: boolean): Promise<number> {
  let sum = 0
  const queue = fastq<unknown, Work>((message, done) => {
    if (message.type === 'add') sum += message.n
    else if (message.type === 'done') message.then()
    done(null)
  }, 1)
  if (queued) queue.pause()
  const flush = (): Promise<void> => new Promise(then => {
    queue.push({ type: 'done', then })
    if (!queued) return
    queue.resume()
    queue.pause()
  })
  const perSecond = await rate(count, () => inWindows(count, n => { queue.push({ type: 'add', n }) }, flush))
  return sum > 0 ? perSecond : NaN
}

async function directCalls(count: number): Promise<number> {
  let sum = 0
  const handlers: Record<string, (message: Work) => void> = { add(message) { if (message.type === 'add') sum += message.n } }
  const perSecond = await rate(count, () => inWindows(count, n => { handlers['add']?.({ type: 'add', n }) }, () => Promise.resolve()))
  return sum > 0 ? perSecond : NaN
}

/** One asker, each ask after the reply to the one before. */
function asks(ref: Ref<Work>, count: number): Promise<number> {
  return rate(count, async () => { for (let n = 0; n < count; n++) await ref.ask('echo', { n }, 1_000) })
}

/** Bytes that the mailbox takes for each of `count` queued messages, the message itself not counted. */
async function bytesPerQueued(ref: Ref<Work>, count: number): Promise<number> {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  const message: Work = { type: 'add', n: 1 }
  gc()
  const before = process.memoryUsage().heapUsed
  for (let n = 0; n < count; n++) void ref.send(message)
  gc()
  const bytes = (process.memoryUsage().heapUsed - before) / count
  await flushed(ref)
  return bytes
}

export async function run(options: BenchOptions): Promise<BenchResult> {
  logVersions(options, ['fastq'])
  const count = Math.ceil(1_000_000 * options.scale)
  const rounds = options.rounds ?? 9
  const tree = supervisor('bench')
  const last = tree.child('last', () => worker(rejecting))
  const middle = tree.child('middle', () => worker(rejecting, last))
  const first = tree.child('first', () => worker(rejecting, middle))
  const busy = tree.child('busy', () => worker(displacing))
  const deep = tree.child('deep', () => worker(rejecting))
  await tree.start()

  const bytes = await bytesPerQueued(deep, Math.min(count, CAPACITY))
  const one = await alternate({ rounds, subject: () => throughRef(last, count), baseline: () => throughFastq(count, false) })
  const rest: Record<'queued' | 'direct' | 'displacing' | 'chain' | 'asks', number[]> = {
    queued: [], direct: [], displacing: [], chain: [], asks: [],
  }
  for (let round = 0; round < rounds; round++) {
    rest.queued.push(await throughFastq(count, true))
    rest.direct.push(await directCalls(count))
    rest.displacing.push(await throughRef(busy, count))
    rest.chain.push(await throughRef(first, count / 4))
    rest.asks.push(await asks(last, count / 20))
  }
  await tree.stop()

  const ns = (perSecond: readonly number[]) => sample(perSecond.map(each => 1e9 / each))
  const line = (what: string, perSecond: readonly number[]): void => {
    options.log(`${what.padEnd(44)} ${describeSample(ns(perSecond))} ns`)
  }
  line('a message through a mailbox', one.subject.values)
  line('… whose policy is dropOldest', rest.displacing)
  line('… through a chain of three', rest.chain)
  line('an ask and its reply', rest.asks)
  line('fastq, worker called from push', one.baseline.values)
  line('fastq, queued', rest.queued)
  line('a direct call', rest.direct)
  options.log(`${'a queued message, beside itself'.padEnd(44)} ${figure(bytes)} bytes`)
  const nsMailbox = ns(one.subject.values).median
  const across = await threads(options)
  const ratio = one.ratio.median
  return {
    bench: 'kernel',
    figures: {
      perSecond: one.subject.median, nsMailbox, nsDropOldest: ns(rest.displacing).median, nsChainOfThree: ns(rest.chain).median,
      asksPerSecond: sample(rest.asks).median, nsAsk: ns(rest.asks).median, nsFastq: ns(one.baseline.values).median,
      nsFastqQueued: ns(rest.queued).median, nsDirect: ns(rest.direct).median, bytesPerQueued: bytes, ...across.figures,
    },
    ratio, goal: GOAL_RATIO, pass: ratio >= GOAL_RATIO && nsMailbox < GOAL_NS && across.pass,
  }
}
