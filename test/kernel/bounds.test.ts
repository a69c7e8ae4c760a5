import { expect } from 'chai'
import { actor, coalesce, dropOldest, mailbox, reject, supervisor, systemClock } from '../../src/actors/kernel/index.js'
import type { Ask, MailboxSpec, Ref, Trace } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { deferred, find, jobber, jobMailbox, rejection, retained } from './support.js'
import type { Job } from './support.js'

type Limits = Pick<MailboxSpec<Job>, 'maxWaiting' | 'maxAnswering'>

/** An actor in the middle of a message, and the way to let it go on. */
async function busy(capacity: number, limits: Limits = {}, whenFull: Partial<MailboxSpec<Job>['whenFull']> = {}) {
  const traces: Trace[] = []
  const kit = testKit({ trace: each => traces.push(each) })
  const log: string[] = []
  const hold = deferred()
  const base = jobMailbox(capacity)
  const ref = await kit.spawn(jobber(log, { mailbox: { ...base, ...limits, whenFull: { ...base.whenFull, ...whenFull } } }), { name: 'busy' })
  void ref.send({ type: 'call', run: () => hold.promise })
  await kit.settle()
  log.length = 0
  return { ...kit, ref, log, traces, figures: () => find(kit.tree.describe(), 'busy'), release: async () => { hold.resolve(); await kit.settle() } }
}
const note = (ref: Ref<Job>, ...numbers: number[]) => numbers.map(n => ref.send({ type: 'note', n }))
const never = () => deferred<number>().promise

describe('kernel: bounds beside the queue', () => {
  it('K75 maxWaiting callers of offer wait, the next is refused at once and counted', async () => {
    const { ref, log, figures, release } = await busy(1, { maxWaiting: 2 })
    note(ref, 1)
    const waiting = [2, 3].map(n => ref.offer({ type: 'note', n }))
    expect(await ref.offer({ type: 'note', n: 4 })).equal('rejected')
    expect(figures()).deep.include({ offering: 2, drops: { overloaded: 1 } })
    await release()
    expect(await Promise.all(waiting)).deep.equal(['ok', 'ok'])
    expect(log).deep.equal(['note 1', 'note 2', 'note 3'])
  })

  it('K75 where nothing is said: as many as the capacity, and at least 1,024; before the first start too', async () => {
    for (const [capacity, most] of [[1, 1_024], [3_000, 3_000]] as const) {
      const { ref, figures } = await busy(capacity)
      note(ref, ...Array.from({ length: capacity }, (_, n) => n))
      for (let n = 0; n < most; n++) void ref.offer({ type: 'note', n })
      expect(await ref.offer({ type: 'note', n: 0 })).equal('rejected')
      expect(figures().offering).equal(most)
    }
    const early = testKit().supervisor('app').child('late', () => jobber([]))
    for (let n = 0; n < 2_048; n++) void early.offer({ type: 'note', n })
    expect(await early.offer({ type: 'note', n: 0 })).equal('rejected')
  })

  it('K76 at maxAnswering further asks are refused, their handler not called; other messages and later asks go on', async () => {
    const kit = testKit()
    const log: string[] = []
    const ref = await kit.spawn(jobber(log, { mailbox: { ...jobMailbox(10), maxAnswering: 2 } }), { name: 'it' })
    const answers = [deferred<number>(), deferred<number>()]
    const due = answers.map(({ promise }) => ref.ask('compute', { run: ctx => ctx.later(promise) }, 1_000))
    const refused = rejection(ref.ask('double', { n: 1 }, 1_000))
    note(ref, 2)
    await kit.settle()
    expect(await refused).include({ name: 'DroppedError', code: 'overloaded' })
    expect(log).deep.equal(['init', 'note 2'])
    expect(find(kit.tree.describe(), 'it')).deep.include({ answering: 2, drops: { overloaded: 1 } })
    answers[0]!.resolve(7)
    expect(await due[0]).equal(7)
    expect(await ref.ask('double', { n: 3 }, 1_000)).equal(6)
  })

  it('K76 where nothing is said: 1,024 answers at least', async () => {
    const kit = testKit()
    const ref = await kit.spawn(jobber([], { capacity: 4 }), { name: 'it' })
    const codes: (string | undefined)[] = []
    for (let n = 0; n < 1_030; n++) {
      ref.ask('compute', { run: ctx => ctx.later(never()) }, 1_000).catch((error: { code?: string }) => codes.push(error.code))
      kit.scheduler.drain()
    }
    await kit.settle()
    expect(codes).deep.equal(Array.from({ length: 6 }, () => 'overloaded'))
    expect(find(kit.tree.describe(), 'it').answering).equal(1_024)
  })

  it('K17 asks that are given up give their room back: to sends and to offers that wait', async () => {
    const { ref, log, figures, release } = await busy(4)
    const cancel = new AbortController()
    const given = Array.from({ length: 4 }, () => rejection(ref.ask('double', { n: 1 }, cancel.signal)))
    const offered = [1, 2].map(n => ref.offer({ type: 'note', n }))
    expect(note(ref, 0)).deep.equal(['rejected'])
    cancel.abort()
    expect(await Promise.all(offered)).deep.equal(['ok', 'ok'])
    expect(note(ref, 3, 4, 5)).deep.equal(['backoff', 'backoff', 'rejected'])
    for (const each of given) expect(await each).include({ code: 'cancelled' })
    expect(figures()).deep.include({ depth: 4, drops: { rejected: 2, ask_expired: 4 } })
    await release()
    expect(log).deep.equal(['note 1', 'note 2', 'note 3', 'note 4'])
  })

  it('K17 a flood of asks that are given up behind a busy actor keeps no memory', async () => {
    const { ref, figures } = await busy(8)
    note(ref, 1)
    const bytes = await retained(async () => {
      for (let n = 0; n < 20_000; n++) {
        const cancel = new AbortController()
        ref.ask('double', { n }, cancel.signal).catch(() => undefined)
        cancel.abort()
        if (n % 1_000 === 0) await Promise.resolve()
      }
    })
    expect(bytes).lessThan(1_000_000)
    expect(figures().depth).equal(1)
  })

  it('K17 given up under every policy: what is left is displaced and handled as if it had never come', async () => {
    const { ref, log, release, figures } = await busy(3, {}, { double: dropOldest('test'), compute: coalesce('test', () => 'k') })
    const cancel = new AbortController()
    const oldest = rejection(ref.ask('double', { n: 1 }, cancel.signal))
    const next = rejection(ref.ask('double', { n: 2 }, 1_000))
    const key = rejection(ref.ask('compute', { run: () => 1 }, cancel.signal))
    cancel.abort()
    expect(await Promise.all([oldest, key])).satisfy((all: { code: string }[]) => all.every(({ code }) => code === 'cancelled'))
    note(ref, 3, 4)
    const newest = ref.ask('double', { n: 5 }, 1_000)
    expect(await next).include({ code: 'dropped_oldest' })
    expect(await rejection(ref.ask('compute', { run: () => 1 }, 1_000))).include({ code: 'rejected' })
    await release()
    expect(await newest).equal(10)
    expect(log).deep.equal(['note 3', 'note 4', 'double 5'])
    expect(figures().depth).equal(0)
  })

  it('K12 while an offer waits, keep and dropOldest overtake nobody; coalesce replaces where it stands', async () => {
    for (const type of ['kept', 'fresh'] as const) {
      const { ref, log, release } = await busy(2)
      void ref.send({ type, n: 1 })
      void ref.send({ type, n: 2 })
      const offered = ref.offer({ type, n: 3 })
      expect(ref.send({ type, n: 4 })).equal('rejected')
      await release()
      expect(await offered).equal('ok')
      expect(log).deep.equal([`${type} 1`, `${type} 2`, `${type} 3`])
      expect(ref.send({ type, n: 5 })).equal('ok')
    }
    const { ref, log, release } = await busy(1)
    void ref.send({ type: 'latest', key: 'a', n: 1 })
    const offered = ref.offer({ type: 'note', n: 2 })
    expect(ref.send({ type: 'latest', key: 'a', n: 3 })).equal('backoff')
    await release()
    expect([await offered, log]).deep.equal(['ok', ['latest a 3', 'note 2']])
  })

  it('K12 dropOldest refused while somebody waited displaces the oldest again afterwards', async () => {
    const { ref, log, release } = await busy(2)
    for (const n of [1, 2]) void ref.send({ type: 'fresh', n })
    const cancel = new AbortController()
    const offered = rejection(ref.offer({ type: 'note', n: 3 }, { signal: cancel.signal }))
    expect(ref.send({ type: 'fresh', n: 4 })).equal('rejected')
    cancel.abort()
    await offered
    expect(ref.send({ type: 'fresh', n: 5 })).equal('backoff')
    await release()
    expect(log).deep.equal(['fresh 2', 'fresh 5'])
  })

  type Pos = { readonly type: 'pos'; readonly peer: { id: string }; readonly v: number }
  type Mutable = Pos | { readonly type: 'old'; readonly v: number } | { readonly type: 'pay'; readonly v: number } | Ask<'go', object, void>

  async function mutable(capacity: number) {
    const kit = testKit()
    const log: string[] = []
    const hold = deferred()
    const ref = await kit.spawn(actor<Mutable, null>({
      name: 'it',
      mailbox: mailbox<Mutable>({ capacity, whenFull: { pos: coalesce('test', ({ peer }) => peer.id), old: dropOldest('test'), pay: reject('test'), go: reject('test') } }),
      init: () => null,
      receive: {
        pos(_, { peer, v }) { log.push(`pos ${peer.id} ${v}`) }, old(_, { v }) { log.push(`old ${v}`) }, pay(_, { v }) { log.push(`pay ${v}`) },
        go: () => hold.promise,
      },
    }), { name: 'it' })
    void ref.ask('go', {}, 1e6)
    await kit.settle()
    return { ...kit, ref, log, release: async () => { hold.resolve(); await kit.settle() }, figures: () => find(kit.tree.describe(), 'it') }
  }

  it('K09 the key is taken once: a message that changes after it was sent overwrites nobody', async () => {
    const { ref, log, release, settle } = await mutable(4)
    const peer = { id: 'unknown' }
    void ref.send({ type: 'pos', peer, v: 0 })
    peer.id = 'p1'
    await release()
    expect(log.splice(0)).deep.equal(['pos p1 0'])
    for (let n = 0; n < 40; n++) {
      for (let v = 1; v <= 4; v++) void ref.send({ type: 'pay', v })
      expect(ref.send({ type: 'pos', peer: { id: 'unknown' }, v: 9 })).equal('rejected')
      await settle()
      expect(log.splice(0)).deep.equal(['pay 1', 'pay 2', 'pay 3', 'pay 4'])
      void ref.send({ type: 'pay', v: 0 })
      await settle()
      log.length = 0
    }
  })

  it('K09 while it is queued it stands under the key with which it came, also after gaps were closed', async () => {
    const { ref, log, release } = await mutable(3)
    const peer = { id: 'a' }
    void ref.send({ type: 'pos', peer, v: 1 })
    peer.id = 'b'
    void ref.send({ type: 'pay', v: 1 })
    for (let v = 1; v < 50; v++) void ref.send({ type: 'old', v })
    expect(ref.send({ type: 'pos', peer: { id: 'b' }, v: 2 })).equal('rejected')
    expect(ref.send({ type: 'pos', peer: { id: 'a' }, v: 3 })).equal('backoff')
    await release()
    expect(log).deep.equal(['pos a 3', 'pay 1', 'old 49'])
  })

  it('K09 nothing is kept of messages whose key has changed', async () => {
    const { ref, log, release, scheduler } = await mutable(10)
    await release()
    const bytes = await retained(() => {
      for (let n = 0; n < 100_000; n++) {
        const peer = { id: `peer ${n}` }
        void ref.send({ type: 'pos', peer, v: n })
        peer.id = 'gone'
        if (n % 8 === 0) scheduler.drain()
      }
      scheduler.drain()
      log.length = 0
    })
    expect(bytes).lessThan(1_000_000)
  })

  it('K08 K09 a message whose type changes after it was sent displaces nobody else either', async () => {
    const { ref, log, release, figures } = await mutable(3)
    const changing = { type: 'old', v: 1 } as { type: 'old' | 'pay'; v: number }
    void ref.send(changing)
    changing.type = 'pay'
    for (const v of [2, 3]) void ref.send({ type: 'old', v })
    for (const v of [4, 5, 6, 7]) expect(ref.send({ type: 'old', v })).equal('backoff')
    expect(figures()).deep.include({ depth: 3, drops: { dropped_oldest: 4 } })
    await release()
    expect(log).deep.equal(['old 5', 'old 6', 'old 7'])
  })

  it('K54 the wait of messages that coalesce is counted from the last one', async () => {
    const { ref, clock, release, traces, figures } = await busy(1)
    void ref.send({ type: 'latest', key: 'a', n: 1 })
    clock.advance(1_000)
    void ref.send({ type: 'latest', key: 'a', n: 2 })
    clock.advance(1)
    await release()
    expect(traces.find(({ type }) => type === 'latest')).include({ waitMs: 1 })
    expect(figures().wait.maxMs).equal(1)
  })

  it('K54 waits are measured over gaps that were closed, and those of what coalesced before', async () => {
    const { ref, clock, release, traces } = await busy(3)
    void ref.send({ type: 'latest', key: 'a', n: 1 })
    void ref.send({ type: 'note', n: 1 })
    void ref.send({ type: 'fresh', n: 1 })
    clock.advance(10)
    void ref.send({ type: 'latest', key: 'a', n: 2 })
    for (let n = 2; n < 20; n++) void ref.send({ type: 'fresh', n })
    clock.advance(5)
    await release()
    expect(traces.slice(1).map(({ type, waitMs }) => `${type} ${waitMs}`)).deep.equal(['latest 5', 'note 15', 'fresh 5'])
  })

  it('K77 the slice is shared by all trees: twenty roots hold timers up no longer than one', async () => {
    type Again = { readonly type: 'again' }
    let count = 0
    let on = true
    const spin = () => actor<Again, null>({
      name: 'spin', mailbox: mailbox<Again>({ capacity: 64, whenFull: { again: reject('test') } }), init: () => null,
      receive: { again(_, message, ctx) { count++; if (on) void ctx.self.send(message) } },
    })
    const trees = Array.from({ length: 20 }, (_, n) => supervisor(`root ${n}`))
    const refs = trees.map(tree => tree.child('spin', spin))
    await Promise.all(trees.map(tree => tree.start()))
    for (const ref of refs) for (let n = 0; n < 32; n++) void ref.send({ type: 'again' })
    const rounds: number[] = []
    for (let n = 0; n < 10; n++) {
      await new Promise(resolve => { setImmediate(resolve) })
      rounds.push(count)
      count = 0
    }
    on = false
    expect(Math.max(...rounds)).within(1, 1_024 + 16)
    await Promise.all(trees.map(tree => tree.stop()))
  })

  it('K78 a delay beyond what the platform can count is kept, and can be cleared', () => {
    const set = globalThis.setTimeout
    const clear = globalThis.clearTimeout
    const timers = new Map<object, { readonly fn: () => void; readonly ms: number }>()
    globalThis.setTimeout = ((fn: () => void, ms: number) => { const handle = {}; timers.set(handle, { fn, ms }); return handle }) as unknown as typeof setTimeout
    globalThis.clearTimeout = ((handle: object) => { timers.delete(handle) }) as typeof clearTimeout
    /** The platform's longest timers run, one after the other; gives the sum of their delays. */
    const run = (): number => {
      let waited = 0
      for (const [handle, { fn, ms }] of timers) { expect(ms).within(0, 2 ** 31 - 1); timers.delete(handle); waited += ms; fn() }
      return waited
    }
    try {
      let fired = 0
      const days = 100 * 86_400_000
      systemClock.setTimeout(() => { fired++ }, days)
      expect([run(), fired]).deep.equal([days, 1])
      const long = systemClock.setTimeout(() => { fired++ }, days)
      const [first] = timers.values()
      timers.clear()
      first!.fn()
      systemClock.clearTimeout(long)
      systemClock.clearTimeout(systemClock.setTimeout(() => { fired++ }, 10))
      expect([timers.size, fired]).deep.equal([0, 1])
    } finally {
      globalThis.setTimeout = set
      globalThis.clearTimeout = clear
    }
  })

  it('K78 Infinity as a deadline of a child is none', async () => {
    const { supervisor: own, clock, advance } = testKit()
    const ready = deferred()
    const tree = own('app', { stopWithin: Infinity })
    tree.child('a', () => jobber([], { init: () => ready.promise, stop: () => ready.promise }), { startWithin: Infinity, stopWithin: Infinity })
    let started = false
    void tree.start().then(() => { started = true })
    await advance(365 * 86_400_000)
    expect([started, clock.pending]).deep.equal([false, 0])
    ready.resolve()
    await advance(0)
    expect(started).equal(true)
    await tree.stop()
  })
})
