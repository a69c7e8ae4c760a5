import { expect } from 'chai'
import { seconds } from '../../src/actors/kernel/index.js'
import type { ChildOptions, Context, Decision, Ref, SupervisorOptions } from '../../src/actors/kernel/index.js'
import { crashing, testKit } from '../../src/actors/kernel/testing/index.js'
import { deferred, jobber, recordingLogger, rejection, short } from './support.js'
import type { Job, JobberOptions } from './support.js'

const plain = { backoff: { firstMs: 100, maxMs: 1_000, factor: 2, jitter: 0 } }
const boom = { type: 'boom' } as const
const finish = { type: 'call', run(ctx: Context<Job>) { ctx.stop() } } as const

/** A tree with children a, b, c …, all writing to one log. */
async function family(
  names: string, options: SupervisorOptions = {}, own: Readonly<Record<string, ChildOptions & JobberOptions>> = {},
) {
  const kit = testKit()
  const log: string[] = []
  const tree = kit.supervisor('app', { ...plain, onEvent: event => events.push(...short([event])), ...options })
  const events: string[] = []
  const refs: Record<string, Ref<Job>> = {}
  for (const name of names) {
    const { init, stop, kind, stopWithin, startWithin, maxRestarts } = own[name] ?? {}
    refs[name] = tree.child(name, () => jobber(log, { name, ...init && { init }, ...stop && { stop } }), {
      ...kind && { kind }, ...stopWithin !== undefined && { stopWithin }, ...startWithin !== undefined && { startWithin },
      ...maxRestarts !== undefined && { maxRestarts },
    })
  }
  await tree.start()
  const send = async (name: string, message: Job): Promise<void> => { void refs[name]!.send(message); await kit.settle() }
  /** What was written since the last look. */
  const seen = (): string[] => log.splice(0)
  return { ...kit, tree, refs, events, send, seen }
}

describe('kernel: supervision', () => {
  it('K36 children start in order, each after the init of the one before', async () => {
    const { supervisor: own, settle } = testKit()
    const log: string[] = []
    const slow = deferred()
    const tree = own('app')
    tree.child('a', () => jobber(log, { name: 'a', async init() { await slow.promise; log.push('a ready') } }))
    tree.child('b', () => jobber(log, { name: 'b' }))
    const starting = tree.start()
    await settle()
    expect(log).deep.equal(['a init'])
    slow.resolve()
    await starting
    expect(log).deep.equal(['a init', 'a ready', 'b init'])
    expect(await rejection(tree.start())).include({ code: 'already_started' })
  })

  it('K36 a start that fails stops those before it in reverse and rejects with the cause', async () => {
    const { supervisor: own, clock } = testKit()
    const log: string[] = []
    const error = new Error('port taken')
    const tree = own('app')
    for (const name of 'ab') tree.child(name, () => jobber(log, { name }))
    tree.child('c', () => jobber(log, { name: 'c', init() { throw error } }))
    tree.child('d', () => jobber(log, { name: 'd' }))
    expect(await rejection(tree.start())).include({ name: 'StartError', code: 'start_failed', value: 'app/c', cause: error })
    expect(log).deep.equal(['a init', 'b init', 'c init', 'b stop stop', 'a stop stop'])
    expect(tree.describe().phase).equal('stopped')
    expect(await tree.terminated).deep.equal({ reason: 'stopped' })
    expect(clock.pending).equal(0)
  })

  it('K36 a child that fails while others still start is restarted by the rules', async () => {
    const { supervisor: own, settle, advance } = testKit()
    const log: string[] = []
    const slow = [deferred(), deferred()]
    const tree = own('app', { ...plain, strategy: 'rest_for_one' })
    const a = tree.child('a', () => jobber(log, { name: 'a' }))
    let starts = 0
    tree.child('b', () => jobber(log, { name: 'b', init: () => slow[starts++]!.promise }))
    tree.child('c', () => jobber(log, { name: 'c' }))
    let started = false
    void tree.start().then(() => { started = true })
    await settle()
    void a.send(boom)
    await settle()
    for (const each of slow) each.resolve()
    await advance(100)
    expect(started).equal(true)
    expect(log).deep.equal(['a init', 'b init', 'a boom', 'b stop restart', 'a stop restart', 'a init', 'b init', 'c init'])
  })

  it('K37 stop is in reverse order, one after the other, twice the same', async () => {
    const slow = deferred()
    const { tree, seen, settle } = await family('abc', {}, { b: { stop: () => slow.promise } })
    seen()
    const first = tree.stop()
    const second = tree.stop()
    await settle()
    expect(seen()).deep.equal(['c stop stop', 'b stop stop'])
    slow.resolve()
    await Promise.all([first, second, tree[Symbol.asyncDispose]()])
    expect(seen()).deep.equal(['a stop stop'])
    expect(await tree.terminated).deep.equal({ reason: 'stopped' })
  })

  it('K38 the whole stops within its own deadline', async () => {
    const hangs = { stop: () => deferred().promise, stopWithin: seconds(4) }
    const { tree, events, advance } = await family('abc', { stopWithin: seconds(10) }, { a: hangs, b: hangs, c: hangs })
    let stopped = false
    void tree.stop().then(() => { stopped = true })
    await advance(seconds(10) - 1)
    expect(stopped).equal(false)
    await advance(1)
    expect(stopped).equal(true)
    const overdue = events.filter(event => event.startsWith('overdue'))
    expect(overdue).deep.equal(['overdue app/c 4000', 'overdue app/b 4000', 'overdue app/a 2000'])
  })

  it('K39 one_for_one: the others do not notice', async () => {
    const { send, seen, advance } = await family('abc')
    seen()
    await send('b', boom)
    await advance(100)
    expect(seen()).deep.equal(['b boom', 'b stop restart', 'b init'])
  })

  it('K40 rest_for_one: it and all after it', async () => {
    const { send, seen, advance, refs } = await family('abc', { strategy: 'rest_for_one' })
    seen()
    await send('b', boom)
    expect(seen()).deep.equal(['b boom', 'c stop restart', 'b stop restart'])
    expect(refs['c']?.send({ type: 'note', n: 1 })).equal('ok')
    await advance(100)
    expect(seen()).deep.equal(['b init', 'c init', 'c note 1'])
  })

  it('K41 one_for_all: all', async () => {
    const { send, seen, advance } = await family('abc', { strategy: 'one_for_all' })
    seen()
    await send('b', boom)
    await advance(100)
    expect(seen()).deep.equal(['b boom', 'c stop restart', 'b stop restart', 'a stop restart', 'a init', 'b init', 'c init'])
  })

  it('K41 a failure in the middle of a group restart begins it anew', async () => {
    let starts = 0
    const init = (): void => { if (++starts === 2) throw new Error('second') }
    const { send, seen, advance } = await family('abc', { strategy: 'one_for_all' }, { b: { init } })
    seen()
    await send('c', boom)
    await advance(1_000)
    expect(seen()).deep.equal([
      'c boom', 'c stop restart', 'b stop restart', 'a stop restart', 'a init', 'b init', 'a stop restart', 'a init', 'b init', 'c init',
    ])
  })

  it('K42 permanent, transient and temporary, after a failure and after a regular end', async () => {
    const { send, seen, advance, tree } = await family('ptm', {}, { t: { kind: 'transient' }, m: { kind: 'temporary' } })
    seen()
    for (const name of 'ptm') await send(name, boom)
    await advance(seconds(1))
    expect(seen()).deep.equal([
      'p boom', 'p stop restart', 't boom', 't stop restart', 'm boom', 'm stop stop', 'p init', 't init',
    ])
    for (const name of 'pt') await send(name, finish)
    await advance(seconds(1))
    expect(seen()).deep.equal(['p stop restart', 't stop stop', 'p init'])
    expect(tree.describe().children.map(child => child.name)).deep.equal(['p'])
  })

  it('K42 a group restart ends temporary siblings; a regular end restarts nobody', async () => {
    const { send, seen, advance } = await family('abt', { strategy: 'one_for_all' }, { b: { kind: 'temporary' }, t: { kind: 'transient' } })
    seen()
    await send('t', finish)
    await advance(seconds(1))
    expect(seen()).deep.equal(['t stop stop'])
    await send('a', boom)
    await advance(seconds(1))
    expect(seen()).deep.equal(['a boom', 'b stop stop', 'a stop restart', 'a init'])
  })

  it('K43 the budget: so many restarts in the window, the next failure escalates', async () => {
    const { send, tree, advance, events } = await family('ab', { maxRestarts: 2, within: seconds(10), strategy: 'one_for_all' })
    await send('a', boom)
    await advance(seconds(6))
    await send('a', boom)
    await advance(seconds(5))
    await send('a', boom)
    await advance(seconds(1))
    for (const _ of '12') { await send('b', boom); await advance(seconds(1)) }
    expect(tree.describe().phase).equal('running')
    await send('a', boom)
    expect(events.slice(-4)).deep.equal(['failed app/a escalate', 'escalated app', 'stopped app/b', 'stopped app/a'])
    expect(await tree.terminated).deep.include({ reason: 'escalated' })
  })

  it('K43 a child that fails while its group ends anyway pays nothing', async () => {
    const slow = deferred()
    const three = await family('abc', { strategy: 'rest_for_one' }, { c: { stop: () => slow.promise } })
    const { refs, send, seen, advance, settle, events } = three
    seen()
    await send('a', boom)
    void refs['b']?.send(boom)
    await settle()
    slow.resolve()
    await advance(1_000)
    expect(seen()).deep.equal(['a boom', 'c stop restart', 'b boom', 'b stop restart', 'a stop restart', 'a init', 'b init', 'c init'])
    expect(events.filter(event => /^(failed|restarting)/.test(event))).deep.equal([
      'failed app/a restart', 'restarting app/a 100', 'failed app/b none',
    ])
  })

  it('K43 a budget of its own, without end if wanted', async () => {
    const { send, tree, advance } = await family('a', { maxRestarts: 1 }, { a: { maxRestarts: Infinity } })
    for (let n = 0; n < 50; n++) { await send('a', boom); await advance(1_000) }
    expect(tree.describe()).include({ phase: 'running', restarts: 50 })
  })

  it('K44 the wait grows by the factor up to the maximum, and begins anew after a stable time', async () => {
    const { send, advance, events } = await family('a', { maxRestarts: 100, stableAfter: seconds(5) })
    for (let n = 0; n < 6; n++) { await send('a', boom); await advance(1_000) }
    await advance(seconds(5))
    await send('a', boom)
    const delays = events.filter(event => event.startsWith('restarting')).map(event => Number(event.split(' ')[2]))
    expect(delays).deep.equal([100, 200, 400, 800, 1_000, 1_000, 100])
  })

  it('K44 a restart does not come before its wait is over', async () => {
    const { send, advance, seen } = await family('a')
    await send('a', boom)
    seen()
    await advance(99)
    expect(seen()).deep.equal([])
    await advance(1)
    expect(seen()).deep.equal(['a init'])
  })

  it('K44 jitter takes off a random share', async () => {
    const drawn = [0, 0.5, 0.999]
    const random = (): number => drawn.shift() ?? 0
    const { send, advance, events } = await family('a', { random, backoff: { firstMs: 100, maxMs: 100, factor: 1, jitter: 0.5 } })
    for (const _ of '123') { await send('a', boom); await advance(1_000) }
    const delays = events.filter(event => event.startsWith('restarting')).map(event => Number(event.split(' ')[2]))
    expect(delays).deep.equal([100, 75, 50.05])
  })

  it('K44 a group waits as long as the longest wait in it', async () => {
    const { send, advance, seen } = await family('ab', { strategy: 'rest_for_one' })
    for (const _ of '12') { await send('b', boom); await advance(seconds(1)) }
    await send('b', boom)
    seen()
    await advance(10)
    await send('a', boom)
    await advance(380)
    expect(seen()).deep.equal(['a boom', 'a stop restart'])
    await advance(10)
    expect(seen()).deep.equal(['a init', 'b init'])
  })

  it('K45 a root that gives up stops all and tells why', async () => {
    const { send, tree, seen, advance, clock } = await family('ab', { maxRestarts: 0 })
    const error = new Error('why')
    await send('b', { type: 'boom', error })
    await advance(0)
    expect(seen().slice(3)).deep.equal(['b stop stop', 'a stop stop'])
    const end = await tree.terminated
    expect(end.reason === 'escalated' && end.error).include({ name: 'EscalatedError', value: 'app/b', cause: error })
    expect(clock.pending).equal(0)
  })

  it('K45 a failure during the first start that escalates fails the start', async () => {
    const { supervisor: own, settle } = testKit()
    const slow = deferred()
    const log: string[] = []
    const tree = own('app', { maxRestarts: 0 })
    const a = tree.child('a', () => jobber(log, { name: 'a' }))
    tree.child('b', () => jobber(log, { name: 'b', init: () => slow.promise }))
    const starting = rejection(tree.start())
    await settle()
    void a.send(boom)
    await settle()
    slow.resolve()
    expect(await starting).include({ name: 'EscalatedError', value: 'app/a' })
    expect(log).deep.equal(['a init', 'b init', 'a boom', 'b stop stop', 'a stop stop'])
  })

  it('K46 whatever throws is contained: handlers, timers, terminated, hooks, callbacks', async () => {
    const { lines, log: logger } = recordingLogger()
    const { supervisor: own, settle, advance, probe } = testKit({ log: logger })
    const bad = (): never => { throw new Error('contained') }
    const tree = own('app', { ...plain, onEvent: bad, decide: bad, trace: bad, maxRestarts: 10 })
    const other = probe('other')
    const spec = jobber([], { init(ctx) { ctx.watch(other); ctx.after('tick', 10) }, stop: bad, timers: { tick: bad } })
    const ref = tree.child('it', () => ({ ...spec, terminated: bad }))
    await tree.start()
    void ref.send({ type: 'note', n: 1 })
    void ref.send({ type: 'call', run: bad })
    void ref.send({ type: 'call', run: () => Promise.reject(new Error('contained')) })
    await advance(1_000)
    other.end()
    await settle()
    await advance(1_000)
    await tree.stop()
    const failures = lines.filter(line => line.message === 'failed')
    expect(failures.length).greaterThan(3)
    const messages = new Set(lines.map(line => line.message))
    expect(messages).include.all.keys('onEvent threw', 'decide threw', 'the stop hook threw', 'trace threw')
  })

  it('K47 decide: the application goes first', async () => {
    const asked: string[] = []
    let next: Decision = 'restart'
    const { send, tree, advance, events } = await family('abc', {
      maxRestarts: 1, decide({ child, error, restarts }) { asked.push(`${child} ${(error as Error).message} ${restarts}`); return next },
    })
    for (const _ of '123') { await send('a', boom); await advance(1_000) }
    expect(events.filter(event => event === 'restarted app/a').length).equal(3)
    next = 'stop'
    await send('b', boom)
    expect(tree.describe().children.map(child => child.name)).deep.equal(['a', 'c'])
    next = 'default'
    await send('c', boom)
    await advance(1_000)
    expect(asked).deep.equal(['a boom 0', 'a boom 1', 'a boom 2', 'b boom 0', 'c boom 0'])
    next = 'escalate'
    await send('c', boom)
    expect((await tree.terminated).reason).equal('escalated')
  })

  it('K48 a stop does not wait for a backoff, and nothing starts after it', async () => {
    const { send, tree, seen, advance, clock, settle } = await family('ab')
    await send('a', boom)
    seen()
    let stopped = false
    void tree.stop().then(() => { stopped = true })
    await settle()
    expect([stopped, clock.pending]).deep.equal([true, 0])
    await advance(seconds(60))
    expect(seen()).deep.equal(['b stop stop'])
    expect(() => tree.child('c', () => jobber([]))).throw().include({ code: 'closed' })
  })

  it('K48 a stop in the middle of a start and of a restart', async () => {
    for (const when of ['start', 'restart']) {
      const { supervisor: own, settle, advance, clock } = testKit()
      const log: string[] = []
      const slow = deferred()
      let starts = 0
      const tree = own('app', plain)
      const init = async (): Promise<void> => { if (++starts === (when === 'start' ? 1 : 2)) await slow.promise }
      const a = tree.child('a', () => jobber(log, { name: 'a', init }))
      tree.child('b', () => jobber(log, { name: 'b' }))
      const starting = tree.start().catch((error: unknown) => { log.push((error as Error).name) })
      await settle()
      void a.send(boom)
      await settle()
      await advance(100)
      log.length = 0
      const stopped = tree.stop()
      await settle()
      slow.resolve()
      await Promise.all([stopped, starting])
      expect(log).deep.equal(when === 'start' ? ['a stop stop', 'InterruptedError'] : ['b stop stop', 'a stop stop'])
      expect(clock.pending).equal(0)
    }
  })

  it('K49 children added later start at once, fail by the rules from the first start on, and can be removed', async () => {
    const { tree, seen, settle, advance } = await family('a')
    const log: string[] = []
    const make = crashing<Job, string[]>(() => jobber(log, { name: 'late' }), { on: 'init' })
    const late = tree.child('late', make)
    expect(late.send({ type: 'note', n: 1 })).equal('ok')
    await settle()
    expect(log).deep.equal([])
    await advance(100)
    expect(log).deep.equal(['late init', 'late note 1'])
    await Promise.all([tree.remove('late'), tree.remove('late'), tree.remove('nobody')])
    expect(log.slice(2)).deep.equal(['late stop stop'])
    expect(late.send({ type: 'note', n: 2 })).equal('closed')
    tree.child('late', () => jobber(log))
    await settle()
    expect(seen()).deep.equal(['a init'])
    expect(log.slice(3)).deep.equal(['init'])
  })

  it('K49 a child removed during its backoff does not come back', async () => {
    const { tree, send, seen, advance, clock } = await family('a')
    await send('a', boom)
    seen()
    await tree.remove('a')
    expect(clock.pending).equal(0)
    await advance(1_000)
    expect(seen()).deep.equal([])
  })

  it('K49 a bound on children, and no name twice', async () => {
    const { tree } = await family('ab', { maxChildren: 2 })
    expect(() => tree.child('a', () => jobber([]))).throw().include({ code: 'duplicate_name', value: 'a' })
    expect(() => tree.tree('c')).throw().include({ code: 'too_many_children' })
    await tree.remove('a')
    tree.child('a', () => jobber([]))
  })
})
