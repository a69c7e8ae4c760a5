import fastq from 'fastq'
import type { BenchOptions, BenchResult } from './harness.js'
import { actor, mailbox, keep, reject, supervisor } from '../src/actors/kernel/index.js'
import type { Ask, Ref } from '../src/actors/kernel/index.js'
import { alternate, describeSample, figure, logVersions, sample, timed } from './harness.js'

export const about = 'send and handle through a mailbox, a chain of three actors, asks, memory a queued message; against fastq and direct calls'

type Work = { readonly type: 'add'; readonly n: number } | { readonly type: 'done'; readonly then: () => void } | Ask<'echo', { readonly n: number }, number>

const CAPACITY = 1 << 20
/** Messages under way at once, as a sender that listens to its feedback would have. */
const WINDOW = 1_024

const workMailbox = mailbox<Work>({
  capacity: CAPACITY,
  whenFull: { add: reject('a bench counts'), done: keep('one at a time'), echo: reject('a bench counts') },
})

/** Adds up what it gets, or hands it on. */
const worker = (next?: Ref<Work>) => actor<Work, { sum: number }>({
  name: 'worker',
  mailbox: workMailbox,
  init: () => ({ sum: 0 }),
  receive: {
    add(state, message) { if (next === undefined) state.sum += message.n; else void next.send(message) },
    done(_, message) { if (next === undefined) message.then(); else void next.send(message) },
    echo: (_, { n }) => n,
  },
})

async function nsPerMessage(count: number, send: (n: number) => void, flush: () => Promise<void>): Promise<number> {
  const { ms } = await timed(async () => {
    for (let sent = 0; sent < count; sent += WINDOW) {
      for (let n = 0; n < WINDOW; n++) send(n)
      await flush()
    }
  })
  return ms * 1e6 / count
}

const flushed = (ref: Ref<Work>) => (): Promise<void> => new Promise(then => { void ref.send({ type: 'done', then }) })

/** The same work through fastq: `queued` as ours is, else at once from `push`, which fastq does when nothing is under way. */
async function bareQueue(count: number, queued: boolean): Promise<number> {
  let sum = 0
  const queue = fastq<unknown, Work>((message, done) => {
    if (message.type === 'add') sum += message.n
    else if (message.type === 'done') message.then()
    done(null)
  }, 1)
  const ns = await nsPerMessage(count, n => { queue.push({ type: 'add', n }) }, () => new Promise(then => {
    queue.push({ type: 'done', then })
    if (queued) { queue.resume(); queue.pause() }
  }))
  return sum > 0 ? ns : NaN
}

async function directCalls(count: number): Promise<number> {
  let sum = 0
  const handlers: Record<string, (message: Work) => void> = { add (message) { if (message.type === 'add') sum += message.n } }
  const ns = await nsPerMessage(count, n => { handlers['add']?.({ type: 'add', n }) }, () => Promise.resolve())
  return sum > 0 ? ns : NaN
}

async function bytesPerQueued(ref: Ref<Work>, count: number): Promise<number> {
  globalThis.gc?.()
  const message: Work = { type: 'add', n: 1 }
  const before = process.memoryUsage().heapUsed
  for (let n = 0; n < count; n++) void ref.send(message)
  const bytes = (process.memoryUsage().heapUsed - before) / count
  await flushed(ref)()
  return bytes
}

export async function run(options: BenchOptions): Promise<BenchResult> {
  logVersions(options, ['fastq'])
  const count = Math.ceil(1_000_000 * options.scale)
  const rounds = options.rounds ?? 7
  const tree = supervisor('bench', { maxRestarts: 0 })
  const last = tree.child('last', () => worker())
  const middle = tree.child('middle', () => worker(last))
  const first = tree.child('first', () => worker(middle))
  await tree.start()

  const one = await alternate({
    rounds,
    subject: () => nsPerMessage(count, n => { void last.send({ type: 'add', n }) }, flushed(last)),
    baseline: () => bareQueue(count, false),
  })
  const queued: number[] = []
  const chain: number[] = []
  const direct: number[] = []
  const asks: number[] = []
  for (let round = 0; round < rounds; round++) {
    chain.push(await nsPerMessage(count / 4, n => { void first.send({ type: 'add', n }) }, flushed(first)))
    queued.push(await bareQueue(count, true))
    direct.push(await directCalls(count))
    const { ms } = await timed(async () => { for (let n = 0; n < count / 20; n++) await last.ask('echo', { n }, 1_000) })
    asks.push(ms * 1e6 / (count / 20))
  }
  const memory = await bytesPerQueued(last, Math.min(count, CAPACITY / 2))
  await tree.stop()

  options.log(`ns a message: mailbox ${describeSample(one.subject)}, fastq ${describeSample(one.baseline)}, direct ${describeSample(sample(direct))}`)
  options.log(`ns a message through three actors ${describeSample(sample(chain))}, ns an ask ${describeSample(sample(asks))}`)
  options.log(`bytes a queued message, beside the message itself: ${figure(memory)}`)
  const nsMailbox = one.subject.median
  const ratio = one.ratio.median
  return {
    bench: 'kernel',
    figures: {
      nsMailbox, nsFastq: one.baseline.median, nsDirect: sample(direct).median, nsChainOfThree: sample(chain).median, nsAsk: sample(asks).median,
      perSecond: 1e9 / nsMailbox, asksPerSecond: 1e9 / sample(asks).median, bytesPerQueued: memory,
    },
    ratio, goal: 5, pass: ratio <= 5 && nsMailbox < 1_000,
  }
}
