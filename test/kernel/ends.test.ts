import { expect } from 'chai'
import { supervisor, treeActor } from '../../src/actors/kernel/index.js'
import type { Context, Supervisor } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { deferred, find, jobber, recordingLogger, rejection, retained, short } from './support.js'
import type { Job } from './support.js'

const plain = { backoff: { firstMs: 100, maxMs: 1_000, factor: 2, jitter: 0 } }
const never = () => deferred<number>().promise

/** The context of an actor that runs. */
async function contextOf(kit: ReturnType<typeof testKit>, log: string[] = []) {
  let ctx!: Context<Job>
  const ref = await kit.spawn(() => jobber(log, { init(own) { ctx = own } }), { name: 'it' })
  return { ref, ctx: () => ctx }
}

describe('kernel: ends', () => {
  it('K25 a handler that ends after it was abandoned: the stop hook runs then, its throw is logged, the next incarnation does not notice', async () => {
    for (const how of ['restart', 'stop'] as const) {
      const { lines, log: logger } = recordingLogger()
      const { spawn, settle, advance, crash, tree } = testKit({ log: logger })
      const log: string[] = []
      const hold = deferred()
      const ref = await spawn(() => jobber(log), { name: 'it', stopWithin: 300 })
      const asked = rejection(ref.ask('compute', { async run() { await hold.promise; throw new Error('late one') } }, 60_000))
      await settle()
      if (how === 'restart') crash(ref)
      else void tree.remove('it')
      await advance(1_000)
      expect(await asked).include({ code: 'interrupted' })
      const before = log.length
      hold.resolve()
      await settle()
      expect(log.slice(before)).deep.equal([`stop ${how}`])
      expect(lines.filter(({ fields }) => (fields['err'] as Error | undefined)?.message === 'late one').length).equal(1)
      expect(tree.describe().deadLetters).deep.equal({})
      if (how === 'stop') continue
      void ref.send({ type: 'note', n: 1 })
      await settle()
      expect(log.slice(before + 1)).deep.equal(['note 1'])
      expect(find(tree.describe(), 'it')).include({ handled: 1, restarts: 1 })
    }
  })

  it('K25 a handler that succeeds late answers nobody and counts nowhere', async () => {
    const { spawn, settle, advance, crash, tree } = testKit()
    const hold = deferred<number>()
    const ref = await spawn(() => jobber([]), { name: 'it', stopWithin: 300 })
    const asked = rejection(ref.ask('compute', { run: async ctx => { const n = await hold.promise; return ctx.later(Promise.resolve(n)) as unknown as number } }, 60_000))
    await settle()
    crash(ref)
    await advance(1_000)
    hold.resolve(1)
    await settle()
    expect(await asked).include({ code: 'interrupted' })
    expect(find(tree.describe(), 'it')).deep.include({ handled: 0, answering: 0, drops: {} })
  })

  it('K21 who waits for a later answer is told at the failure, with its cause, not at the end', async () => {
    const { supervisor: own, settle, advance } = testKit()
    const events: string[] = []
    const tree = own('app', { ...plain, strategy: 'rest_for_one', onEvent: event => events.push(...short([event])) })
    const a = tree.child('a', () => jobber([]))
    let seen: unknown
    const b = tree.child('b', () => jobber([]))
    await tree.start()
    void b.send({ type: 'call', async run() {
      seen = await rejection(a.ask('compute', { run: ctx => ctx.later(never()) }, 60_000))
    } })
    await settle()
    const error = new Error('boom')
    void a.send({ type: 'boom', error })
    await settle()
    expect(seen).include({ code: 'interrupted', cause: error })
    await advance(1_000)
    expect(events.filter(event => event.startsWith('overdue'))).deep.equal([])
  })

  it('K19 an answer is due only as long as somebody waits: giving up during the handler leaves nothing', async () => {
    const kit = testKit()
    const { ref } = await contextOf(kit)
    const cancel = new AbortController()
    const during = rejection(ref.ask('compute', { run(ctx) { cancel.abort(); return ctx.later(never()) } }, cancel.signal))
    const awaited = rejection(ref.ask('compute', { async run(ctx) {
      await new Promise(resolve => { ctx.askSignal?.addEventListener('abort', resolve) })
      return ctx.later(never()) as unknown as number
    } }, 10))
    await kit.advance(20)
    expect([(await during).message.length > 0, (await awaited).message.length > 0]).deep.equal([true, true])
    expect(find(kit.tree.describe(), 'it').answering).equal(0)
  })

  it('K17 askSignal is aborted with the incarnation: in the handler that runs, for an answer that is due, and asked for late', async () => {
    for (const end of ['crash', 'stop'] as const) {
      const kit = testKit()
      const { ref, ctx } = await contextOf(kit)
      const signals: (AbortSignal | undefined)[] = []
      const asked = [ref.ask('compute', { run(own) { signals.push(own.askSignal); return own.later(never()) } }, 60_000), ref.ask('compute', { async run(own) {
        signals.push(own.askSignal)
        await new Promise(resolve => { own.signal.addEventListener('abort', resolve) })
        signals.push(own.askSignal)
        return 1
      } }, 60_000)]
      const outcomes = Promise.allSettled(asked)
      await kit.settle()
      expect(signals.map(signal => signal?.aborted)).deep.equal([false, false])
      if (end === 'crash') ctx().fail(new Error('x'))
      else void kit.tree.stop()
      await kit.settle()
      expect(signals.map(signal => signal?.aborted)).deep.equal([true, true, true])
      expect((await outcomes).map(({ status }) => status)).deep.equal(['rejected', 'fulfilled'])
    }
  })

  it('K17 one signal for both: nothing is kept of asks that were answered', async () => {
    const kit = testKit()
    const { ref } = await contextOf(kit)
    const bytes = await retained(async () => {
      for (let n = 0; n < 5_000; n++) {
        await ref.ask('compute', { run(ctx) { ctx.askSignal?.addEventListener('abort', () => undefined); return 1 } }, 1_000)
      }
    })
    expect(bytes).lessThan(1_000_000)
  })

  it('K27 ctx.fail in an init that hangs: the signal tells init at once, and the time-out has its cause', async () => {
    const kit = testKit()
    const error = new Error('no disk')
    const tree = kit.supervisor('app')
    let abortedAt = -1
    tree.child('it', () => jobber([], { init(ctx) {
      const begun = ctx.clock.monotonic()
      ctx.signal.addEventListener('abort', () => { abortedAt = ctx.clock.monotonic() - begun })
      ctx.fail(error)
      return deferred().promise
    } }), { startWithin: 200 })
    const starting = rejection(tree.start())
    await kit.advance(200)
    expect(abortedAt).equal(0)
    expect((await starting).cause).include({ code: 'timeout', value: 200, cause: error })
    expect((await starting).message).include('no disk')
  })

  it('K27 an init that heeds it fails at once, with what was given to ctx.fail, and what it made goes to the stop hook', async () => {
    const own = new Error('its own')
    for (const end of ['gives', 'throws the reason', 'throws its own'] as const) {
      const log: string[] = []
      const error = new Error('no disk')
      const kit = testKit()
      const tree = kit.supervisor('app')
      tree.child('it', () => jobber(log, { async init(ctx) {
        ctx.fail(error)
        await new Promise(resolve => { if (ctx.signal.aborted) resolve(undefined) })
        if (end === 'throws the reason') ctx.signal.throwIfAborted()
        if (end === 'throws its own') throw own
      } }))
      expect((await rejection(tree.start())).cause).equal(end === 'throws its own' ? own : error)
      expect(log).deep.equal(end === 'gives' ? ['init', 'stop stop'] : ['init'])
    }
  })

  it('K26 a start that is only late has no cause', async () => {
    const kit = testKit()
    const tree = kit.supervisor('app')
    tree.tree('sub', {}, { startWithin: 100 }).child('it', () => jobber([], { init: () => deferred().promise }))
    const starting = rejection(tree.start())
    await kit.advance(100)
    const { cause } = await starting
    expect(cause).include({ code: 'timeout', value: 100 })
    expect((cause as Error).cause).equal(undefined)
  })

  it('K36 a child that is added during the start comes after those declared, and belongs to the start', async () => {
    for (const fails of [false, true]) {
      const kit = testKit()
      const log: string[] = []
      const slow = deferred()
      const tree: Supervisor = kit.supervisor('app', { onEvent(event) {
        if (event.type !== 'started' || event.path !== 'app/a') return
        tree.child('added', () => jobber(log, { name: 'added', init() { if (fails) throw new Error('no') } }))
      } })
      tree.child('a', () => jobber(log, { name: 'a' }))
      tree.child('b', () => jobber(log, { name: 'b', init: () => slow.promise }))
      tree.child('c', () => jobber(log, { name: 'c' }))
      const starting = fails ? rejection(tree.start()) : tree.start()
      await kit.settle()
      slow.resolve()
      const end = await starting
      expect(log.slice(0, 4)).deep.equal(['a init', 'b init', 'c init', 'added init'])
      if (fails) expect(end).include({ code: 'start_failed', value: 'app/added' })
      else expect(tree.describe().children.map(({ phase }) => phase)).deep.equal(['running', 'running', 'running', 'running'])
      await kit.stop()
    }
  })

  it('K42 a transient child that asks for its end while its group is ended is gone', async () => {
    for (const asks of ['before its own turn comes', 'in the handler that is awaited']) {
      const kit = testKit()
      const log: string[] = []
      const slow = deferred()
      const tree = kit.supervisor('app', { ...plain, strategy: 'one_for_all' })
      const a = tree.child('a', () => jobber(log, { name: 'a' }))
      const b = tree.child('b', () => jobber(log, { name: 'b' }), { kind: 'transient' })
      tree.child('c', () => jobber(log, { name: 'c', stop: () => asks.startsWith('before') ? slow.promise : undefined }))
      await tree.start()
      if (!asks.startsWith('before')) void b.send({ type: 'call', async run(ctx) { await slow.promise; ctx.stop() } })
      await kit.settle()
      void a.send({ type: 'boom' })
      await kit.settle()
      if (asks.startsWith('before')) void b.send({ type: 'call', run(ctx) { ctx.stop() } })
      await kit.settle()
      slow.resolve()
      await kit.advance(1_000)
      expect(tree.describe().children.map(({ name, phase }) => `${name} ${phase}`), asks).deep.equal(['a running', 'c running'])
      expect(log.filter(line => line === 'b init').length).equal(1)
      await kit.stop()
    }
  })

  it('K28 a stop hook that ends something which calls ctx.stop is no wish to end: a tree actor is restarted with its group', async () => {
    const kit = testKit()
    const log: string[] = []
    const tree = kit.supervisor('app', { ...plain, strategy: 'one_for_all' })
    const a = tree.child('a', () => jobber(log, { name: 'a' }))
    tree.child('sub', () => treeActor('sub', ctx => {
      const inner = supervisor('inner', { under: ctx })
      inner.child('x', () => jobber(log, { name: 'x' }))
      return inner
    }), { kind: 'transient' })
    await tree.start()
    void a.send({ type: 'boom' })
    await kit.advance(1_000)
    expect(tree.describe().children.map(({ name, phase }) => `${name} ${phase}`)).deep.equal(['a running', 'sub running'])
    await kit.stop()
  })

  it('K79 ctx.children runs at once, below the actor; its failures are restarted there, its escalation is the actor\'s failure', async () => {
    const kit = testKit()
    const log: string[] = []
    const { ctx } = await contextOf(kit)
    const child = ctx().children.child('worker', () => jobber(log, { name: 'w' }), plain)
    await kit.settle()
    expect([child.path, log]).deep.equal(['test/it/children/worker', ['w init']])
    expect(find(kit.tree.describe(), 'it').holds[0]?.children.map(({ path }) => path)).deep.equal([child.path])
    void child.send({ type: 'boom' })
    await kit.advance(100)
    expect(log).deep.equal(['w init', 'w boom', 'w stop restart', 'w init'])
    expect(ctx().children === ctx().children).equal(true)
    const before = ctx()
    for (let n = 0; n < 5; n++) { void child.send({ type: 'boom' }); await kit.advance(2_000) }
    await kit.advance(1_000)
    expect(short(kit.events).slice(0, 2)).deep.equal(['started test/it', 'failed test/it restart'])
    expect(ctx() === before).equal(false)
  })

  it('K80 what an actor holds ends with its incarnation: after its handler, in reverse order, before the stop hook', async () => {
    for (const end of ['crash', 'stop'] as const) {
      const kit = testKit()
      const log: string[] = []
      const { ref, ctx } = await contextOf(kit, log)
      for (const name of ['a', 'b']) ctx().children.child(name, () => jobber(log, { name }))
      const own = supervisor('own', { under: ctx() })
      own.child('c', () => jobber(log, { name: 'c' }))
      await own.start()
      const hold = deferred()
      void ref.send({ type: 'call', async run() { await hold.promise; log.push('handled') } })
      await kit.settle()
      log.length = 0
      const old = ctx()
      if (end === 'crash') old.fail(new Error('x'))
      else void kit.tree.stop()
      await kit.settle()
      expect(log).deep.equal([])
      hold.resolve()
      await kit.advance(end === 'crash' ? 1_000 : 0)
      expect(log.slice(0, 5)).deep.equal(['handled', 'c stop stop', 'b stop stop', 'a stop stop', `stop ${end === 'crash' ? 'restart' : 'stop'}`])
      expect(own.describe().phase).equal('stopped')
      expect(() => old.children).throw().include({ code: 'closed' })
      expect(() => supervisor('late', { under: old })).throw().include({ code: 'closed' })
    }
  })

  it('K80 a start that fails, and an incarnation that is abandoned, take what they hold along', async () => {
    const kit = testKit()
    const log: string[] = []
    const begins = async (ctx: Context<Job>) => { ctx.children.child('a', () => jobber(log, { name: 'a' })); await Promise.resolve() }
    await rejection(kit.spawn(jobber([], { async init(ctx) { await begins(ctx); throw new Error('no') } })))
    await kit.settle()
    expect(log.splice(0)).deep.equal(['a init', 'a stop stop'])
    const { ref, ctx } = await contextOf(kit)
    await begins(ctx())
    void ref.send({ type: 'call', run: () => deferred().promise })
    await kit.settle()
    const old = ctx()
    let aborted = false
    old.children.child('b', () => jobber(log, { name: 'b', init({ signal }) { signal.addEventListener('abort', () => { aborted = true }) } }))
    await kit.settle()
    old.fail(new Error('x'))
    await kit.advance(5_000)
    expect(aborted).equal(true)
    expect(log).include('b stop stop')
    expect(ctx() === old).equal(false)
  })

  it('K51 a tree that has ended is no longer held', async () => {
    const kit = testKit()
    const { ctx } = await contextOf(kit)
    for (let n = 0; n < 50; n++) {
      const session = supervisor(`session ${n}`, { under: ctx() })
      session.child('x', () => jobber([]))
      await session.start()
      await session.stop()
    }
    expect(find(kit.tree.describe(), 'it').holds).deep.equal([])
  })

  it('K81 an actor that waits for its own removal is abandoned; not waiting, it ends in the regular way', async () => {
    const kit = testKit()
    const log: string[] = []
    const waits = await kit.spawn(jobber(log, { name: 'w' }), { name: 'w' })
    void waits.send({ type: 'call', run: () => kit.tree.remove('w') })
    await kit.advance(4_999)
    expect(log).deep.equal(['w init'])
    await kit.advance(1)
    expect(short(kit.events)).deep.equal(['started test/w', 'overdue test/w 5000', 'stopped test/w'])
    const goes = await kit.spawn(jobber(log, { name: 'g' }), { name: 'g' })
    void goes.send({ type: 'call', run() { void kit.tree.remove('g') } })
    await kit.settle()
    expect(log.slice(-2)).deep.equal(['g init', 'g stop stop'])
  })
})
