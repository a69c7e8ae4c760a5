import { spawnSync } from 'node:child_process'
import { expect } from 'chai'
import { Broadcast, seconds } from '../../src/actors/kernel/index.js'
import type { Lagged, SupervisorEvent } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { deferred, jobber, short } from './support.js'

type Event = { readonly type: 'block'; readonly n: number } | { readonly type: 'error'; readonly n: number }

/** Rows of the hardening list that the kernel carries. */
describe('kernel: hardening', () => {
  it('H20 a slow subscriber is told exactly what it missed; others and the publisher are not held up', async () => {
    const events = new Broadcast<Event>({ capacity: 256 })
    const [slow, fast] = [events.subscribe(), events.subscribe()]
    const received: number[] = []
    for (let n = 0; n < 10_000; n++) {
      events.publish({ type: 'block', n })
      const { value } = await fast.next() as { value: Event }
      received.push(value.n)
    }
    expect(received.length).equal(10_000)
    events.close()
    let lost = 0
    const kept: number[] = []
    for await (const event of slow) if (event.type === 'lagged') lost += event.count; else kept.push(event.n)
    expect([lost, kept.length, kept[0], kept.at(-1)]).deep.equal([10_000 - 256, 256, 10_000 - 256, 9_999])
  })

  it('H21 a flood of errors takes no room from data', async () => {
    const events = new Broadcast<Event>({ capacity: 64, lane: ({ type }) => type === 'error' ? 'notices' : 'data' })
    const subscriber = events.subscribe()
    for (let n = 0; n < 64; n++) {
      events.publish({ type: 'block', n })
      for (let more = 0; more < 100; more++) events.publish({ type: 'error', n: more })
    }
    events.close()
    const blocks: number[] = []
    const lagged: Lagged[] = []
    for await (const event of subscriber) {
      if (event.type === 'block') blocks.push(event.n)
      if (event.type === 'lagged') lagged.push(event)
    }
    expect(blocks).deep.equal(Array.from({ length: 64 }, (_, n) => n))
    expect(lagged.every(({ lane }) => lane === 'notices')).equal(true)
    expect(lagged.reduce((sum, { count }) => sum + count, 0)).equal(6_400 - 64)
  })

  it('H30 a handler that throws does not end the process: the actor is restarted, the application gets the event', async () => {
    const events: SupervisorEvent[] = []
    const { spawn, advance } = testKit({ onEvent: event => events.push(event) })
    const log: string[] = []
    const error = new Error('in a handler')
    const ref = await spawn(() => jobber(log), { name: 'it' })
    void ref.send({ type: 'boom', error })
    void ref.send({ type: 'call', run: () => Promise.reject(error) })
    void ref.send({ type: 'note', n: 1 })
    await advance(seconds(2))
    expect(log.at(-1)).equal('note 1')
    expect(events.filter(event => event.type === 'failed')).deep.equal([
      { type: 'failed', path: 'test/it', error, action: 'restart' }, { type: 'failed', path: 'test/it', error, action: 'restart' },
    ])
    expect(short(events).filter(event => event.startsWith('restarted')).length).equal(2)
  })

  it('H30 nor do rejections of pipes, later answers, offers that nobody looks at, in a process of its own', () => {
    const kernel = new URL('../../src/actors/kernel/index.js', import.meta.url).href
    const script = `
      import { supervisor, actor, mailbox, reject } from ${JSON.stringify(kernel)}
      const tree = supervisor('app', { maxRestarts: 100, backoff: { firstMs: 0, maxMs: 0, factor: 1, jitter: 0 } })
      const ref = tree.child('it', () => actor({
        name: 'it', mailbox: mailbox({ capacity: 10, whenFull: { bad: reject('-') } }), init: () => 0,
        receive: { bad(_, { run }, ctx) { return run(ctx) } },
      }))
      await tree.start()
      const no = () => Promise.reject(new Error('no'))
      for (const run of [
        () => { throw new Error('no') }, no, ctx => ctx.later(no()), ctx => { ctx.later(no()) },
        ctx => { ctx.pipe(no(), { ok: () => 0, failed() { throw new Error('map') } }) },
        ctx => { ctx.fail(new Error('no')) }, ctx => { ctx.after('nothing', 1) },
      ]) ref.send({ type: 'bad', run })
      const settled = () => tree.describe().restarts >= 4 && tree.describe().children[0].phase === 'running'
      while (!settled()) await new Promise(resolve => setTimeout(resolve, 1))
      console.log(tree.describe().children[0].phase, tree.describe().restarts)
      await tree.stop()
    `
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    expect([status, stdout.trim(), stderr]).deep.equal([0, 'running 4', ''])
  })

  it('H32 a stop ends within its deadline though handlers, hooks and starts hang', async () => {
    const { supervisor, settle, advance, clock } = testKit()
    const tree = supervisor('app', { stopWithin: seconds(20) })
    const never = () => deferred().promise
    const hanging = tree.child('handler', () => jobber([]))
    tree.child('hook', () => jobber([], { stop: never }))
    const sub = tree.tree('sub', { stopWithin: seconds(8) })
    sub.child('deep hook', () => jobber([], { stop: never }), { stopWithin: seconds(60) })
    await tree.start()
    tree.child('start', () => jobber([], { init: never }), { stopWithin: seconds(3) })
    void hanging.send({ type: 'call', run: never })
    await settle()
    let stoppedAt: number | undefined
    const begun = clock.monotonic()
    void tree.stop().then(() => { stoppedAt = clock.monotonic() - begun })
    await advance(seconds(20))
    expect(stoppedAt).equal(seconds(3 + 8 + 5) + seconds(4))
    expect(clock.pending).equal(0)
    expect(hanging.send({ type: 'note', n: 1 })).equal('closed')
  })
})
