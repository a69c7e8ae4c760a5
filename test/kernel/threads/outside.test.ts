import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { silentLogger } from '../../../src/actors/kernel/index.js'
import type { Logger, Trace } from '../../../src/actors/kernel/index.js'
import { echoEvery } from '../../../src/actors/kernel/testing/index.js'
import { until } from '../../support/until.js'
import { both, inThread, workers } from './stage.js'
import { SubjectError, subjectBoundary } from './subject.js'

const run = promisify(execFile)
const WITHIN = 20_000
const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at)
const STAGE = new URL('./stage.js', import.meta.url).href

/** Runs a program beside the stage, and gives what it prints. */
async function program(flags: readonly string[], body: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { NODE_OPTIONS: _, ...rest } = process.env
  const text = `const { Stage } = await import('${STAGE}')\n${body}`
  return (await run(process.execPath, [...flags, '--input-type=module', '-e', text], { env: { ...rest, ...env }, timeout: 60_000 })).stdout.trim()
}

describe('kernel: an actor in a thread, from outside', function () {

  both('K105 what the actor sends to its ports is delivered in order; the target\'s own policy is the target\'s', async stage => {
    const s = await stage({ told: message => message.type === 'told' && message.what === 'note 2' ? 'rejected' : 'ok' })
    for (const n of range(5)) void s.ref.send({ type: 'note', n })
    await s.flushed()
    expect(s.told).deep.equal(['init 1', ...range(5).map(n => `note ${n}`)])
  })

  inThread('K105 what waits for a slow receiver is bounded; what is refused is counted', async stage => {
    const s = await stage({ credits: 8 })
    void s.ref.send({ type: 'call', what: 'flood', n: 100_000 })
    await s.flushed()
    const { rejected = 0 } = s.figures.drops
    expect(s.told.length - 1 + rejected).equal(100_000)
    expect(rejected).greaterThan(90_000)
    expect(s.told.slice(1)).deep.equal(range(s.told.length - 1).map(n => `flood ${n}`))
  })

  both('K106 the figures of both sides are one snapshot', async (stage, thread) => {
    const s = await stage()
    for (const n of range(64)) void s.ref.send({ type: 'note', n })
    await s.flushed()
    const { figures } = s
    expect(figures).include({ phase: 'running', depth: 0, handled: 65, restarts: 0, capacity: 100 })
    expect(figures.highWater).equal(64)
    await until(() => s.figures.handling.samples >= 4, 'the times of one in sixteen')
    expect(s.figures.wait.samples).equal(s.figures.handling.samples)
    if (!thread) { expect(figures.thread).equal(undefined); return }
    expect(s.figures.thread).include({ inThread: 0 })
    expect(s.figures.thread?.crossing.samples).equal(s.figures.handling.samples)
    void s.ref.send({ type: 'boom', n: 0 })
    await until(() => s.figures.restarts === 1, 'the restart')
    expect(s.figures.handled).equal(65)
    expect(s.root.describe().deadLetters).deep.equal({ crashed: 1 })
  })

  both('K106 `trace` gets every message with its times', async stage => {
    const traces: Trace[] = []
    const s = await stage({ trace: trace => { traces.push(trace) } })
    void s.ref.send({ type: 'note', n: 1 })
    void s.ref.send({ type: 'hold', gate: 0, how: 'await' })
    await s.held(1)
    await new Promise(resolve => { setTimeout(resolve, 30) })
    s.open(0)
    void s.ref.send({ type: 'note', n: 2 })
    await s.flushed()
    await until(() => traces.length === 4, 'four traces')
    expect(traces.map(({ path, type }) => `${path} ${type}`)).deep.equal(['note', 'hold', 'note', 'double'].map(type => `stage/subject ${type}`))
    expect(traces[1]!.handlingMs).greaterThan(20)
    expect(traces[0]!.handlingMs).lessThan(traces[1]!.handlingMs)
  })

  both('K107 log records come out as records, errors in them as errors', async stage => {
    const records: { fields: Readonly<Record<string, unknown>>; message: string }[] = []
    const s = await stage({ log: logger((fields, message) => { records.push({ fields, message }) }) })
    void s.ref.send({ type: 'call', what: 'log', n: 2 })
    await s.flushed()
    expect(records.map(({ message }) => message)).deep.equal(['a record', 'a record'])
    expect(records[1]!.fields).include({ actor: 'stage/subject', at: 1 })
    expect(records[1]!.fields['err']).instanceOf(SubjectError).and.include({ code: 'logged' })
  })

  inThread('K107 a flood of records is bounded, and the next one says how many were lost', async stage => {
    const records: Readonly<Record<string, unknown>>[] = []
    const s = await stage({ credits: 8, log: logger(fields => { records.push(fields) }) })
    void s.ref.send({ type: 'call', what: 'log', n: 50_000 })
    await s.flushed()
    const before = records.length
    void s.ref.send({ type: 'call', what: 'log', n: 1 })
    await until(() => records.length === before + 1, 'the next record')
    expect(before + (records.at(-1)!['lost'] as number)).equal(50_000)
    expect(before).lessThan(10_000)
  })

  inThread('K108 flags, name, niceness and limits are the thread\'s own', async stage => {
    const info = await (await stage({ nice: 4 })).ref.ask('info', {}, WITHIN)
    expect(info.execArgv).deep.equal([])
    if (process.platform === 'linux') expect(info.nice).equal(4)
    const flagged = await (await stage({ execArgv: ['--no-warnings'] })).ref.ask('info', {}, WITHIN)
    expect(flagged.execArgv).deep.equal(['--no-warnings'])
  })

  it('K108 H81 flags and NODE_OPTIONS of the process are not the thread\'s, whatever they are', async () => {
    const body = `
      const stage = await Stage.started(true)
      const { execArgv, nodeOptions } = await stage.ref.ask('info', {}, 20000)
      await stage.root.stop()
      console.log(JSON.stringify({ execArgv, nodeOptions }))`
    for (const flags of [[], ['--expose-gc', '--max-old-space-size=96'], ['--unhandled-rejections=strict', '--throw-deprecation'], ['--disable-proto=throw']]) {
      expect(JSON.parse(await program(flags, body)), flags.join(' ')).deep.equal({ execArgv: [] })
    }
    expect(JSON.parse(await program([], body, { NODE_OPTIONS: '--max-old-space-size=200 --no-warnings' }))).deep.equal({ execArgv: [] })
  })

  it('K109 a thread that owes nothing does not keep the process; one that owes an answer does', async () => {
    const begin = 'const stage = await Stage.started(true)\n'
    expect(await program([], `${begin}void stage.ref.send({ type: 'call', what: 'every', n: 10 }); console.log('over')`)).equal('over')
    expect(await program([], `${begin}stage.ref.ask('held', { gate: 0, later: true }, new AbortController().signal).then(answer => { console.log(answer) })
      setTimeout(() => { stage.open(0) }, 500).unref()`)).equal('gate 0')
    expect(await program([], `${begin}stage.root.stop().then(() => { console.log(stage.told.at(-1)) })`)).equal('stop stop')
  })

  inThread('K109 after the stop no thread and no handle is left', async stage => {
    const before = handles()
    const stages = await Promise.all(range(4).map(() => stage()))
    await Promise.all(stages.map(s => s.flushed()))
    expect(workers()).equal(4)
    await Promise.all(stages.map(s => s.root.stop()))
    expect(workers()).equal(0)
    await until(() => handles() <= before, 'the handles of the threads')
  })

  both('K104 chance is the same for the same seed, and another in each life', async stage => {
    const lives = async (seed: number): Promise<string[]> => {
      const s = await stage({ seed })
      void s.ref.send({ type: 'call', what: 'random', n: 0 })
      void s.ref.send({ type: 'boom', n: 0 })
      void s.ref.send({ type: 'call', what: 'random', n: 0 })
      await s.flushed()
      return s.told.filter(each => each.startsWith('random'))
    }
    const [first, again, other] = [await lives(7), await lives(7), await lives(8)]
    expect(first).deep.equal(again)
    expect(first).not.deep.equal(other)
    expect(first[0]).not.equal(first[1])
  })

  it('K61 K103 every entry of a boundary with codecs crosses as it was sent', async () => {
    const { params: _, moved: __, 'info.reply': ___, ...rest } = subjectBoundary
    expect((await echoEvery(rest as never)).length).greaterThan(15)
  })
})

function logger(warn: (fields: Readonly<Record<string, unknown>>, message: string) => void, bound: object = {}): Logger {
  return { ...silentLogger, warn: (fields, message) => { if (message !== 'dead letter' && message !== 'restarting') warn({ ...bound, ...fields }, message) }, child: more => logger(warn, { ...bound, ...more }) }
}

const handles = (): number => (process as unknown as { getActiveResourcesInfo(): string[] }).getActiveResourcesInfo().filter(each => each === 'MessagePort' || each === 'Worker').length
