import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { wrap } from 'comlink'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { supervisor, threadActor } from '../../src/actors/kernel/index.js'
import type { Ref } from '../../src/actors/kernel/index.js'
import { alternate, describeSample, sample } from '../harness.js'
import type { BenchOptions, Sample } from '../harness.js'
import { benchBoundary, benchMailbox } from './thread-subject.js'
import type { Adder, Load } from './thread-subject.js'

/** For many messages at once, and for one at a time, each beside bare `postMessage`. */
const GOAL_BATCH = 1.3
const GOAL_SINGLE = 2
/** Messages under way at once. */
const WINDOW = 1_024
const LARGE_WINDOW = 64

/** A way to a thread: what it takes to send a load and to know that it has been handled. */
interface Way {
  readonly name: string
  send (load: Load): unknown
  /** When everything sent before has been handled. */
  flush (): Promise<unknown>
  echo (n: number): Promise<unknown>
  close (): Promise<unknown>
}

async function ours(): Promise<Way> {
  const root = supervisor('bench')
  const ref: Ref<Load> = root.child('adder', () => threadActor({
    name: 'adder', module: new URL('./thread-subject.js', import.meta.url), export: 'adding', mailbox: benchMailbox, boundary: benchBoundary, params: undefined, ports: {},
  }))
  await root.start()
  return {
    name: 'an actor in a thread', send: load => ref.send(load), flush: () => ref.ask('echo', { n: 0 }, 60_000),
    echo: n => ref.ask('echo', { n }, 60_000), close: () => root.stop(),
  }
}

async function raw(): Promise<Way> {
  const worker = new Worker(new URL('./raw-thread.js', import.meta.url))
  await once(worker, 'online')
  const waiting = new Map<number, (n: number) => void>()
  let last = 0
  worker.on('message', ({ id, n }: { readonly id: number; readonly n: number }) => { waiting.get(id)!(n); waiting.delete(id) })
  const echo = (n: number): Promise<number> => new Promise(resolve => { waiting.set(++last, resolve); worker.postMessage({ type: 'echo', id: last, n }) })
  await echo(0)
  return {
    name: 'postMessage', echo, flush: () => echo(0), close: () => worker.terminate(),
    send: load => {
      if (load.type === 'moved') worker.postMessage(load, [load.bytes.buffer as ArrayBuffer])
      else if (load.type === 'packed') { const bytes = Uint8Array.from(load.bytes); worker.postMessage(bytes, [bytes.buffer]) }
      else worker.postMessage(load)
    },
  }
}

async function comlink(): Promise<Way> {
  const worker = new Worker(new URL('./comlink-thread.js', import.meta.url))
  const remote = wrap<Adder>(nodeEndpoint(worker))
  await remote.echo(0)
  let sent: Promise<unknown>[] = []
  return {
    name: 'Comlink', echo: n => remote.echo(n), send: load => { sent.push(remote.add(load)) },
    flush: async () => { const all = sent; sent = []; await Promise.all(all) }, close: () => worker.terminate(),
  }
}

/** Nanoseconds a message, many under way. */
async function batches(way: Way, count: number, make: () => Load, window = WINDOW): Promise<number> {
  const rounds = Math.max(1, Math.ceil(count / window))
  // Loads are made beforehand: allocating them is no part of crossing.
  const loads = Array.from({ length: rounds }, () => Array.from({ length: window }, make))
  const began = performance.now()
  for (const some of loads) {
    for (const load of some) void way.send(load)
    await way.flush()
  }
  return (performance.now() - began) * 1e6 / (rounds * window)
}

/** Nanoseconds there and back, one at a time. */
async function singles(way: Way, count: number): Promise<number> {
  const began = performance.now()
  for (let n = 0; n < count; n++) await way.echo(n)
  return (performance.now() - began) * 1e6 / count
}

const bytes = (size: number): Uint8Array => new Uint8Array(size).fill(7)

/** Everything across a thread, each beside bare `postMessage` and beside Comlink, in one run. */
export async function threads(options: BenchOptions): Promise<{ readonly figures: Readonly<Record<string, number>>; readonly pass: boolean }> {
  const rounds = options.rounds ?? 7
  const [us, bare, other] = [await ours(), await raw(), await comlink()]
  const figures: Record<string, number> = {}
  let pass = true
  const compare = async (name: string, key: string, goal: number | undefined, measure: (way: Way) => Promise<number>): Promise<void> => {
    const { subject, baseline, ratio: { median: ratio } } = await alternate({ rounds, subject: () => measure(us), baseline: () => measure(bare) })
    const third: number[] = []
    for (let round = 0; round < Math.min(3, rounds); round++) third.push(await measure(other))
    const line = (what: string, values: Sample): void => { options.log(`${`${name}, ${what}`.padEnd(64)} ${describeSample(values)} ns`) }
    line(us.name, subject)
    line(bare.name, baseline)
    line(other.name, sample(third))
    options.log(`${''.padEnd(64)} ${ratio.toFixed(2)} times postMessage${goal === undefined ? '' : `, at most ${goal}`}`)
    Object.assign(figures, { [`ns${key}`]: subject.median, [`ns${key}Raw`]: baseline.median, [`ns${key}Comlink`]: sample(third).median, [`ratio${key}`]: ratio })
    if (goal !== undefined && ratio > goal) pass = false
  }
  const count = Math.ceil(100_000 * options.scale)
  await compare('a message, sent and handled', 'ThreadSend', GOAL_BATCH, way => batches(way, count, () => ({ type: 'add', n: 1 })))
  await compare('an ask and its reply, one at a time', 'ThreadAsk', GOAL_SINGLE, way => singles(way, Math.ceil(count / 20)))
  for (const [size, label, window] of [[1_024, '1KiB', WINDOW], [102_400, '100KiB', LARGE_WINDOW]] as const) {
    const many = Math.ceil(count / (size > 10_000 ? 200 : 10))
    await compare(`${label} cloned`, `Cloned${label}`, GOAL_BATCH, way => batches(way, many, () => ({ type: 'cloned', bytes: bytes(size) }), window))
    await compare(`${label} packed`, `Packed${label}`, GOAL_BATCH, way => batches(way, many, () => ({ type: 'packed', bytes: bytes(size) }), window))
    await compare(`${label} transferred`, `Moved${label}`, GOAL_BATCH, way => batches(way, many, () => ({ type: 'moved', bytes: bytes(size) }), window))
  }
  await Promise.all([us.close(), bare.close(), other.close()])
  return { figures, pass }
}
