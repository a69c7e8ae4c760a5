import { createHook } from 'node:async_hooks'
import { expect } from 'chai'
import { actor, Handle, mailbox, reject, seconds } from '../../src/actors/kernel/index.js'
import type { Ask, Port, Ref } from '../../src/actors/kernel/index.js'
import { crashing, interleavings, ManualClock, testKit } from '../../src/actors/kernel/testing/index.js'
import { deferred, jobber, rejection, short } from './support.js'
import type { Job } from './support.js'

type StockMessage = Ask<'level', { readonly item: string }, number> | { readonly type: 'reserve'; readonly item: string }
type Notice = { readonly type: 'soldOut'; readonly item: string } | { readonly type: 'sold'; readonly item: string }
type Order =
  | { readonly type: 'order'; readonly item: string }
  | { readonly type: 'looked'; readonly item: string; readonly level: number }

class Stock extends Handle<StockMessage> {
  level(item: string) { return this.ask('level', { item }, seconds(1)) }
  reserve(item: string) { return this.send({ type: 'reserve', item }) }
}

/** An actor of some application: asks another one, tells a port. */
const shop = ({ stock, notices }: { readonly stock: Stock; readonly notices: Port<Notice> }) => actor<Order, undefined>({
  name: 'shop',
  mailbox: mailbox<Order>({ capacity: 10, whenFull: { order: reject('the customer is told'), looked: reject('never full') } }),
  init: () => undefined,
  receive: {
    order(_, { item }, ctx) {
      ctx.pipe(stock.level(item), {
        ok: level => ({ type: 'looked', item, level }),
        failed: () => ({ type: 'looked', item, level: 0 }),
      })
    },
    looked(_, { item, level }) {
      if (level > 0 && stock.reserve(item) === 'ok') void notices.send({ type: 'sold', item })
      else void notices.send({ type: 'soldOut', item })
    },
  },
})

describe('kernel: test kit', () => {
  it('K66 an actor is tested with mocked mailboxes: no network, no thread, no real time', async () => {
    await new Promise(resolve => { setImmediate(resolve) }) // mocha's own timer is set by now
    const resources: string[] = []
    const harmless = /PROMISE|Immediate|Microtask|TickObject/
    const hook = createHook({ init(_, type) { if (!harmless.test(type)) resources.push(type) } }).enable()
    const { spawn, probe, settle, clock } = testKit()
    const [stock, notices] = [probe<StockMessage>('stock'), probe<Notice>('notices')]
    stock.answer('level', ({ item }) => item === 'tea' ? 3 : 0)
    const ref = await spawn(shop({ stock: new Stock(stock), notices }))
    for (const item of ['tea', 'milk']) void ref.send({ type: 'order', item })
    await settle()
    hook.disable()
    notices.expect('sold', { item: 'tea' })
    notices.expect('soldOut', { item: 'milk' })
    notices.expectNone()
    stock.expect('reserve', { item: 'tea' })
    expect(resources).deep.equal([])
    expect(clock.pending).equal(0)
  })

  it('K66 a probe gives the feedback it is told to give, and takes nothing it refuses', async () => {
    const { spawn, probe, settle } = testKit()
    const [stock, notices] = [probe<StockMessage>('stock').answer('level', () => 1), probe<Notice>()]
    const ref = await spawn(shop({ stock: new Stock(stock), notices }))
    stock.feedback = 'backoff'
    void ref.send({ type: 'order', item: 'tea' })
    await settle()
    stock.expect('reserve')
    notices.expect('soldOut')
    stock.feedback = 'rejected'
    expect([stock.send({ type: 'reserve', item: 'a' }), await rejection(stock.ask('level', { item: 'a' }, 10))])
      .deep.include('rejected').and.property('1').include({ code: 'rejected' })
    expect(stock.received.filter(({ type }) => type === 'reserve').length).equal(1)
    const waiting = stock.offer({ type: 'reserve', item: 'b' })
    expect(stock.received.length).equal(2)
    stock.feedback = 'ok'
    expect(await waiting).equal('ok')
    stock.expect('reserve', { item: 'b' })
    stock.end()
    expect(await stock.offer({ type: 'reserve', item: 'a' })).equal('closed')
  })

  it('K66 expectations say what there was instead; within waits on the manual clock', async () => {
    const { spawn, probe } = testKit()
    const notices = probe<Notice>('notices')
    void notices.send({ type: 'sold', item: 'tea' })
    expect(() => notices.expect('sold', { item: 'milk' })).throw(/notices: expected sold .*milk.*have .*tea/)
    expect(() => { notices.expectNone('sold') }).throw(/expected no sold, got .*tea/)
    notices.expectNone('soldOut')
    expect(notices.expectWhere(({ item }) => item.startsWith('t'))).deep.equal({ type: 'sold', item: 'tea' })
    const ref = await spawn(jobber([], {
      init(ctx) { ctx.after('tick', 400) },
      timers: { tick() { void notices.send({ type: 'soldOut', item: 'b' }) } },
    }))
    expect(ref.path).equal('test/jobber-1')
    expect(await rejection(notices.within(399, () => notices.expect('soldOut')))).include({ code: 'expected' })
    expect(await notices.within(1, () => notices.expect('soldOut'))).deep.equal({ type: 'soldOut', item: 'b' })
  })

  it('K66 a probe without an answer lets an ask time out, and its end is a terminated', async () => {
    const { probe, clock, spawn, settle } = testKit()
    const log: string[] = []
    const stock = probe<StockMessage>('stock')
    const asked = rejection(stock.ask('level', { item: 'tea' }, 50))
    clock.advance(50)
    expect(await asked).include({ code: 'timeout' })
    const ref = await spawn(jobber(log))
    void ref.send({ type: 'call', run(ctx) { ctx.watch(stock) } })
    await settle()
    stock.end()
    await settle()
    expect(log).deep.equal(['init', 'gone stock'])
  })

  it('K63 settle follows chains of actors and promises to their end, in no time', async () => {
    const { spawn, settle, clock } = testKit()
    const log: string[] = []
    const before = clock.now()
    let next: Ref<Job> | undefined
    for (let n = 0; n < 20; n++) {
      const target = next
      next = await spawn(jobber([], { name: `hop ${n}` }))
      const own = next
      void own.send({ type: 'call', async run() {
        for (let turn = 0; turn < 10; turn++) await Promise.resolve()
        void target?.send({ type: 'note', n })
        log.push(`hop ${n}`)
      } })
    }
    await settle()
    expect([log.length, clock.now()]).deep.equal([20, before])
  })

  it('K64 timers fire in the order of their times, then of their setting; what they set falls due in the same advance', () => {
    const clock = new ManualClock(0)
    const fired: string[] = []
    const note = (what: string) => (): void => { fired.push(`${what} at ${clock.now()}`) }
    clock.setTimeout(note('late'), 30)
    clock.setTimeout(note('first'), 10)
    clock.setTimeout(() => { note('second')(); clock.setTimeout(note('nested'), 5) }, 10)
    clock.clearTimeout(clock.setTimeout(note('never'), 10))
    expect(clock.next).equal(10)
    clock.advance(20)
    expect(fired).deep.equal(['first at 10', 'second at 10', 'nested at 15'])
    expect([clock.now(), clock.monotonic(), clock.pending]).deep.equal([20, 20, 1])
    clock.jump(-1_000)
    clock.advance(10)
    expect(fired.at(-1)).equal('late at -970')
    expect([clock.now(), clock.monotonic()]).deep.equal([-970, 30])
  })

  it('K64 in a kit, ready actors have run before time moves, so they see the time of their messages', async () => {
    const { spawn, clock } = testKit()
    const seen: number[] = []
    const ref = await spawn(jobber([]))
    const start = clock.monotonic()
    for (let n = 0; n < 3; n++) {
      void ref.send({ type: 'call', run(ctx) { seen.push(ctx.clock.monotonic() - start) } })
      clock.advance(seconds(10))
    }
    expect(seen).deep.equal([0, 10_000, 20_000])
  })

  it('K65 seeds permute ready actors, never the order within one, and the same seed gives the same', async () => {
    const run = async (seed?: number): Promise<string[]> => {
      const { spawn, settle } = testKit(seed === undefined ? {} : { seed })
      const log: string[] = []
      const refs = await Promise.all(['a', 'b', 'c'].map(name => spawn(jobber(log, { name }))))
      log.length = 0
      for (let n = 0; n < 3; n++) for (const ref of refs) void ref.send({ type: 'note', n })
      await settle()
      return log
    }
    const orders = new Set<string>()
    for (let seed = 0; seed < 50; seed++) {
      const log = await run(seed)
      for (const name of 'abc') {
        expect(log.filter(line => line.startsWith(name))).deep.equal([0, 1, 2].map(n => `${name} note ${n}`))
      }
      orders.add(log.join())
    }
    expect(orders.size).greaterThan(30)
    expect(await run(3)).deep.equal(await run(3))
    expect((await run()).slice(0, 3)).deep.equal(['a note 0', 'b note 0', 'c note 0'])
  })

  it('K65 interleavings finds a race and names its seed; with it the race comes again', async () => {
    /** Two writers; the reader believes that the first always comes first. */
    const race = async ({ spawn, settle }: ReturnType<typeof testKit>): Promise<void> => {
      const log: string[] = []
      const [a, b] = [await spawn(jobber(log, { name: 'a' })), await spawn(jobber(log, { name: 'b' }))]
      log.length = 0
      void a.send({ type: 'note', n: 1 })
      void b.send({ type: 'note', n: 2 })
      await settle()
      expect(log).deep.equal(['a note 1', 'b note 2'])
    }
    const found = await rejection(interleavings({ runs: 100 }, race))
    expect(found).include({ code: 'failed_with_seed' })
    expect(found.message).match(/with seed \d+: expected .* \(again: \{ seed: \d+, runs: 1 \}\)/)
    expect(await rejection(interleavings({ seed: found.value as number, runs: 1 }, race))).include({ value: found.value })
    await interleavings({ runs: 20 }, async ({ settle }) => { await settle() })
  })

  it('K65 crash injection: before or after the handler, in init, in stop, or from outside', async () => {
    const { spawn, advance, crash, events, stop } = testKit()
    const log: string[] = []
    const failures = (): string[] => events.flatMap(event => event.type === 'failed' ? [(event.error as Error).message] : [])
    const before = await spawn(crashing<Job, string[]>(() => jobber(log, { name: 'x' }), { on: 'note', nth: 2 }))
    for (const n of [1, 2, 3]) void before.send({ type: 'note', n })
    await advance(1_000)
    const after = await spawn(crashing<Job, string[]>(() => jobber(log, { name: 'y' }), { on: 'note', after: true }))
    void after.send({ type: 'note', n: 4 })
    await advance(1_000)
    crash(before, new Error('from outside'))
    await advance(1_000)
    expect(log).deep.equal([
      'x init', 'x note 1', 'x stop restart', 'x init', 'x note 3', 'y init', 'y note 4', 'y stop restart', 'y init',
      'x stop restart', 'x init',
    ])
    expect(failures()).deep.equal(['injected at note 2', 'injected at note 1', 'from outside'])
    const failing = crashing<Job, string[]>(() => jobber([]), { on: 'init', error: new Error('no') })
    expect(await rejection(spawn(failing))).include({ message: 'no' })
    await spawn(crashing<Job, string[]>(() => jobber(log, { name: 'z' }), { on: 'stop' }))
    await stop()
    expect(short(events).filter(event => event.startsWith('stopped')).length).equal(4)
  })

  it('K63 the kit stops even what hangs, by moving time to its deadlines', async () => {
    const { spawn, settle, stop, tree } = testKit()
    const ref = await spawn(jobber([]))
    void ref.send({ type: 'call', run: () => deferred().promise })
    await settle()
    await stop()
    expect(tree.describe().phase).equal('stopped')
  })
})
