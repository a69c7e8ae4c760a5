import { expect } from 'chai'
import { DroppedError, Handle, seconds } from '../../src/actors/kernel/index.js'
import type { Deadline } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { deferred, find, jobber, rejection } from './support.js'
import type { Job } from './support.js'

class Jobber extends Handle<Job> {
  double(n: number, within: Deadline) { return this.ask('double', { n }, within) }
  // @ts-expect-error a note is not asked
  noted() { return this.ask('note', { n: 1 }, 1) }
  // @ts-expect-error the body has a number
  wrong() { return this.ask('double', { n: '1' }, 1) }
}

/** A signal that tells how many listen to it. */
function countedSignal(): { readonly controller: AbortController; listeners: number } {
  const controller = new AbortController()
  const counted = { controller, listeners: 0 }
  const { signal } = controller
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => { counted.listeners++; add(...args) }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => { counted.listeners--; remove(...args) }
  return counted
}

async function started(capacity = 10) {
  const kit = testKit()
  const log: string[] = []
  const ref = await kit.spawn(jobber(log, { capacity }), { name: 'it' })
  return { ...kit, log, ref, figures: () => find(kit.tree.describe(), 'it') }
}

describe('kernel: ask', () => {
  it('K15 the reply, through a handle, typed', async () => {
    const { ref } = await started()
    const reply: number = await new Jobber(ref).double(21, seconds(1))
    expect(reply).equal(42)
  })

  it('K15 each way not to get one', async () => {
    const { ref, clock, settle, tree, advance } = await started(2)
    const never = deferred<number>()
    const slow = rejection(ref.ask('compute', { run: () => never.promise }, 100))
    await settle()
    const queued = ref.ask('double', { n: 1 }, seconds(60))
    const second = ref.ask('double', { n: 2 }, seconds(60))
    expect(await rejection(ref.ask('double', { n: 3 }, 100))).include({ name: 'DroppedError', code: 'rejected' })
    clock.advance(100)
    expect(await slow).include({ name: 'TimeoutError', code: 'timeout', value: 100 })
    never.resolve(1)
    await settle()
    expect(await Promise.all([queued, second])).deep.equal([2, 4])
    const cause = new Error('no')
    expect(await rejection(ref.ask('compute', { run() { throw cause } }, 100))).include({ name: 'CrashedError', code: 'crashed', cause })
    await advance(1_000)
    const cut = rejection(ref.ask('compute', { run: () => deferred<number>().promise }, seconds(60)))
    await settle()
    const waiting = rejection(ref.ask('double', { n: 4 }, seconds(60)))
    const stopped = tree.stop()
    await advance(seconds(5))
    await stopped
    expect(await cut).include({ name: 'InterruptedError', code: 'interrupted' })
    expect(await waiting).include({ name: 'ClosedError', code: 'closed', value: 'test/it' })
    expect(await rejection(ref.ask('double', { n: 5 }, 100))).include({ name: 'ClosedError' })
  })

  it('K15 an ask that a policy displaces is told at once', async () => {
    const kit = testKit()
    const spec = jobber([], { capacity: 1 })
    const whenFull = { ...spec.mailbox.whenFull, double: { kind: 'drop_oldest', why: 'test' } as const }
    const ref = await kit.spawn({ ...spec, mailbox: { capacity: 1, whenFull } })
    const first = rejection(ref.ask('double', { n: 1 }, 100))
    const second = ref.ask('double', { n: 2 }, 100)
    expect(await first).instanceOf(DroppedError).include({ code: 'dropped_oldest' })
    expect(await second).equal(4)
  })

  it('K15 a bad deadline is refused, and nothing is sent', async () => {
    const { ref, log, settle } = await started()
    for (const value of [NaN, Infinity, -1]) {
      expect((await rejection(ref.ask('double', { n: 1 }, value)))).deep.include({ code: 'bad_deadline', value })
    }
    await settle()
    expect(log).deep.equal(['init'])
  })

  it('K16 timer and listener are gone on every path', async () => {
    const { ref, clock, settle, tree, advance } = await started(1)
    const signal = countedSignal()
    const within = { ms: 500, signal: signal.controller.signal }
    const clean = (): void => { expect([clock.pending, signal.listeners]).deep.equal([0, 0]) }
    await ref.ask('double', { n: 1 }, within)
    clean()
    void ref.send({ type: 'note', n: 1 })
    await rejection(ref.ask('double', { n: 2 }, within))
    await settle()
    clean()
    await rejection(ref.ask('compute', { run: ctx => ctx.later(Promise.reject(new Error('no'))) }, within))
    clean()
    const slow = rejection(ref.ask('compute', { run: ctx => ctx.later(deferred<number>().promise) }, within))
    await settle()
    clock.advance(500)
    await slow
    clean()
    await rejection(ref.ask('compute', { run() { throw new Error('no') } }, within))
    await advance(1_000)
    clean()
    const cancelled = rejection(ref.ask('compute', { run: ctx => ctx.later(deferred<number>().promise) }, within))
    await settle()
    signal.controller.abort()
    await cancelled
    expect(clock.pending).equal(0)
    await tree.stop()
    await rejection(ref.ask('double', { n: 3 }, 500))
    expect(clock.pending).equal(0)
  })

  it('K17 giving up before the turn: the message is skipped', async () => {
    const { ref, log, clock, settle, figures } = await started()
    const hold = deferred()
    void ref.send({ type: 'call', run: () => hold.promise })
    await settle()
    const asked = rejection(ref.ask('double', { n: 1 }, 10))
    clock.advance(10)
    await asked
    hold.resolve()
    await settle()
    expect(log).deep.equal(['init'])
    expect(figures().drops).deep.equal({ ask_expired: 1 })
  })

  it('K17 giving up during the turn and before a later answer aborts askSignal', async () => {
    const { ref, clock, settle } = await started()
    const signals: (AbortSignal | undefined)[] = []
    const cancel = new AbortController()
    const during = rejection(ref.ask('compute', { run(ctx) {
      signals.push(ctx.askSignal)
      return ctx.later(deferred<number>().promise)
    } }, cancel.signal))
    await settle()
    const slow = rejection(ref.ask('compute', { async run(ctx) {
      signals.push(ctx.askSignal)
      await new Promise(resolve => { ctx.askSignal?.addEventListener('abort', resolve) })
      return 1
    } }, 50))
    void ref.send({ type: 'call', run(ctx) { signals.push(ctx.askSignal) } })
    await settle()
    expect(signals.map(signal => signal?.aborted)).deep.equal([false, false])
    cancel.abort()
    clock.advance(50)
    await Promise.all([during, slow])
    await settle()
    expect(signals.map(signal => signal?.aborted)).deep.equal([true, true, undefined])
  })

  it('K18 a late answer is counted and goes nowhere', async () => {
    const { ref, clock, settle, figures } = await started()
    const [now, later] = [deferred<number>(), deferred<number>()]
    const first = rejection(ref.ask('compute', { run: ctx => ctx.later(later.promise) }, 10))
    const second = rejection(ref.ask('compute', { run: () => now.promise }, 10))
    await settle()
    clock.advance(10)
    await Promise.all([first, second])
    now.resolve(1)
    later.resolve(2)
    await settle()
    expect(figures().drops).deep.equal({ late_reply: 2 })
  })

  it('K19 later: the actor goes on, the asker gets the outcome, a rejection is no failure', async () => {
    const { ref, log, settle, figures } = await started()
    const answer = deferred<number>()
    const asked = ref.ask('compute', { run: ctx => ctx.later(answer.promise) }, 100)
    const refused = rejection(ref.ask('compute', { run: ctx => ctx.later(Promise.reject(new Error('not today'))) }, 100))
    void ref.send({ type: 'note', n: 1 })
    await settle()
    expect(log).deep.equal(['init', 'note 1'])
    answer.resolve(7)
    expect(await asked).equal(7)
    expect(await refused).include({ message: 'not today' })
    expect(figures()).include({ phase: 'running', restarts: 0 })
  })

  it('K19 later: an answer that never comes is forgotten when its asker gives up', async () => {
    const { ref, clock, settle, figures } = await started()
    const asked = [1, 2, 3].map(() => rejection(ref.ask('compute', { run: ctx => ctx.later(deferred<number>().promise) }, 100)))
    await settle()
    expect(figures().answering).equal(3)
    clock.advance(100)
    await Promise.all(asked)
    expect(figures().answering).equal(0)
  })

  it('K19 later: what is not answered at the end of the incarnation is told so', async () => {
    const { ref, settle, crash } = await started()
    const asked = rejection(ref.ask('compute', { run: ctx => ctx.later(deferred<number>().promise) }, 100))
    await settle()
    crash(ref)
    expect(await asked).include({ code: 'interrupted' })
  })
})
