import { spawnSync } from 'node:child_process'
import { AsyncLocalStorage } from 'node:async_hooks'
import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import { Broadcast, EscalatedError, StartError, supervisor, TimeoutError, toWire } from '../../src/actors/kernel/index.js'
import type { Decision, Logger, SupervisorOptions } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { deferred, find, jobber, recordingLogger, rejection, short } from './support.js'

const throwing = (): never => { throw new Error('disk full') }

/** What no message can be made of. */
const untellable: readonly unknown[] = [
  Object.create(null), undefined, null, Symbol('s'), { toString: throwing }, { get message() { return throwing() } },
  Object.defineProperty(new Error('x'), 'message', { get: throwing }), Proxy.revocable({}, {}).proxy, () => 1,
]
const revoked = (): unknown => { const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); return proxy }

describe('kernel: when something outside misbehaves', () => {
  const loggers: Readonly<Record<string, (name: string) => Logger>> = {
    throws: () => { const log: Logger = { trace: throwing, debug: throwing, info: throwing, warn: throwing, error: throwing, child: throwing }; return log },
    rejects() {
      const no = (): never => Promise.reject(new Error('disk full')) as never
      const log: Logger = { trace: no, debug: no, info: no, warn: no, error: no, child: () => log }
      return log
    },
    'is broken by its child': () => {
      const { log } = recordingLogger()
      return { ...log, child: () => ({ ...log, error: throwing, warn: throwing, info: throwing }) }
    },
  }
  for (const [what, make] of Object.entries(loggers)) {
    it(`K67 a logger that ${what}: siblings go on, sends do not throw, the tree restarts and stops`, async () => {
      const { supervisor: own, settle, advance } = testKit({ log: make(what) })
      const log: string[] = []
      const tree = own('app')
      const a = tree.child('a', () => jobber(log, { name: 'a', capacity: 1, init(ctx) { ctx.log.info({}, 'hello') } }))
      const b = tree.child('b', () => jobber(log, { name: 'b', stop: throwing }))
      await tree.start()
      void a.send({ type: 'boom' })
      expect(a.send({ type: 'note', n: 1 })).equal('rejected')
      a.onceTerminated(throwing)
      await settle()
      for (const n of [1, 2]) void b.send({ type: 'note', n })
      await advance(1_000)
      expect(log).deep.equal(['a init', 'b init', 'a boom', 'a stop restart', 'b note 1', 'b note 2', 'a init'])
      await tree.stop()
      expect(tree.describe().phase).equal('stopped')
    })
  }

  it('K68 what escapes a turn ends that turn, and the scheduler goes on', () => {
    const script = `
      import { TurnScheduler } from ${JSON.stringify(new URL('../../src/actors/kernel/index.js', import.meta.url).href)}
      process.on('uncaughtException', error => { console.log('escaped', error.message) })
      const scheduler = new TurnScheduler(() => performance.now())
      const runnable = run => ({ run() { run(); return 1 } })
      scheduler.ready(runnable(() => { throw new Error('x') }))
      scheduler.ready(runnable(() => { console.log('the next one') }))
      setTimeout(() => { scheduler.ready(runnable(() => { console.log('a later one') })) }, 5)
    `
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    expect(stdout.trim().split('\n')).deep.equal(['escaped x', 'the next one', 'a later one'])
  })

  it('K69 whatever is thrown: the failure is an event, escalates, is told, and crosses', async () => {
    for (const thrown of [...untellable, revoked()]) {
      const { supervisor: own, settle } = testKit()
      const events: string[] = []
      const tree = own('app', { maxRestarts: 0, onEvent: event => events.push(...short([event])) })
      const ref = tree.child('a', () => jobber([]))
      await tree.start()
      void ref.send({ type: 'call', run() { throw thrown } })
      await settle()
      expect(events).deep.equal(['started app/a', 'failed app/a escalate', 'escalated app', 'stopped app/a'])
      expect((await tree.terminated).reason).equal('escalated')
      for (const error of [new StartError('a', thrown), new EscalatedError('a', thrown), new TimeoutError('a', 1, thrown)]) {
        expect(error.message).a('string')
      }
      structuredClone(toWire(thrown))
    }
  })

  it('K69 a start that fails with it rejects, and so does a kit\'s spawn', async () => {
    const thrown: unknown = Object.create(null)
    const tree = supervisor('app')
    tree.child('a', () => jobber([], { init() { throw thrown } }))
    expect(await rejection(tree.start())).include({ code: 'start_failed', cause: thrown })
    expect(await rejection(testKit().spawn(jobber([], { init() { throw thrown } })))).instanceOf(Error)
  })

  it('K70 what is no message, and a type that nobody handles, is refused and counted; the actor goes on', async () => {
    const { spawn, settle, tree, events } = testKit()
    const log: string[] = []
    const ref = await spawn(jobber(log), { name: 'it' })
    const anything = ref as unknown as { send(message: unknown): string; offer(message: unknown): Promise<string>; ask(type: unknown, body: object, ms: number): Promise<unknown> }
    for (const message of [undefined, null, 1, 'note', {}, { type: 1 }]) {
      expect(anything.send(message)).equal('rejected')
      expect(await anything.offer(message)).equal('rejected')
    }
    const unknown = ['nothing', 'toString', 'constructor', 'valueOf', '__proto__', 'hasOwnProperty']
    for (const type of unknown) expect(anything.send({ type })).equal('ok')
    const asked = [...unknown, undefined, 7].map(type => rejection(anything.ask(type, {}, 1_000)))
    void ref.send({ type: 'note', n: 1 })
    await settle()
    for (const each of asked) expect(await each).include({ name: 'DroppedError', code: 'unknown' })
    expect(log).deep.equal(['init', 'note 1'])
    expect(find(tree.describe(), 'it')).deep.include({ depth: 0, drops: { unknown: 12 + 6 + 8 }, restarts: 0 })
    expect(events.length).equal(1)
    await tree.stop()
    expect([anything.send(null), await anything.offer(undefined)]).deep.equal(['closed', 'closed'])
  })

  it('K71 options are checked where they are given', () => {
    const bad: readonly (readonly [keyof SupervisorOptions | 'startWithin' | 'kind', unknown])[] = [
      ['maxRestarts', NaN], ['maxRestarts', -1], ['maxRestarts', 1.5], ['maxRestarts', '5'], ['within', 0], ['within', NaN], ['stableAfter', -1],
      ['stopWithin', NaN], ['stopWithin', null], ['maxChildren', NaN], ['strategy', 'one_for_none'], ['backoff', 100], ['backoff', null],
      ['decide', 'restart'], ['onEvent', {}], ['trace', 1],
    ]
    for (const [name, value] of bad) {
      expect(() => supervisor('app', { [name]: value }), `${name} ${String(value)}`).throw().deep.include({ code: 'bad_option', value })
    }
    for (const [name, value] of [['firstMs', NaN], ['maxMs', Infinity], ['factor', 0.5], ['jitter', 2]] as const) {
      expect(() => supervisor('app', { backoff: { ...plain, [name]: value } }), name).throw().deep.include({ code: 'bad_option', value })
    }
    const tree = supervisor('app')
    for (const [name, value] of [['kind', 'temp'], ['startWithin', NaN], ['stopWithin', -1], ['maxRestarts', NaN]] as const) {
      expect(() => tree.child('a', () => jobber([]), { [name]: value }), name).throw().deep.include({ code: 'bad_option', value })
      expect(() => tree.tree('a', {}, { [name]: value }), name).throw().deep.include({ code: 'bad_option', value })
    }
    for (const options of [{ capacity: NaN }, { capacity: 0 }, { maxWeight: NaN }]) {
      expect(() => new Broadcast(options)).throw().include({ code: 'bad_option' })
      expect(() => new Broadcast().subscribe(options)).throw().include({ code: 'bad_option' })
    }
    expect(tree.describe().children).deep.equal([])
  })

  it('K71 undefined counts as not given: of a tree, a child, a group of options, a subscription', async () => {
    const { supervisor: own, advance } = testKit()
    const given = { maxRestarts: undefined, stopWithin: undefined, backoff: undefined, strategy: undefined } as unknown as SupervisorOptions
    const tree = own('app', given)
    const ref = tree.child('a', () => jobber([]), { stopWithin: undefined, backoff: { firstMs: 1, maxMs: 1, factor: undefined, jitter: 0 } } as never)
    await tree.start()
    let failures = 0
    for (; tree.describe().phase === 'running'; failures++) { void ref.send({ type: 'boom' }); await advance(2) }
    expect(failures).equal(6)
    const events = new Broadcast<number>({ capacity: 2 })
    const subscriber = events.subscribe({ capacity: undefined } as never)
    for (const n of [1, 2, 3]) events.publish(n)
    expect((await subscriber.next()).value).deep.equal({ type: 'lagged', count: 1, lane: '' })
  })

  it('K71 a bad mailbox is a failed start', async () => {
    for (const name of ['capacity', 'maxWaiting', 'maxAnswering'] as const) {
      for (const value of [NaN, 0, -1, 1.5, Infinity, ...name === 'capacity' ? [undefined] : []]) {
        const spec = jobber([])
        const bad = { ...spec, mailbox: { ...spec.mailbox, [name]: value } } as typeof spec
        expect(await rejection(testKit().spawn(bad)), `${name} ${value}`).deep.include({ code: 'bad_option', value })
      }
    }
  })

  it('K72 within a root a path is one actor\'s alone, whatever the names', () => {
    const tree = supervisor('app')
    const sub = tree.tree('a')
    const paths = [sub.child('b', () => jobber([])), tree.child('a/b', () => jobber([])), tree.child('a%2Fb', () => jobber([])), tree.child('', () => jobber([]))]
      .map(({ path }) => path)
    expect(paths).deep.equal(['app/a/b', 'app/a%2Fb', 'app/a%252Fb', 'app/'])
    expect(() => tree.child('a/b', () => jobber([]))).throw().include({ code: 'duplicate_name' })
  })

  it('K72 a kit knows its actors by any name', async () => {
    const { spawn, crash, events } = testKit()
    const ref = await spawn(jobber([]), { name: 'a/b' })
    crash(ref)
    expect(short(events).slice(0, 2)).deep.equal(['started test/a%2Fb', 'failed test/a%2Fb restart'])
  })

  it('K73 promises of another realm and thenables are awaited, wherever a promise may be', async () => {
    const kit = testKit()
    const log: string[] = []
    const foreign = <T>(value: T): Promise<T> => (runInNewContext('value => Promise.resolve(value)') as (value: T) => Promise<T>)(value)
    const thenable = <T>(value: T): Promise<T> => ({ then(ok: (value: T) => void) { void Promise.resolve().then(() => { ok(value) }) } }) as unknown as Promise<T>
    const ref = await kit.spawn(jobber(log, { init: () => thenable(undefined), stop: () => foreign(undefined) }))
    for (const make of [foreign, thenable]) {
      expect(await ref.ask('compute', { run: () => make(1) }, 100)).equal(1)
      expect(await ref.ask('compute', { run: ctx => ctx.later(make(2)) }, 100)).equal(2)
      void ref.send({ type: 'call', run(ctx) { ctx.pipe(make(3), { ok: n => ({ type: 'note', n }), failed: () => ({ type: 'note', n: -1 }) }) } })
      const hold = deferred()
      void ref.send({ type: 'call', run: () => ({ then(ok: () => void) { void hold.promise.then(ok) } }) as Promise<void> })
      void ref.send({ type: 'note', n: 4 })
      await kit.settle()
      expect(log.splice(0).filter(line => line !== 'init')).deep.equal([])
      hold.resolve()
      await kit.settle()
      expect(log.splice(0)).deep.equal(['note 3', 'note 4'])
    }
    const failing = rejection(ref.ask('compute', { run: () => ({ then(_: unknown, no: (error: Error) => void) { no(new Error('foreign')) } }) as Promise<number> }, 100))
    expect((await failing).cause).include({ message: 'foreign' })
    const bad = rejection(ref.ask('compute', { run: () => ({ get then() { return throwing() } }) as unknown as Promise<number> }, 100_000))
    await kit.advance(1_000)
    expect((await bad).cause).include({ message: 'disk full' })
  })

  for (const [name, make] of [['the kit\'s scheduler', () => testKit().supervisor], ['the real one', () => supervisor]] as const) {
    it(`K74 a handler runs in nobody's AsyncLocalStorage context (${name})`, async () => {
      const storage = new AsyncLocalStorage<string>()
      const seen: (string | undefined)[] = []
      const all = deferred()
      const look = (): void => { if (seen.push(storage.getStore()) === 6) all.resolve() }
      const tree = make()('app')
      const ref = storage.run('starter', () => tree.child('a', () => jobber([], { timers: { tick: look } })))
      await storage.run('starter', () => tree.start())
      for (const request of ['one', 'two', 'three']) storage.run(request, () => { void ref.send({ type: 'call', run: look }) })
      storage.run('asker', () => { void ref.ask('compute', { async run(ctx) {
        look()
        await Promise.resolve()
        look()
        ctx.pipe(Promise.resolve(), { ok: () => ({ type: 'call', run: look }), failed: () => ({ type: 'boom' }) })
        return 1
      } }, 1_000) })
      await all.promise
      expect(seen).deep.equal(Array.from({ length: 6 }, () => undefined))
      await tree.stop()
    })
  }

  it('K46 promises that callbacks return are looked after', async () => {
    const { lines, log } = recordingLogger()
    const bad = (async () => { await Promise.resolve(); throw new Error('async') }) as () => void
    const decide = (): Decision => 'retry' as Decision
    const { supervisor: own, advance } = testKit({ log })
    const tree = own('app', { onEvent: bad, trace: bad, decide })
    const ref = tree.child('a', () => jobber([]))
    await tree.start()
    ref.onceTerminated(bad)
    void ref.send({ type: 'boom' })
    void ref.send({ type: 'note', n: 1 })
    await advance(1_000)
    expect(find(tree.describe(), 'a')).include({ phase: 'running', restarts: 1 })
    await tree.stop()
    await advance(0)
    expect([...new Set(lines.map(({ message }) => message))]).include.members([
      'onEvent threw', 'trace threw', 'a listener threw', 'decide gave an unknown decision',
    ])
  })

  it('K47 a decision that is none leaves it to the rules, a promise too', async () => {
    const { supervisor: own, advance } = testKit()
    for (const decide of [() => 'retry', () => Promise.reject(new Error('no')), () => 7]) {
      const tree = own('app', { decide: decide as () => Decision })
      const ref = tree.child('a', () => jobber([]))
      await tree.start()
      void ref.send({ type: 'boom' })
      await advance(1_000)
      expect(find(tree.describe(), 'a')).include({ phase: 'running', restarts: 1 })
    }
  })

  it('K46 the exception: what a listener on an abort signal throws, the platform reports', () => {
    const kernel = new URL('../../src/actors/kernel/index.js', import.meta.url).href
    const script = `
      import { supervisor } from ${JSON.stringify(kernel)}
      process.on('uncaughtException', error => { console.log('uncaught', error.message) })
      const tree = supervisor('app')
      tree.child('a', () => ({ name: 'a', mailbox: { capacity: 1, whenFull: {} }, receive: {},
        init(ctx) { ctx.signal.addEventListener('abort', () => { throw new Error('in a listener') }) } }))
      await tree.start()
      await tree.stop()
      console.log(tree.describe().phase)
    `
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    expect(stdout.trim().split('\n').sort()).deep.equal(['stopped', 'uncaught in a listener'])
  })
})

const plain = { firstMs: 1, maxMs: 1, factor: 1, jitter: 0 }
