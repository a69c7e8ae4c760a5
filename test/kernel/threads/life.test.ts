import { expect } from 'chai'
import { ClosedError, InterruptedError, KernelError, StartError } from '../../../src/actors/kernel/index.js'
import { every } from '../../support/every.js'
import { until } from '../../support/until.js'
import { Stage, both, inThread, workers } from './stage.js'
import { EXITED, NOTES, SubjectError } from './subject.js'
import type { Task } from './subject.js'

const WITHIN = 20_000
const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at)
const failure = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error)

/** A handler is in hand; behind it wait two notes and an ask, and one note in the mailbox. */
async function busy(s: Stage, how: 'await' | 'block'): Promise<{ readonly asked: Promise<unknown> }> {
  void s.ref.send({ type: 'hold', gate: 0, how })
  await s.held(1)
  void s.ref.send({ type: 'note', n: 1 })
  void s.ref.send({ type: 'note', n: 2 })
  const asked = failure(s.ref.ask('double', { n: 4 }, WITHIN))
  void s.ref.send({ type: 'note', n: 3 })
  if (s.thread) await until(() => s.figures.depth <= 1, 'what the window takes has crossed')
  return { asked }
}

describe('kernel: an actor in a thread, its life', function () {
  this.timeout(60_000)

  both('K95 a throw in a handler is a failure of the child; the queue and the asks in it stay', async stage => {
    const s = await stage({ credits: 4 })
    void s.ref.send({ type: 'hold', gate: 0, how: 'await' })
    await s.held(1)
    void s.ref.send({ type: 'boom', n: 0 })
    for (const n of range(6)) void s.ref.send({ type: 'note', n })
    const asked = s.ref.ask('double', { n: 3 }, WITHIN)
    s.open(0)
    expect(await asked).equal(6)
    expect(s.told).deep.equal(['init 1', 'boom 0', 'stop restart', 'init 2', ...range(6).map(n => `note ${n}`)])
    expect(s.failures()[0]).instanceOf(SubjectError)
    expect(s.figures).include({ restarts: 1 })
    expect(s.figures.drops).deep.equal({ crashed: 1 })
    expect(s.figures.handled).equal(8)
  })

  both('K89 what was accepted is handled and answered, then the stop hook runs', async stage => {
    const begun = performance.now()
    const s = await stage({ credits: 4, capacity: 200, child: { drainWithin: WITHIN, stopWithin: 2 * WITHIN } })
    void s.ref.send({ type: 'hold', gate: 0, how: 'await' })
    await s.held(1)
    for (const n of range(41)) void s.ref.send({ type: 'note', n })
    const later = s.ref.ask('held', { gate: 1, later: true }, WITHIN)
    const asked = s.ref.ask('double', { n: 3 }, WITHIN)
    void s.ref.send({ type: 'hold', gate: 2, how: 'await' })
    const stopped = s.root.stop()
    await new Promise(setImmediate)
    expect(s.ref.send({ type: 'note', n: 99 })).equal('closed')
    s.open(0)
    expect(await asked).equal(6)
    s.open(1)
    expect(await later).equal('gate 1')
    await s.held(3)
    s.open(2)
    await stopped
    expect(s.told).deep.equal(['init 1', ...range(41).map(n => `note ${n}`), 'stop stop'])
    expect(s.figures.drops).deep.equal({ closed: 1 })
    expect(performance.now() - begun).lessThan(WITHIN)
  })

  both('K89 an answer that nobody waits for any more does not keep the stop', async stage => {
    const begun = performance.now()
    const s = await stage({ child: { drainWithin: WITHIN, stopWithin: 2 * WITHIN } })
    const given = new AbortController()
    const asked = failure(s.ref.ask('held', { gate: 0, later: true }, given.signal))
    await s.held(1)
    await s.flushed()
    void s.ref.send({ type: 'call', what: 'after', n: 1 })
    const stopped = s.root.stop()
    await s.says('tick')
    given.abort()
    await stopped
    expect(await asked).include({ code: 'cancelled' })
    expect(performance.now() - begun).lessThan(WITHIN)
  })

  inThread('K89 a thread that was too busy to hear of the stop is not waited for in vain', async stage => {
    const begun = performance.now()
    const s = await stage({ child: { drainWithin: WITHIN, stopWithin: 2 * WITHIN } })
    await s.flushed() // the first message is timed, and its time told
    void s.ref.send({ type: 'hold', gate: 0, how: 'block' })
    await s.held(1)
    const stopped = s.root.stop()
    await new Promise(setImmediate)
    expect(s.ref.send({ type: 'note', n: 1 })).equal('closed')
    s.open(0)
    await stopped
    expect(performance.now() - begun).lessThan(WITHIN)
  })

  inThread('K96 a thread that was given up and goes on begins nothing of what goes back', async stage => {
    const s = await stage({ hangWithin: 100 })
    // in one turn, so that the thread has all of it before it stands still
    void s.ref.send({ type: 'hold', gate: 0, how: 'block' })
    for (const n of [1, 2, 3]) void s.ref.send({ type: 'note', n })
    await until(() => s.failures().length > 0, 'it to be given up')
    s.open(0)
    await s.says('note 3')
    expect(s.word(NOTES)).equal(3)
    expect(s.told).deep.equal(['init 1', 'init 2', 'note 1', 'note 2', 'note 3'])
  })

  for (const how of ['await', 'block'] as const) {
    inThread(`K98 a thread that is given up in a handler (${how}) exits by itself where its event loop turns, and is terminated where not`, async stage => {
      const s = await stage({ child: { stopWithin: 50 } })
      void s.ref.send({ type: 'hold', gate: 0, how })
      await s.held(1)
      await s.root.stop()
      await until(() => workers() === 0, 'its end')
      expect(s.word(EXITED)).equal(how === 'await' ? 1 : 0)
      expect(s.told).deep.equal(['init 1'])
    })
  }

  both('K95 `ctx.fail` and a regular end reach the supervisor', async stage => {
    const s = await stage()
    void s.ref.send({ type: 'call', what: 'fail', n: 5 })
    await s.says('init 2')
    expect(s.failures()[0]).instanceOf(SubjectError).and.include({ code: 'ground', value: 5 })
    void s.ref.send({ type: 'call', what: 'finish', n: 0 })
    await s.says('init 3')
    expect(s.failures()[1]).include({ code: 'finished' })
    expect(s.told).deep.equal(['init 1', 'stop restart', 'init 2', 'stop restart', 'init 3'])
  })

  for (const [how, code, text] of [['exit', 'thread_died', 'code 3'], ['throw', 'thread_died', 'out of the blue'], ['rejection', 'thread_died', 'nobody awaits it'], ['memory', 'out_of_memory', 'memory']] as const) {
    inThread(`K95 a thread that ends by itself (${how}) is one failure: in hand crashed, the rest kept`, async stage => {
      const s = await stage({ resourceLimits: { maxOldGenerationSizeMb: 24 } })
      const later = failure(s.ref.ask('held', { gate: 5, later: true }, WITHIN))
      await s.held(1)
      const died = s.says(`die ${how}`)
      void s.ref.send({ type: 'die', how })
      void s.ref.send({ type: 'note', n: 1 })
      const asked = s.ref.ask('double', { n: 4 }, WITHIN)
      await died
      expect(await asked).equal(8)
      const error = await later
      expect(error).instanceOf(InterruptedError)
      expect((error as InterruptedError).cause).instanceOf(KernelError).and.include({ code })
      expect(s.told).deep.equal(['init 1', `die ${how}`, 'init 2', 'note 1'])
      expect(s.failures().length).equal(1)
      expect(s.failures()[0]).instanceOf(KernelError).and.include({ code })
      expect(String(s.failures()[0])).contain(text)
      expect(s.figures.drops).deep.equal({ crashed: 1 })
    })
  }

  inThread('K95 each death is paid from the budget; the last escalates', async stage => {
    const s = await stage({ child: { maxRestarts: 2 } })
    for (const life of [1, 2, 3]) {
      await until(() => s.lives === life, `life ${life}`)
      void s.ref.send({ type: 'die', how: 'exit' })
    }
    const end = await s.root.terminated
    expect(end).include({ reason: 'escalated' })
    expect(s.failures().map(error => (error as KernelError).code)).deep.equal(['thread_died', 'thread_died', 'thread_died'])
  })

  inThread('K96 what was begun is never handled again, what was not is handled once, in order, over many deaths', async stage => {
    const s = await stage({ credits: 8, capacity: 2_000, child: { maxRestarts: Infinity } })
    const tasks: Task[] = range(600).map(n => n % 60 === 59 ? { type: 'die', how: 'exit' } : { type: 'note', n })
    for (const task of tasks) void s.ref.send(task)
    await until(() => s.told.includes('note 598'), 'the last', 50_000)
    expect(s.told.filter(each => each.startsWith('note'))).deep.equal(range(600).filter(n => n % 60 !== 59).map(n => `note ${n}`))
    await until(() => s.lives === 11, 'its last life')
    expect(s.figures.drops).deep.equal({ crashed: 10 })
  })

  inThread('K96 a message whose bytes have moved cannot be sent again: it is counted, its like that waits is kept', async stage => {
    const s = await stage({ credits: 2 })
    void s.ref.send({ type: 'die', how: 'exit' })
    void s.ref.send({ type: 'moved', bytes: new Uint8Array(10) })
    void s.ref.send({ type: 'moved', bytes: new Uint8Array(20) })
    await until(() => s.bytes.length === 1, 'the one that waited')
    expect(s.bytes[0]).include({ length: 20 })
    expect(s.figures.drops).deep.equal({ crashed: 2 })
  })

  inThread('K97 a thread whose loop stands still while it has messages is ended and restarted', async stage => {
    const s = await stage({ hangWithin: 300, credits: 8 })
    const { asked } = await busy(s, 'block')
    const began = performance.now()
    expect(await asked).equal(8)
    expect(performance.now() - began).greaterThan(250)
    expect(s.told.slice(0, 5)).deep.equal(['init 1', 'init 2', 'note 1', 'note 2', 'note 3'])
    expect(s.failures().length).equal(1)
    expect(s.failures()[0]).instanceOf(KernelError).and.include({ code: 'hung', value: 300 })
    expect(s.figures.drops).deep.equal({ crashed: 1 })
  })

  inThread('K97 a handler that waits is not hung, nor is a thread while our own loop stood still', async stage => {
    const s = await stage({ hangWithin: 1_000 })
    void s.ref.send({ type: 'hold', gate: 0, how: 'await' })
    await s.held(1)
    await new Promise(resolve => { setTimeout(resolve, 2_500) })
    s.open(0)
    await s.flushed()
    const blocked = s.ref.send({ type: 'hold', gate: 1, how: 'block' })
    expect(blocked).equal('ok')
    await s.held(2)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_500)
    s.open(1)
    await s.flushed()
    expect(s.failures()).deep.equal([])
    expect(s.lives).equal(1)
  })

  both('K98 stop: what is queued is dropped, the running handler is awaited, then the hook runs, then all is over', async (stage, thread) => {
    const s = await stage({ credits: 4, capacity: 10, child: { stopWithin: 20_000 } })
    const { asked } = await busy(s, 'await')
    const later = failure(s.ref.ask('double', { n: 1 }, WITHIN))
    const stopped = s.root.stop()
    await new Promise(resolve => { setImmediate(resolve) })
    expect(s.ref.send({ type: 'note', n: 9 })).equal('closed')
    expect(await later).instanceOf(ClosedError)
    s.open(0)
    await stopped
    expect(await asked).instanceOf(ClosedError)
    expect(s.told).deep.equal(['init 1', 'stop stop'])
    expect(thread ? workers() : 0).equal(0)
  })

  both('K98 a hook that takes too long, and a handler that never ends, are given up at the deadline', async stage => {
    const s = await stage({ slowStop: 3, child: { stopWithin: 100 } })
    await s.root.stop()
    expect(s.events.map(({ type }) => type)).include('overdue')
    const hanging = await stage({ child: { stopWithin: 100 } })
    const asked = failure(hanging.ref.ask('held', { gate: 0, later: false }, WITHIN))
    await hanging.held(1)
    await hanging.root.stop()
    expect(await asked).instanceOf(InterruptedError)
    await until(() => workers() === 0, 'the end of the threads')
    expect(hanging.told).deep.equal(['init 1'])
  })

  inThread('K98 a thread that stands still is ended at the deadline of its stop', async stage => {
    const s = await stage({ child: { stopWithin: 200 } })
    void s.ref.send({ type: 'hold', gate: 0, how: 'block' })
    await s.held(1)
    await s.root.stop()
    await until(() => workers() === 0, 'its end')
    expect(s.told).deep.equal(['init 1'])
  })

  inThread('K99 no incarnation begins before the thread of the former has exited; a start that waits too long for it fails', async stage => {
    const s = await stage({ killWithin: 60_000 })
    let most = 0
    const stop = every(1, () => { most = Math.max(most, workers()) })
    for (const life of range(5)) {
      void s.ref.send({ type: 'boom', n: life })
      await until(() => s.lives === life + 2, 'the next life')
    }
    stop()
    expect(most).equal(1)
  })

  inThread('K99 where the former thread does not end, the start fails, again and again by the rules, until it has', async stage => {
    const s = await stage({ hangWithin: 200, killWithin: 50, child: { maxRestarts: Infinity, stopWithin: 50 } })
    let most = 0
    const stop = every(1, () => { most = Math.max(most, workers()) })
    void s.ref.send({ type: 'hold', gate: 0, how: 'native' })
    void s.ref.send({ type: 'note', n: 1 })
    await s.says('note 1')
    stop()
    const codes = s.failures().map(error => (error as KernelError).code)
    expect(codes[0]).equal('hung')
    expect(new Set(codes.slice(1))).deep.equal(new Set(['thread_stuck']))
    expect(most).equal(1)
    expect(s.told).deep.equal(['init 1', 'init 2', 'note 1'])
  })

  inThread('K100 nothing that a former life has under way is delivered', async stage => {
    const s = await stage({ hangWithin: 300 })
    void s.ref.send({ type: 'call', what: 'every', n: 1 })
    await s.says('tick')
    void s.ref.send({ type: 'hold', gate: 0, how: 'block' })
    await s.held(1)
    await until(() => s.lives === 2, 'the next life')
    const ticks = s.told.filter(each => each === 'tick').length
    s.open(0)
    await s.flushed()
    expect(s.told.filter(each => each === 'tick').length).equal(ticks)
    expect(s.told.indexOf('init 2')).greaterThan(s.told.lastIndexOf('tick'))
  })

  both('K90 a start that fails fails the tree; a restart that fails is tried again by the rules', async (_, thread) => {
    const never = new Stage(thread, { failingInits: [1] })
    const error = await failure(never.root.start()) as StartError
    expect(error).instanceOf(StartError)
    expect(error.cause).instanceOf(SubjectError).and.include({ code: 'init', value: 1 })
    const s = await Stage.started(thread, { failingInits: [2, 3] })
    void s.ref.send({ type: 'boom', n: 0 })
    await until(() => s.lives === 4, 'its fourth life')
    await s.flushed()
    await s.root.stop()
    expect(s.told).deep.equal(['init 1', 'boom 0', 'stop restart', 'init 2', 'init 3', 'init 4', 'stop stop'])
  })

  it('K90 a module that is not there, or exports something else, is a failed start', async () => {
    for (const thread of [true, false]) {
      for (const module of [new URL('./not-there.js', import.meta.url), new URL('./stage.js', import.meta.url)]) {
        const s = new Stage(thread, { module })
        expect(await failure(s.root.start())).instanceOf(StartError)
        await s.root.stop()
      }
    }
    await until(() => workers() === 0, 'the end of the threads')
  })
})
