import { expect } from 'chai'
import type { Context } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { deferred, find, jobber, rejection } from './support.js'
import type { Job } from './support.js'

async function started() {
  const kit = testKit()
  const log: string[] = []
  let context!: Context<Job>
  const ref = await kit.spawn(() => jobber(log, { init(ctx) { context = ctx } }), { name: 'it' })
  log.length = 0
  return { ...kit, log, ref, ctx: context, drops: () => find(kit.tree.describe(), 'it').drops }
}

describe('kernel: timers, pipes, watches', () => {
  it('K29 after runs once, every again and again', async () => {
    const { ctx, log, clock } = await started()
    ctx.after('tick', 10)
    ctx.every('tock', 25)
    clock.advance(100)
    expect(log).deep.equal(['tick', 'tock', 'tock', 'tock', 'tock'])
  })

  it('K29 a second start under a key replaces the first, cancel ends it', async () => {
    const { ctx, log, clock } = await started()
    ctx.every('tick', 10)
    ctx.after('tick', 30)
    clock.advance(29)
    expect(log).deep.equal([])
    clock.advance(1)
    expect(log).deep.equal(['tick'])
    ctx.every('tick', 10)
    ctx.cancel('tick')
    ctx.cancel('tock')
    clock.advance(100)
    expect(log).deep.equal(['tick'])
    expect(clock.pending).equal(0)
  })

  it('K29 a tick on its way when its key is cancelled or started anew is not delivered', async () => {
    const { ref, log, clock, settle } = await started()
    const hold = deferred()
    void ref.send({ type: 'call', async run(ctx) {
      ctx.after('tick', 10)
      ctx.every('tock', 10)
      await hold.promise
      ctx.after('tick', 50)
      ctx.cancel('tock')
    } })
    await settle()
    clock.advance(10)
    hold.resolve()
    await settle()
    expect(log).deep.equal([])
    clock.advance(49)
    expect(log).deep.equal([])
    clock.advance(1)
    expect(log).deep.equal(['tick'])
  })

  it('K30 a tick that finds the former one waiting is left out', async () => {
    const { ref, log, clock, settle } = await started()
    const hold = deferred()
    void ref.send({ type: 'call', run(ctx) { ctx.every('tick', 10); return hold.promise } })
    await settle()
    clock.advance(1_000)
    hold.resolve()
    await settle()
    expect(log).deep.equal(['tick'])
    clock.advance(10)
    expect(log).deep.equal(['tick', 'tick'])
  })

  it('K31 timers end with the incarnation, also those that its stop hook starts', async () => {
    const { spawn, clock, crash, advance, stop } = testKit()
    const log: string[] = []
    const ref = await spawn(() => jobber(log, { init(ctx) { ctx.every('tick', 300) }, stop(ctx) { ctx.after('tock', 1) } }))
    clock.advance(300)
    crash(ref)
    await advance(299)
    expect(log).deep.equal(['init', 'tick', 'stop restart', 'init'])
    await advance(200)
    expect(log.slice(4)).deep.equal(['tick'])
    await stop()
    expect(clock.pending).equal(0)
  })

  it('K32 an unknown key and a bad delay throw', async () => {
    const { ctx } = await started()
    expect(() => { ctx.after('tik', 1) }).throw().include({ code: 'unknown_timer', value: 'tik' })
    expect(() => { ctx.after('toString', 1) }).throw().include({ code: 'unknown_timer' })
    expect(() => { ctx.every('tick', -1) }).throw().include({ code: 'bad_delay', value: -1 })
    expect(() => { ctx.after('tick', Infinity) }).throw().include({ code: 'bad_delay' })
  })

  it('K33 the outcome of a promise comes back as a message, ahead of the queue', async () => {
    const { ctx, ref, log, settle } = await started()
    const hold = deferred()
    void ref.send({ type: 'call', run: () => hold.promise })
    await settle()
    void ref.send({ type: 'note', n: 3 })
    ctx.pipe(Promise.resolve(1), { ok: n => ({ type: 'note', n }), failed: () => ({ type: 'note', n: -1 }) })
    ctx.pipe(Promise.reject(new Error('no')), {
      ok: () => ({ type: 'note', n: 0 }),
      failed: error => ({ type: 'latest', key: (error as Error).message, n: 2 }),
    })
    await settle()
    hold.resolve()
    await settle()
    expect(log).deep.equal(['note 1', 'latest no 2', 'note 3'])
  })

  it('K33 after a restart it is dropped and counted, also when it was on its way already', async () => {
    const { ctx, ref, log, settle, crash, advance, drops } = await started()
    const outcome = deferred<number>()
    const hold = deferred()
    void ref.send({ type: 'call', run: () => hold.promise })
    await settle()
    const then = { ok: (n: number) => ({ type: 'note', n } as const), failed: () => ({ type: 'note', n: -1 } as const) }
    ctx.pipe(Promise.resolve(1), then)
    ctx.pipe(outcome.promise, then)
    await settle()
    crash(ref)
    hold.resolve()
    await settle()
    outcome.resolve(2)
    await advance(1_000)
    expect(log).deep.equal(['stop restart', 'init'])
    expect(drops()).deep.equal({ stale: 2 })
  })

  it('K33 a mapping that throws is a failure of the actor', async () => {
    const { ctx, settle, events } = await started()
    ctx.pipe(Promise.resolve(1), { ok() { throw new Error('map') }, failed: () => ({ type: 'note', n: -1 }) })
    await settle()
    expect(events.some(event => event.type === 'failed' && (event.error as Error).message === 'map')).equal(true)
  })

  it('K34 one terminated, for the living and for the dead, however often it is watched', async () => {
    const { ctx, log, spawn, tree, settle } = await started()
    const other = await spawn(jobber([]), { name: 'other' })
    ctx.watch(other)
    ctx.watch(other)
    await settle()
    expect(log).deep.equal([])
    await tree.remove('other')
    await settle()
    expect(log).deep.equal(['gone test/other'])
    ctx.watch(other)
    await settle()
    expect(log).deep.equal(['gone test/other', 'gone test/other'])
  })

  it('K34 none for a restart, one when a child is given up', async () => {
    const { ctx, log, spawn, crash, advance } = await started()
    const other = await spawn(() => jobber([]), { name: 'other', kind: 'transient' })
    ctx.watch(other)
    crash(other)
    await advance(1_000)
    expect(log).deep.equal([])
    void other.send({ type: 'call', run(own) { own.stop() } })
    await advance(0)
    expect(log).deep.equal(['gone test/other'])
  })

  it('K34 a child that never started ends too', async () => {
    const { ctx, log, supervisor, settle } = await started()
    const tree = supervisor('app')
    ctx.watch(tree.child('never', () => jobber([])))
    await tree.stop()
    await settle()
    expect(log).deep.equal(['gone app/never'])
  })

  it('K35 watches end with the incarnation, and the watched holds nothing of it', async () => {
    const { ctx, log, probe, ref, crash, advance } = await started()
    const other = probe('other')
    let listeners = 0
    const counted = { path: other.path, onceTerminated(listener: () => void) {
      listeners++
      const off = other.onceTerminated(listener)
      return () => { listeners--; off() }
    } }
    ctx.watch(counted)
    expect(listeners).equal(1)
    crash(ref)
    await advance(1_000)
    expect(listeners).equal(0)
    other.end()
    await advance(0)
    expect(log).deep.equal(['stop restart', 'init'])
  })

  it('K27 a handler that rejects after ctx.fail is logged, and the failure counts once', async () => {
    const { ref, events, advance } = await started()
    const asked = rejection(ref.ask('compute', { async run(ctx) {
      ctx.fail(new Error('first'))
      await Promise.resolve()
      throw new Error('second')
    } }, 100))
    await advance(1_000)
    expect(await asked).include({ code: 'crashed' })
    expect(events.filter(event => event.type === 'failed').length).equal(1)
  })
})
