import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { seconds, silentLogger, supervisor } from '../src/actors/kernel/index.js'
import { ScheduleError, schedule, scheduleFromL1 } from '../src/actors/schedule/index.js'
import type { ScheduleAnswer } from '../src/actors/chain/ports.js'
import { EPOCH, FakeL1, INBOX, operator, slot } from '../test/schedule/fake-l1.js'
import { TestMeta } from '../test/schedule/room.js'
import { logVersions, median } from './harness.js'
import type { BenchOptions, BenchResult } from './harness.js'

export const about = 'who may sign: an answer from memory, and the past days of L1 read anew over HTTP from a chain in this process'

const DAYS = 14
const EPOCHS_A_DAY = 225
/** µs, and seconds for the 14 days. */
const GOAL_ANSWER = 5
const GOAL_PAST = 60
const BATCH = 256
const ANSWERS = 20_000

/** Goals of docs/performance.md: an answer from the cache within 5 µs, 14 days within 60 s. */
export async function run(options: BenchOptions): Promise<BenchResult> {
  logVersions(options, ['viem'])
  const epochs = Math.max(8, Math.round(DAYS * EPOCHS_A_DAY * options.scale))
  const present = Math.floor(Date.now() / 1_000 / EPOCH) * EPOCH
  const first = present - epochs * EPOCH
  const l1 = new FakeL1('lookahead', { time: first - 4 * EPOCH, operators: ['one', 'two', 'three'].map(name => ({ ...operator(name), activeSince: EPOCH })) })
  // every other epoch has a lookahead, of three slots; the others are the fallback's
  for (let epoch = first; epoch <= present; epoch += 2 * EPOCH) {
    l1.mineTo(epoch - 120).post(epoch, [slot(epoch + 96, 'alice'), slot(epoch + 192, 'bob'), slot(epoch + 372, 'carol')]).mine()
  }
  l1.mineTo(Math.floor(Date.now() / 1_000))
  const server = await serve(l1)
  const resolver = scheduleFromL1({ rpc: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, inbox: INBOX, genesis: 0, staleAfter: seconds(3_600) })
  const tree = supervisor('bench', { log: silentLogger })
  tree.child('schedule', () => schedule({ store: new TestMeta(), events: { send: () => 'ok' }, view: resolver.view }, resolver.view.config))
  try {
    await tree.start()
    while (resolver.view.last === undefined) await new Promise(resolve => { setTimeout(resolve, 20) })
    const { signal } = new AbortController()
    l1.calls.length = 0
    const ends = Array.from({ length: epochs }, (_, index) => first + index * EPOCH + 372)
    const began = performance.now()
    let known = 0
    for (let at = 0; at < ends.length; at += BATCH) {
      const answers = await Promise.all(ends.slice(at, at + BATCH).map(async end => resolver(BigInt(end), { signal: new AbortController().signal })))
      known += answers.filter((answer: ScheduleAnswer) => typeof answer === 'object').length
    }
    const pastSeconds = (performance.now() - began) / 1_000
    const calls = l1.calls.length / epochs

    const windows = ends.slice(-64).map(BigInt)
    for (const window of windows) void resolver(window, { signal })
    const rounds = Array.from({ length: options.rounds ?? 7 }, () => {
      const start = performance.now()
      for (let n = 0; n < ANSWERS; n++) void resolver(windows[n % windows.length]!, { signal })
      return (performance.now() - start) * 1_000 / ANSWERS
    })
    const answerUs = median(rounds)
    options.log(`${epochs} epochs in ${pastSeconds.toFixed(1)} s by ${calls.toFixed(2)} calls each, ${known} known; an answer in ${answerUs.toFixed(2)} µs`)
    const ratio = known === epochs ? Math.min(GOAL_ANSWER / answerUs, GOAL_PAST / pastSeconds) : 0
    return { bench: 'schedule', figures: { answerUs, pastSeconds, epochs, callsPerEpoch: calls, unknown: epochs - known }, ratio, goal: 1, pass: ratio >= 1 }
  } finally {
    await tree.stop()
    server.closeAllConnections()
    server.close()
  }
}

/** JSON-RPC over HTTP on loopback. */
async function serve(l1: FakeL1) {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => { chunks.push(chunk) })
    request.on('end', () => {
      const { id, method, params } = JSON.parse(Buffer.concat(chunks).toString()) as { id: unknown; method: string; params: readonly unknown[] }
      const send = (answer: object): void => { response.setHeader('content-type', 'application/json').end(JSON.stringify({ jsonrpc: '2.0', id, ...answer })) }
      l1.call(method, params, new AbortController().signal).then(result => { send({ result }) }, (error: unknown) => {
        send({ error: { code: error instanceof ScheduleError ? error.value : -32_603, message: String(error) } })
      })
    })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  return server
}
