import { isMainThread, threadId } from 'node:worker_threads'
import { expect } from 'chai'
import { CancelledError, CrashedError, KernelError, TimeoutError } from '../../../src/actors/kernel/index.js'
import { until } from '../../support/until.js'
import { both, inThread } from './stage.js'
import { ABORTED, Sealed, SubjectError } from './subject.js'

const WITHIN = 20_000
const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at)
const failure = (promise: Promise<unknown>): Promise<unknown> => promise.catch((error: unknown) => error)

describe('kernel: an actor in a thread, messages', function () {

  both('K90 takes messages and asks, keeps its order, and stops', async stage => {
    const s = await stage()
    for (const n of range(50)) expect(s.ref.send({ type: 'note', n })).equal('ok')
    expect(await s.ref.ask('double', { n: 21 }, WITHIN)).equal(42)
    await s.flushed()
    expect(s.told).deep.equal(['init 1', ...range(50).map(n => `note ${n}`)])
  })

  inThread('K90 lives in another thread than its senders', async stage => {
    const info = await (await stage()).ref.ask('info', {}, WITHIN)
    expect(isMainThread).equal(true)
    expect(info.threadId).not.equal(threadId)
  })

  both('K91 what one sender sends is handled in its order, through windows that are full many times over', async stage => {
    const s = await stage({ credits: 4, capacity: 5_000 })
    const asks = range(500).map(n => { void s.ref.send({ type: 'note', n }); return s.ref.ask('double', { n }, WITHIN) })
    expect(await Promise.all(asks)).deep.equal(range(500).map(n => n * 2))
    await s.flushed()
    expect(s.told.slice(1)).deep.equal(range(500).map(n => `note ${n}`))
  })

  inThread('K91 a flood of what it sends keeps its order, and the loop of those who get it turns meanwhile', async stage => {
    const s = await stage({ credits: 16 })
    let turns = 0
    const turning = setInterval(() => { turns++ }, 1)
    void s.ref.send({ type: 'call', what: 'flood', n: 4_000 })
    await s.says('flood 3999')
    clearInterval(turning)
    expect(s.told.slice(1)).deep.equal(range(4_000).map(n => `flood ${n}`))
    expect(turns, 'rounds of the event loop meanwhile').greaterThan(3)
  })

  inThread('K92 no more than the window is in the thread; the rest waits in the mailbox, whose feedback and policies are true', async stage => {
    const s = await stage({ credits: 4, capacity: 8 })
    void s.ref.send({ type: 'hold', gate: 0, how: 'await' })
    await s.held(1)
    const sent = range(20).map(n => s.ref.send({ type: 'note', n }))
    expect(sent.slice(0, 6), 'before anything crosses in this turn').deep.equal(['ok', 'ok', 'ok', 'ok', 'ok', 'backoff'])
    expect(sent.slice(8)).deep.equal(range(12).map(() => 'rejected'))
    await until(() => s.figures.depth === 5, 'three more cross')
    expect(s.figures.thread?.inThread).equal(4)
    expect(range(5).map(n => s.ref.send({ type: 'note', n: 20 + n }))).deep.equal(['backoff', 'backoff', 'backoff', 'rejected', 'rejected'])
    const offered = s.ref.offer({ type: 'note', n: 99 })
    expect(s.figures.offering).equal(1)
    s.open(0)
    expect(await offered).equal('ok')
    await s.flushed()
    expect(s.told.slice(1)).deep.equal([...range(8), 20, 21, 22, 99].map(n => `note ${n}`))
    expect(s.figures.drops).deep.equal({ rejected: 14 })
  })

  inThread('K92 the window is bounded in bytes too, and a message that is larger than it crosses alone', async stage => {
    const s = await stage({ creditBytes: 10_000 })
    void s.ref.send({ type: 'hold', gate: 0, how: 'await' })
    await s.held(1)
    const asks = range(8).map(() => s.ref.ask('echo', { value: new Uint8Array(4_000) }, WITHIN))
    const large = s.ref.ask('echo', { value: new Uint8Array(1_000_000) }, WITHIN)
    await until(() => s.figures.depth === 6, 'three cross')
    expect(s.figures.thread?.inThread).equal(4)
    s.open(0)
    await Promise.all(asks)
    expect(await large).deep.equal(new Uint8Array(1_000_000))
  })

  inThread('K92 what comes out crosses a window at a time too', async stage => {
    let [group, largest] = [0, 0]
    const s = await stage({ credits: 8, told: () => {
      if (group++ === 0) queueMicrotask(() => { largest = Math.max(largest, group); group = 0 })
      return 'ok'
    } })
    void s.ref.send({ type: 'call', what: 'flood', n: 3_000 })
    await s.says('flood 2999')
    expect(s.told.length).equal(3_001)
    expect(largest).within(2, 8)
  })

  both('K92 policies: the oldest and the newest of a key give way in the mailbox, what has crossed does not', async (stage, thread) => {
    const s = await stage({ credits: 1, capacity: 2 })
    void s.ref.send({ type: 'hold', gate: 0, how: 'await' })
    await s.held(1)
    for (const n of range(4)) void s.ref.send({ type: 'fresh', n })
    s.open(0)
    await s.flushed()
    void s.ref.send({ type: 'hold', gate: 1, how: 'await' })
    await s.held(2)
    for (const n of range(4)) void s.ref.send({ type: 'latest', key: 'a', n })
    s.open(1)
    await s.flushed()
    expect(s.told.slice(1)).deep.equal(['fresh 2', 'fresh 3', 'latest a 0', 'latest a 3'])
    expect(s.figures.drops).deep.equal({ dropped_oldest: 2, coalesced: 2 })
    expect(s.figures.thread === undefined).equal(!thread)
  })

  both('K93 what the actor has coming to itself goes ahead of what has crossed', async stage => {
    const s = await stage()
    void s.ref.send({ type: 'call', what: 'after', n: 1 })
    void s.ref.send({ type: 'hold', gate: 0, how: 'await' })
    await s.held(1)
    for (const n of range(3)) void s.ref.send({ type: 'note', n })
    await new Promise(resolve => { setTimeout(resolve, 50) })
    s.open(0)
    await s.flushed()
    expect(s.told.slice(1)).deep.equal(['tick', 'note 0', 'note 1', 'note 2'])
  })

  both('K93 timers, piped results and messages to itself work as anywhere', async stage => {
    const s = await stage()
    void s.ref.send({ type: 'call', what: 'pipe', n: 7 })
    void s.ref.send({ type: 'call', what: 'self', n: 8 })
    void s.ref.send({ type: 'call', what: 'every', n: 1 })
    await s.says('note 7')
    await s.says('note 8')
    await until(() => s.told.filter(each => each === 'tick').length > 3, 'ticks')
  })

  both('K94 an ask has its deadline at the asker, and giving up reaches the callee', async stage => {
    const s = await stage({ credits: 2 })
    const controller = new AbortController()
    const first = failure(s.ref.ask('held', { gate: 0, later: false }, 300))
    await s.held(1)
    const inThread = failure(s.ref.ask('double', { n: 1 }, controller.signal))
    const queued = failure(s.ref.ask('double', { n: 1 }, 50))
    expect(await queued).instanceOf(TimeoutError)
    controller.abort()
    expect(await inThread).instanceOf(CancelledError)
    expect(await first).instanceOf(TimeoutError)
    await until(() => s.word(ABORTED) === 1, 'the handler in hand hears of it')
    s.open(0)
    await s.flushed()
    expect(s.figures.drops).deep.equal({ ask_expired: 2, late_reply: 1 })
    expect(s.figures.handled).equal(2)
  })

  both('K94 an answer that comes later is the asker\'s alone, and what nobody waits for any more is counted', async stage => {
    const s = await stage()
    const later = s.ref.ask('held', { gate: 0, later: true }, WITHIN)
    const given = failure(s.ref.ask('held', { gate: 1, later: true }, 100))
    await s.held(2)
    await s.flushed()
    expect(s.figures.answering).greaterThan(0)
    expect(await given).instanceOf(TimeoutError)
    await until(() => s.word(ABORTED) === 1, 'the one who gave up')
    s.open(0)
    s.open(1)
    expect(await later).equal('gate 0')
    await until(() => s.figures.drops.late_reply === 1, 'the late reply')
    expect(s.figures.answering).equal(0)
    expect((await failure(s.ref.ask('refuse', { how: 'later' }, WITHIN)) as SubjectError).code).equal('refused')
    await s.flushed()
    expect(s.events.filter(({ type }) => type === 'failed')).deep.equal([])
  })

  inThread('K94 a handler that computes without returning may ask whether anybody still waits', async stage => {
    const s = await stage()
    const controller = new AbortController()
    const asked = failure(s.ref.ask('compute', {}, controller.signal))
    void s.ref.send({ type: 'note', n: 1 })
    await new Promise(resolve => { setTimeout(resolve, 50) })
    expect(s.told).deep.equal(['init 1'])
    controller.abort()
    expect(await asked).instanceOf(CancelledError)
    await s.flushed()
    expect(s.told.slice(1)).deep.equal(['computed', 'note 1'])
  })

  inThread('K94 asks that expire in the thread give their credit back', async stage => {
    const s = await stage({ credits: 4 })
    void s.ref.send({ type: 'hold', gate: 0, how: 'await' })
    await s.held(1)
    const expired = await Promise.all(range(12).map(() => failure(s.ref.ask('double', { n: 1 }, 20))))
    for (const each of expired) expect(each).instanceOf(TimeoutError)
    s.open(0)
    for (const n of range(20)) expect(await s.ref.ask('double', { n }, WITHIN)).equal(n * 2)
  })

  both('K101 errors keep class, code, value, limit and causes', async stage => {
    const s = await stage()
    const refused = await failure(s.ref.ask('refuse', { how: 'later' }, WITHIN)) as SubjectError
    expect(refused).instanceOf(SubjectError).and.instanceOf(Error)
    expect(refused).include({ name: 'SubjectError', code: 'refused', message: 'not now', value: 'a value', limit: 3 })
    expect(refused.cause).instanceOf(RangeError).and.include({ message: 'deep' })
    expect(refused.stack).contain('subject')
    const crashed = await failure(s.ref.ask('refuse', { how: 'type' }, WITHIN)) as CrashedError
    expect(crashed).instanceOf(CrashedError).and.include({ code: 'crashed', value: 'stage/subject' })
    expect(crashed.cause).instanceOf(TypeError).and.include({ message: 'of a type' })
    await until(() => s.lives === 2, 'its next life')
    expect(s.failures()[0]).instanceOf(TypeError)
    void s.ref.send({ type: 'boom', n: 1 })
    await until(() => s.failures().length === 2, 'the failure')
    expect(s.failures()[1]).instanceOf(SubjectError).and.deep.include({ code: 'boom', value: { n: 5n, view: new Uint8Array([1]) }, limit: 7 })
  })

  both('K102 what cannot be cloned is refused to its asker alone', async stage => {
    const s = await stage()
    const asks = [s.ref.ask('double', { n: 1 }, WITHIN), s.ref.ask('echo', { value: () => 1 }, WITHIN), s.ref.ask('double', { n: 2 }, WITHIN), s.ref.ask('echo', { value: 'function' }, WITHIN)]
    void s.ref.send({ type: 'latest', key: 'a', n: 1 })
    void s.ref.send({ type: 'latest', key: (() => 1) as unknown as string, n: 2 })
    void s.ref.send({ type: 'latest', key: 'a', n: 3 })
    const [one, sent, two, replied] = await Promise.all(asks.map(failure))
    expect([one, two]).deep.equal([2, 4])
    for (const error of [sent, replied]) expect(error).instanceOf(KernelError).and.include({ code: 'not_cloneable' })
    await s.flushed()
    expect(s.told.slice(1)).deep.equal(['latest a 1', 'latest a 3'])
    expect(s.figures.drops.not_cloneable).equal(2)
    expect(s.failures()).deep.equal([])
  })

  both('K103 a view crosses without the buffer that it is a part of, and nothing of it is shared', async stage => {
    const s = await stage()
    const large = new Uint8Array(1_000_000).fill(1)
    const pooled = Buffer.from('abc')
    const value = { list: [large.subarray(10, 13)], pooled, map: new Map([['view', large.subarray(0, 2)]]) }
    const back = await s.ref.ask('echo', { value }, WITHIN) as { list: Uint8Array[]; pooled: Uint8Array; map: Map<string, Uint8Array> }
    for (const view of [back.list[0]!, back.pooled, back.map.get('view')!]) expect(view.buffer.byteLength).lessThan(64)
    expect([back.list[0], back.map.get('view')]).deep.equal([new Uint8Array(3).fill(1), new Uint8Array(2).fill(1)])
    expect(Buffer.from(back.pooled).toString()).equal('abc')
    back.list[0]![0] = 9
    expect(large[10]).equal(1)
    expect([pooled.length, large.length]).deep.equal([3, 1_000_000])
  })

  both('K103 what the boundary moves is the sender\'s no more; of what is refused nothing moves', async stage => {
    const s = await stage({ capacity: 1, credits: 1 })
    void s.ref.send({ type: 'hold', gate: 0, how: 'await' })
    await s.held(1)
    const [taken, refused] = [new Uint8Array(100), new Uint8Array(100)]
    expect(s.ref.send({ type: 'moved', bytes: taken })).equal('backoff')
    expect(s.ref.send({ type: 'moved', bytes: refused })).equal('rejected')
    expect(taken.length, 'while it waits').equal(100)
    s.open(0)
    await until(() => s.bytes.length === 1, 'it has been handled')
    expect([taken.length, refused.length]).deep.equal([0, 100])
    const large = new Uint8Array(5_000)
    void s.ref.send({ type: 'moved', bytes: large.subarray(0, 10) })
    await until(() => s.bytes.length === 2, 'the view')
    expect(s.bytes.map(({ length }) => length)).deep.equal([100, 10])
    expect(s.bytes[1]!.buffer).lessThan(64)
    expect(large.length, 'a part of a larger buffer is copied').equal(5_000)
  })

  both('K103 a class with private state crosses by its codec, both ways', async stage => {
    const back = await (await stage()).ref.ask('sealed', { sealed: new Sealed('open') }, WITHIN)
    expect(back).instanceOf(Sealed)
    expect(back.word).equal('open!')
  })
})
