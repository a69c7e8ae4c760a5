import { expect } from 'chai'
import { actor, mailbox, reject, seconds } from '../../src/actors/kernel/index.js'
import type { Ask, KernelError } from '../../src/actors/kernel/index.js'
import { crashing, interleavings, ManualClock, testKit } from '../../src/actors/kernel/testing/index.js'
import type { TestKit } from '../../src/actors/kernel/testing/index.js'
import { deferred, jobber, rejection } from './support.js'
import type { Job } from './support.js'

/** What a scenario may come to, over many seeds. */
async function outcomes(scenario: (kit: TestKit) => Promise<string>): Promise<string[]> {
  const seen = new Set<string>()
  await interleavings({ runs: 200 }, async kit => { seen.add(await scenario(kit)) })
  return [...seen].sort()
}

const wait = (kit: TestKit, ms: number) => new Promise<void>(resolve => { kit.clock.setTimeout(resolve, ms) })

describe('kernel: what chance draws, and what never rests', () => {
  const ticker = (log: string[], name: string) => jobber([], { init(ctx) { ctx.after('tick', 10) }, timers: { tick() { log.push(name) } } })

  it('K86 timers of one time fire in any order; without a seed in the order of their setting', async () => {
    const scenario = async (kit: TestKit): Promise<string> => {
      const log: string[] = []
      for (const name of 'abc') await kit.spawn(ticker(log, name))
      await kit.advance(10)
      return log.join('')
    }
    expect(await outcomes(scenario)).deep.equal(['abc', 'acb', 'bac', 'bca', 'cab', 'cba'])
    expect(await scenario(testKit())).equal('abc')
  })

  it('K86 those of different times keep their order under every seed', async () => {
    expect(await outcomes(({ clock }) => {
      const log: number[] = []
      for (const ms of [30, 10, 20]) clock.setTimeout(() => { log.push(ms) }, ms)
      clock.advance(30)
      return Promise.resolve(log.join())
    })).deep.equal(['10,20,30'])
  })

  it('K86 pipes of one actor arrive in any order', async () => {
    expect(await outcomes(async kit => {
      const log: string[] = []
      const ref = await kit.spawn(jobber(log))
      void ref.send({ type: 'call', run(ctx) {
        for (const n of [1, 2]) ctx.pipe(Promise.resolve(n), { ok: value => ({ type: 'note', n: value }), failed: () => ({ type: 'boom' }) })
      } })
      await kit.settle()
      return log.slice(1).join()
    })).deep.equal(['note 1,note 2', 'note 2,note 1'])
  })

  it('K86 a pipe arrives before, between or after queued messages, which keep their order', async () => {
    expect(await outcomes(async kit => {
      const log: string[] = []
      const ref = await kit.spawn(jobber(log))
      void ref.send({ type: 'call', run(ctx) { ctx.pipe(Promise.resolve(), { ok: () => ({ type: 'kept', n: 0 }), failed: () => ({ type: 'boom' }) }) } })
      for (const n of [1, 2]) void ref.send({ type: 'note', n })
      await kit.settle()
      return log.slice(1).join()
    })).deep.equal(['kept 0,note 1,note 2', 'note 1,kept 0,note 2', 'note 1,note 2,kept 0'])
  })

  it('K86 an answer and its time-out at one time: either', async () => {
    const scenario = async (kit: TestKit): Promise<string> => {
      const ref = await kit.spawn(jobber([]))
      const asked = ref.ask('compute', { run: async () => { await wait(kit, 10); return 1 } }, 10).then(String, (error: { code: string }) => error.code)
      await kit.advance(20)
      return asked
    }
    expect(await outcomes(scenario)).deep.equal(['1', 'timeout'])
  })

  type Till = { readonly type: 'buy'; readonly item: string } | { readonly type: 'priced'; readonly item: string; readonly price: number }

  /** Three programs with a race that the order of sending alone does not show. */
  const planted: Readonly<Record<string, (kit: TestKit) => Promise<void>>> = {
    async 'of timers: one actor cleans up at the very time at which another one reads'(kit) {
      let shared: string | undefined = 'value'
      await kit.spawn(jobber([], { init(ctx) { ctx.after('tick', 100) }, timers: { tick() { if (shared === undefined) throw new Error('read after clean-up') } } }))
      await kit.spawn(jobber([], { init(ctx) { ctx.after('tick', 100) }, timers: { tick() { shared = undefined } } }))
      await kit.advance(100)
      expect(kit.events.filter(({ type }) => type === 'failed')).deep.equal([])
    },
    async 'of pipes: the price that was asked for last is taken for the newest'(kit) {
      const prices = kit.probe<Ask<'price', { readonly item: string }, number>>('prices').answer('price', ({ item }) => item === 'tea' ? 1 : 2)
      const bought: string[] = []
      const ref = await kit.spawn(actor<Till, null>({
        name: 'till', mailbox: mailbox<Till>({ capacity: 10, whenFull: { buy: reject('told'), priced: reject('piped') } }), init: () => null,
        receive: {
          buy(_, { item }, ctx) {
            ctx.pipe(prices.ask('price', { item }, seconds(1)), { ok: price => ({ type: 'priced', item, price }), failed: () => ({ type: 'priced', item, price: 0 }) })
          },
          priced(_, { item }) { bought.push(item) },
        },
      }))
      for (const item of ['tea', 'milk']) void ref.send({ type: 'buy', item })
      await kit.settle()
      expect(bought.at(-1)).equal('milk')
    },
    async 'of a pipe and the queue: the message sent next is believed to find the outcome'(kit) {
      let ready = false
      const ref = await kit.spawn(jobber([]))
      void ref.send({ type: 'call', run(ctx) { ctx.pipe(Promise.resolve(), { ok: () => ({ type: 'call', run() { ready = true } }), failed: () => ({ type: 'boom' }) }) } })
      const found: boolean[] = []
      void ref.send({ type: 'call', run() { found.push(ready) } })
      await kit.settle()
      expect(found).deep.equal([false])
    },
    async 'of time-outs: an answer due at the deadline is believed to be late'(kit) {
      const ref = await kit.spawn(jobber([]))
      const outcome = ref.ask('compute', { run: async () => { await wait(kit, seconds(1)); return 1 } }, seconds(1))
        .then(() => 'in time', (error: KernelError) => error.code)
      await kit.advance(seconds(2))
      expect(await outcome).equal('timeout')
    },
  }
  for (const [what, program] of Object.entries(planted)) {
    it(`K86 seeds find a planted race ${what}`, async () => {
      await program(testKit())
      const found = await rejection(interleavings({ runs: 100 }, program))
      expect(found).include({ code: 'failed_with_seed' })
      expect(await rejection(interleavings({ runs: 1, seed: found.value as number }, program))).include({ value: found.value })
    })
  }

  it('K86 the same seed draws the same, timers and pipes included', async () => {
    const run = async (seed: number): Promise<string[]> => {
      const kit = testKit({ seed })
      const log: string[] = []
      const refs = await Promise.all(['a', 'b', 'c'].map(name => kit.spawn(jobber(log, {
        name, init(ctx) { ctx.every('tick', 10) }, timers: { tick(_, ctx) {
          log.push(`${name} tick`)
          ctx.pipe(Promise.resolve(), { ok: () => ({ type: 'note', n: 0 } as never), failed: () => ({ type: 'boom' } as never) })
        } },
      }))))
      for (let n = 1; n < 10; n++) { for (const ref of refs) void ref.send({ type: 'note', n }); await kit.advance(10) }
      await kit.stop()
      return log
    }
    expect(await run(5)).deep.equal(await run(5))
    expect(await run(5)).not.deep.equal(await run(6))
  })

  const restless: Readonly<Record<string, (kit: TestKit) => Promise<void>>> = {
    async 'every(key, 0)'(kit) { await kit.spawn(jobber([], { init(ctx) { ctx.every('tick', 0) }, timers: { tick() { /* again */ } } })) },
    async 'an actor that sends to itself without end'(kit) {
      const ref = await kit.spawn(jobber([]))
      const again = { type: 'call', run(ctx: { self: typeof ref }) { void ctx.self.send(again) } } as Job
      void ref.send(again)
    },
    async 'two actors that answer each other without end'(kit) {
      const [a, b] = [await kit.spawn(jobber([])), await kit.spawn(jobber([]))]
      const [ping, pong] = [{ type: 'call', run() { void b.send(pong) } } as Job, { type: 'call', run() { void a.send(ping) } } as Job]
      void a.send(ping)
    },
  }
  for (const [what, begin] of Object.entries(restless)) {
    for (const seed of [undefined, 1]) {
      it(`K87 ${what} is told instead of hanging${seed === undefined ? '' : ', with a seed too'}; the kit stops all the same`, async () => {
        const kit = testKit(seed === undefined ? {} : { seed })
        await begin(kit)
        const told = what.startsWith('every') ? kit.advance(1) : kit.settle()
        expect(await rejection(told)).include({ code: 'no_rest' })
        expect(await rejection(kit.advance(1))).include({ code: 'no_rest' })
        await kit.stop()
        expect(kit.tree.describe().phase).equal('stopped')
      })
    }
  }

  it('K87 a clock in the test\'s hand tells it too, and what works long but rests is let be', async () => {
    const clock = new ManualClock()
    const again = (): void => { clock.setTimeout(again, 0) }
    again()
    expect(() => { clock.advance(1) }).throw().include({ code: 'no_rest' })
    const kit = testKit()
    let count = 0
    const ref = await kit.spawn(jobber([], { capacity: 50_000, init(ctx) { ctx.every('tick', 1) }, timers: { tick() { count++ } } }))
    for (let n = 0; n < 3; n++) {
      for (let m = 0; m < 40_000; m++) void ref.send({ type: 'call', run() { count++ } })
      await kit.settle()
    }
    kit.clock.advance(150_000)
    expect(count).equal(270_000)
  })

  it('K87 the runner has its turn while nobody waits for the actors to rest', async () => {
    const kit = testKit()
    const ref = await kit.spawn(jobber([]))
    let on = true
    const again = { type: 'call', run() { if (on) void ref.send(again) } } as Job
    void ref.send(again)
    await new Promise(resolve => { setImmediate(resolve) })
    await new Promise(resolve => { setTimeout(resolve, 1) })
    on = false
    await kit.settle()
    expect(kit.scheduler.steps).greaterThan(1_000)
  })

  it('K63 settle waits for handlers that wait for one immediate after the other', async () => {
    const kit = testKit()
    const log: string[] = []
    const ref = await kit.spawn(jobber(log))
    void ref.send({ type: 'call', async run() {
      for (let n = 0; n < 20; n++) await new Promise(resolve => { setImmediate(resolve) })
      log.push('done')
    } })
    await kit.settle()
    expect(log).deep.equal(['init', 'done'])
  })

  it('K63 many that settle at one time do not wait for each other', async () => {
    const kits = Array.from({ length: 50 }, () => testKit())
    const refs = await Promise.all(kits.map(kit => kit.spawn(jobber([]))))
    const real = process.getActiveResourcesInfo.bind(process)
    let looks = 0
    process.getActiveResourcesInfo = () => { looks++; return real() }
    try {
      for (const ref of refs) void ref.send({ type: 'note', n: 1 })
      await Promise.all(kits.flatMap(({ settle }) => [settle(), settle(), settle()]))
    } finally { process.getActiveResourcesInfo = real }
    expect(looks).within(150, 1_000)
  })

  it('K63 somebody else\'s immediates without end keep settle from nothing', async () => {
    const kit = testKit()
    let on = true
    const again = (): void => { if (on) setImmediate(again) }
    again()
    await kit.settle()
    on = false
  })

  it('K66 a probe that is full or has ended treats sends, offers and asks as an actor does', async () => {
    const kit = testKit()
    const hold = deferred()
    const real = await kit.spawn(jobber([], { capacity: 1 }), { name: 'real' })
    void real.send({ type: 'call', run: () => hold.promise })
    await kit.settle()
    void real.send({ type: 'note', n: 0 })
    const probe = kit.probe<Job>('probe')
    probe.feedback = 'rejected'
    const cancel = new AbortController()
    const full = [], ended = []
    for (const ref of [real, probe]) {
      const cut = rejection(ref.offer({ type: 'note', n: 1 }, { signal: cancel.signal }))
      const waiting = ref.offer({ type: 'note', n: 2 })
      full.push([ref.send({ type: 'note', n: 3 }), (await rejection(ref.ask('double', { n: 1 }, 100))).name])
      cancel.abort()
      full.push([(await cut).name, (await rejection(ref.offer({ type: 'note', n: 1 }, { signal: cancel.signal }))).name])
      if (ref === real) { hold.resolve(); await kit.settle() } else probe.feedback = 'ok'
      full.push([await waiting])
    }
    expect(full.slice(0, 3)).deep.equal(full.slice(3))
    const pending = rejection(probe.ask('double', { n: 1 }, 60_000))
    const stopped = kit.tree.remove('real')
    probe.end()
    await stopped
    for (const ref of [real, probe]) {
      ended.push([ref.send({ type: 'note', n: 3 }), await ref.offer({ type: 'note', n: 3 }), (await rejection(ref.ask('double', { n: 1 }, 100))).name])
    }
    expect(ended[0]).deep.equal(['closed', 'closed', 'ClosedError'])
    expect(ended[1]).deep.equal(ended[0])
    expect(await pending).include({ name: 'ClosedError', value: 'probe' })
    probe.feedback = 'ok'
    expect(probe.send({ type: 'note', n: 4 })).equal('closed')
  })

  it('K66 what is expected is compared by value: key order, bytes, NaN, dates, functions, circles', () => {
    type Any = { readonly type: 'x'; readonly v: unknown }
    const probe = testKit().probe<Any>('p')
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    for (const [sent, same, other] of [
      [{ a: 1, b: 2 }, { b: 2, a: 1 }, { a: 1 }], [new Uint8Array([1]), new Uint8Array([1]), new Uint8Array([2])], [NaN, NaN, null],
      [new Date(0), new Date(0), new Date(0).toISOString()], [Math.min, Math.min, undefined], [new Map([[1n, { a: 1 }]]), new Map([[1n, { a: 1 }]]), new Map([[1n, 1]])],
      [circle, circle, {}], [new Error('a'), new Error('a'), new Error('b')],
    ]) {
      void probe.send({ type: 'x', v: sent })
      expect(() => probe.expect('x', { v: other })).throw().include({ code: 'expected' })
      expect(() => { probe.expectNone() }).throw().include({ code: 'unexpected' })
      probe.expect('x', { v: same })
    }
  })

  it('K65 crash injection after an async handler: when its work is done', async () => {
    const kit = testKit()
    const log: string[] = []
    const ref = await kit.spawn(crashing<Job, string[]>(() => jobber(log), { on: 'call', after: true }))
    void ref.send({ type: 'call', async run() { await wait(kit, 10); log.push('worked') } })
    await kit.advance(9)
    expect(kit.events.some(({ type }) => type === 'failed')).equal(false)
    await kit.advance(1)
    expect(log).deep.equal(['init', 'worked', 'stop restart'])
    expect(kit.events.some(({ type }) => type === 'failed')).equal(true)
  })
})
