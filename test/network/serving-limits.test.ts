import { expect } from 'chai'
import fc from 'fast-check'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import { defaultServing } from '../../src/actors/network/config.js'
import { AnswerGate } from '../../src/actors/network/reqresp/answer-gate.js'
import { InFlightExchanges } from '../../src/actors/network/reqresp/in-flight.js'
import { FairShare } from '../../src/actors/network/limits/fair-share.js'
import { ServingBudget } from '../../src/actors/network/reqresp/serving-budget.js'
import { ResponseQueue } from '../../src/actors/network/reqresp/response-queue.js'
import type { ResponseQueueOptions } from '../../src/actors/network/reqresp/response-queue.js'

/** A queue on a clock of its own, and what becomes of the requests made of it. */
function serving(options: Partial<ResponseQueueOptions> = {}) {
  const clock = new ManualClock()
  const queue = new ResponseQueue(clock, { ...defaultServing, requestsPerSecond: 0, ...options })
  const settle = async (): Promise<void> => { for (let i = 0; i < 4; i++) await Promise.resolve() }
  return {
    clock, queue, settle,
    /** Asks; resolves to ms that it waited, or to `full`. The answer is on its way at once and costs what is given. */
    ask: async (peer: string, bytes = 1_000, ms = 0.1, kind: 'head' | 'commitments' = 'commitments'): Promise<number | 'full'> => {
      const at = clock.monotonic()
      const turn = queue.turn(peer, kind)
      if (turn === undefined) return 'full'
      await turn.wait
      turn.settle(bytes, ms)
      return clock.monotonic() - at
    },
    pass: async (ms: number, step = 1): Promise<void> => {
      for (let passed = 0; passed < ms; passed += step) { clock.advance(step); await settle() }
    },
  }
}

/** Peers that always have so many requests under way, for so long; gives answers by peer. */
async function compete(peers: Record<string, { atOnce: number; bytes?: number; ms?: number }>, options: Partial<ResponseQueueOptions>, forMs: number) {
  const { clock, ask, pass } = serving(options)
  const served: Record<string, number[]> = {}
  let over = false
  let full = 0
  for (const [peer, { atOnce, bytes, ms }] of Object.entries(peers)) {
    served[peer] = []
    for (let lane = 0; lane < atOnce; lane++) {
      void (async () => {
        while (!over) {
          if (await ask(peer, bytes, ms) === 'full') full++
          else (served[peer] as number[]).push(clock.monotonic())
          await new Promise<void>(resolve => { clock.setTimeout(resolve, 5) })
        }
      })()
    }
  }
  await pass(forMs)
  over = true
  const between = (peer: string, from: number, to: number): number => (served[peer] ?? []).filter(at => at >= from && at < to).length
  return { between, full }
}

/** How often the share of everybody is worked out, which takes a step for each peer. */
function looksAtEverybody() {
  const levelOfWaiting: FairShare['levelOfWaiting'] = Reflect.get(FairShare.prototype, 'levelOfWaiting')
  const waitFor: FairShare['waitFor'] = Reflect.get(FairShare.prototype, 'waitFor')
  const looks = {
    count: 0,
    restore: () => { Object.assign(FairShare.prototype, { levelOfWaiting, waitFor }) },
  }
  FairShare.prototype.levelOfWaiting = function (...args) { looks.count++; return levelOfWaiting.apply(this, args) }
  FairShare.prototype.waitFor = function (...args) { if (args[4] === undefined) looks.count++; return waitFor.apply(this, args) }
  return looks
}

describe('network: serving queue', () => {
  it('H08: answers 32 at once, delays 16, all of which leave within their time, and refuses the next', async () => {
    const { ask, pass, queue } = serving()
    const asked = Array.from({ length: 49 }, () => ask('p'))
    expect(queue.waiting).to.equal(16)
    expect(await ask('p', 1, 0.1, 'head')).to.equal(0)
    expect(await ask('q')).to.equal(0)
    await pass(4_100)
    const delays = await Promise.all(asked)
    expect(delays.slice(0, 32)).to.deep.equal(Array(32).fill(0))
    expect(delays.slice(32, 48)).to.deep.equal(Array.from({ length: 16 }, (_, i) => (i + 1) * 250))
    expect(delays[48]).to.equal('full')
  })

  it('answers at once again when its queue is empty and the window has moved on', async () => {
    const { ask, pass } = serving()
    const asked = Array.from({ length: 34 }, () => ask('p'))
    await pass(10_000)
    await Promise.all(asked)
    expect(await ask('p')).to.equal(0)
  })

  it('never delays longer than its time, and keeps nothing of peers that are gone', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.integer({ min: 0, max: 500 }), fc.nat(2)), { maxLength: 100 }), async steps => {
      const { ask, pass, queue, clock } = serving({ requestsPerSecond: 3, perWindow: 4 })
      const asked: Promise<number | 'full'>[] = []
      for (const [step, peer] of steps) {
        clock.advance(step)
        asked.push(ask(`p${peer}`))
      }
      await pass(5_000, 50)
      for (const wait of await Promise.all(asked)) if (wait !== 'full') expect(wait).to.be.within(0, 4_000)
      clock.advance(20_000)
      queue.sweep()
      expect(queue.size).to.equal(0)
    }), { numRuns: 30 })
  })

  it('serves one peer all of the budget while nobody else asks: 160 pages a second and more', async () => {
    const { between, full } = await compete({ sameClient: { atOnce: 8, bytes: 97_796, ms: 1 } }, { requestsPerSecond: 1_000 }, 5_000)
    expect(between('sameClient', 2_000, 5_000) / 3).to.be.within(160, 400)
    expect(full).to.equal(0)
  })

  it('divides it evenly between two who want more than there is, whoever came first', async () => {
    const { clock, ask, pass } = serving({ requestsPerSecond: 100 })
    const count = { a: 0, b: 0 }
    const keep = async (peer: 'a' | 'b'): Promise<void> => {
      for (;;) { await ask(peer); count[peer]++; await new Promise<void>(done => { clock.setTimeout(done, 2) }) }
    }
    for (let lane = 0; lane < 8; lane++) void keep('a')
    await pass(5_000)
    expect(count.a).to.be.within(400, 700)
    for (let lane = 0; lane < 8; lane++) void keep('b')
    await pass(2_000)
    const before = { ...count }
    await pass(10_000)
    const [a, b] = [count.a - before.a, count.b - before.b]
    expect(a + b).to.be.within(900, 1_150)
    expect(a / b).to.be.within(0.8, 1.25)
  })

  it('gives who wants little all of it, and divides the rest (max-min)', async () => {
    const { between } = await compete({ little: { atOnce: 1 }, a: { atOnce: 12 }, b: { atOnce: 12 } }, { requestsPerSecond: 300, perWindow: 1 }, 12_000)
    const rate = (peer: string): number => between(peer, 4_000, 12_000) / 8
    // one at a time, 5 ms apart, would be 200 a second: its fair part is a third
    expect(rate('little')).to.be.within(80, 130)
    expect(rate('a') / rate('b')).to.be.within(0.8, 1.25)
    expect(rate('little') + rate('a') + rate('b')).to.be.within(270, 345)
  })

  it('a hundred who overrun everything cost nobody his guaranteed share', async () => {
    const crowd = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`loud-${at}`, { atOnce: 17 }]))
    const { ask, pass, clock } = serving({ requestsPerSecond: 50 })
    let over = false
    for (const peer of Object.keys(crowd)) {
      for (let lane = 0; lane < 17; lane++) void (async () => { while (!over) { await ask(peer); await new Promise<void>(done => { clock.setTimeout(done, 100) }) } })()
    }
    await pass(2_000, 10)
    for (let at = 0; at < 32; at++) expect(await ask('quiet')).to.equal(0)
    over = true
  })

  it('H08: a crowd that overruns everything costs little to hold off: a request behind others of its peer looks at nobody else', async () => {
    const { clock, queue, settle } = serving({ requestsPerSecond: 1_000 })
    let timers = 0
    const setTimeout = clock.setTimeout.bind(clock)
    clock.setTimeout = (run, ms) => { timers++; return setTimeout(run, ms) }
    const peers = Array.from({ length: 200 }, (_, at) => `loud-${at}`)
    const kinds = ['head', 'commitments', 'txList'] as const
    const each = (times: number): number => {
      let waiting = 0
      for (let time = 0; time < times; time++) for (const peer of peers) for (const kind of kinds) if (queue.turn(peer, kind)?.wait !== undefined) waiting++
      return waiting
    }
    const looks = looksAtEverybody()
    each(33)
    const before = looks.count
    expect(each(8)).to.equal(200 * 3 * 8)
    expect(looks.count).to.equal(before)
    expect(timers).to.be.below(200)
    const ticks = 4_500 / 5
    for (let tick = 0; tick < ticks; tick++) { clock.advance(5); await settle() }
    looks.restore()
    expect(queue.waiting).to.equal(0)
    expect(looks.count - before).to.be.below(2 * ticks)
  })

  it('bounds bytes and processor time as well as requests', async () => {
    const bytes = await compete({ a: { atOnce: 8, bytes: 100_000 } }, { requestsPerSecond: 1e6, bytesPerSecond: 1e6, perWindow: 1 }, 12_000)
    expect(bytes.between('a', 4_000, 12_000) / 8).to.be.within(9, 12)
    const busy = await compete({ a: { atOnce: 8, ms: 20 } }, { requestsPerSecond: 1e6, busyShare: 0.5, perWindow: 1 }, 12_000)
    expect(busy.between('a', 4_000, 12_000) / 8).to.be.within(22, 30)
  })

  it('lets everybody go when it is told to', async () => {
    const { ask, queue, settle } = serving({ perWindow: 0 })
    const asked = Array.from({ length: 5 }, () => ask('p'))
    queue.flush()
    await settle()
    expect(await Promise.all(asked)).to.deep.equal([0, 0, 0, 0, 0])
    expect(queue.waiting).to.equal(0)
    expect(await ask('p')).to.equal(0)
  })
})

describe('network: serving budget', () => {
  it('gives what fits at once, the rest in order as bytes come back', async () => {
    const budget = new ServingBudget({ maxBytesPerPeer: 100, maxBytes: 150 })
    const never = new AbortController().signal
    const first = await budget.reserve('p', 100, never)
    const second = await budget.reserve('q', 50, never)
    let third = false
    const waiting = budget.reserve('p', 10, never).then(giveBack => { third = true; return giveBack })
    await Promise.resolve()
    expect(third).to.equal(false)
    first?.()
    first?.()
    expect(budget.used).to.equal(60)
    second?.()
    const giveBack = await waiting
    giveBack?.()
    expect(budget.used).to.equal(0)
  })

  it('gives one answer that is larger than the bound to a peer that has none', async () => {
    const budget = new ServingBudget({ maxBytesPerPeer: 10, maxBytes: 10 })
    const giveBack = await budget.reserve('p', 100, new AbortController().signal)
    expect(giveBack).to.be.a('function')
  })

  it('gives nothing when the signal comes first, and takes nothing for it', async () => {
    const budget = new ServingBudget({ maxBytesPerPeer: 10, maxBytes: 10 })
    const giveBack = await budget.reserve('p', 10, new AbortController().signal)
    const gone = new AbortController()
    const waiting = budget.reserve('p', 10, gone.signal)
    gone.abort()
    expect(await waiting).to.equal(undefined)
    giveBack?.()
    expect(budget.used).to.equal(0)
  })
})

describe('network: answer gate', () => {
  const never = new AbortController().signal
  const settle = async (): Promise<void> => { for (let i = 0; i < 4; i++) await Promise.resolve() }

  /** Enters for each name in turn, and notes who is let in; a name in capitals is guaranteed. */
  function entering(gate: AnswerGate) {
    const inside: string[] = []
    const leaves: Array<() => void> = []
    return {
      inside,
      enter: async (...names: readonly string[]) => {
        for (const name of names) {
          void gate.enter(name.toLowerCase(), name !== name.toLowerCase(), never).then(leave => { inside.push(name); leaves.push(leave!) })
        }
        await settle()
      },
      leave: async () => { leaves.shift()?.(); await settle() },
    }
  }

  it('H08: what is guaranteed goes before whatever others ask beyond it, however long that has waited', async () => {
    const { enter, inside, leave } = entering(new AnswerGate(2))
    await enter('m', 'm', 'm', 'n', 'm', 'H', 'm', 'H')
    expect(inside).to.deep.equal(['m', 'm'])
    for (let n = 0; n < 6; n++) await leave()
    expect(inside).to.deep.equal(['m', 'm', 'H', 'H', 'm', 'n', 'm', 'm'])
  })

  it('peers take turns, however many each of them has waiting', async () => {
    const { enter, inside, leave } = entering(new AnswerGate(1))
    await enter('A', 'A', 'A', 'A', 'B', 'C', 'C')
    for (let n = 0; n < 6; n++) await leave()
    expect(inside).to.deep.equal(['A', 'A', 'B', 'C', 'A', 'C', 'A'])
  })

  it('gives up with its signal, leaves once however often it is told, and keeps nothing', async () => {
    const gate = new AnswerGate(1)
    const first = await gate.enter('p', true, never)
    const gone = new AbortController()
    const [given, next] = [gate.enter('p', true, gone.signal), gate.enter('p', true, never)]
    gone.abort()
    expect(await given).to.equal(undefined)
    expect(await gate.enter('q', true, gone.signal)).to.equal(undefined)
    first?.()
    first?.()
    const leave = await next
    let third = false
    void gate.enter('q', false, never).then(() => { third = true })
    await settle()
    expect(third).to.equal(false)
    leave?.()
    await settle()
    expect(third).to.equal(true)
  })
})

describe('network: exchanges', () => {
  it('tells who watches a peer of each beginning and each end, and counts by peer', () => {
    const exchanges = new InFlightExchanges()
    const seen: number[] = []
    const unwatch = exchanges.watch('p', () => { seen.push(exchanges.count('p')) })
    const endP = exchanges.begin('p')
    const endQ = exchanges.begin('q')
    expect([exchanges.count(), exchanges.count('p')]).to.deep.equal([2, 1])
    endP()
    endP()
    expect([exchanges.count(), exchanges.count('p')]).to.deep.equal([1, 0])
    unwatch()
    exchanges.begin('p')()
    endQ()
    expect(exchanges.count()).to.equal(0)
    expect(seen).to.deep.equal([1, 0])
  })
})
