import { getEventListeners } from 'node:events'
import { expect } from 'chai'
import fc from 'fast-check'
import { Broadcast } from '../../src/actors/kernel/index.js'
import type { Lagged } from '../../src/actors/kernel/index.js'
import { retained } from './support.js'

type Event = { readonly type: 'data' | 'notice'; readonly n: number }
const data = (n: number): Event => ({ type: 'data', n })
const notice = (n: number): Event => ({ type: 'notice', n })

async function take(from: AsyncIterableIterator<Event | Lagged>, count: number): Promise<string[]> {
  const taken: string[] = []
  while (taken.length < count) {
    const next = await from.next()
    if (next.done === true) return [...taken, 'end']
    const event = next.value
    taken.push(event.type === 'lagged' ? `lagged ${event.count}` : `${event.type} ${event.n}`)
  }
  return taken
}

describe('kernel: broadcast', () => {
  it('K58 a slow subscriber misses the oldest and is told how many, where they stood; a fast one misses nothing', async () => {
    const events = new Broadcast<Event>()
    const slow = events.subscribe({ capacity: 3 })
    const fast = events.subscribe()
    for (let n = 1; n <= 10; n++) events.publish(data(n))
    expect(await take(slow, 4)).deep.equal(['lagged 7', 'data 8', 'data 9', 'data 10'])
    events.publish(data(11))
    expect(await take(slow, 1)).deep.equal(['data 11'])
    expect(await take(fast, 11)).deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11].map(n => `data ${n}`))
  })

  it('K58 who waits gets the next one at once, in the order of waiting', async () => {
    const events = new Broadcast<Event>()
    const subscriber = events.subscribe()
    const both = Promise.all([subscriber.next(), subscriber.next()])
    events.publish(data(1))
    events.publish(data(2))
    expect((await both).map(({ value }) => (value as Event).n)).deep.equal([1, 2])
  })

  it('K58 the bound can be a weight; the newest is kept whatever it weighs', async () => {
    const events = new Broadcast<Event>({ weigh: ({ n }) => n, maxWeight: 10 })
    const subscriber = events.subscribe()
    for (const n of [4, 4, 4, 1]) events.publish(data(n))
    expect(await take(subscriber, 4)).deep.equal(['lagged 1', 'data 4', 'data 4', 'data 1'])
    for (const n of [3, 50]) events.publish(data(n))
    expect(await take(subscriber, 2)).deep.equal(['lagged 1', 'data 50'])
    for (const n of [5, 5]) events.publish(data(n))
    expect(await take(subscriber, 2)).deep.equal(['data 5', 'data 5'])
  })

  it('K59 lanes have separate bounds and one order', async () => {
    const events = new Broadcast<Event>({ capacity: 2, lane: ({ type }) => type })
    const subscriber = events.subscribe()
    events.publish(data(1))
    for (let n = 2; n <= 9; n++) events.publish(notice(n))
    events.publish(data(10))
    expect(await take(subscriber, 5)).deep.equal(['data 1', 'lagged 6', 'notice 8', 'notice 9', 'data 10'])
  })

  it('K58 lagged stands where the missed ones stood, among the events of other lanes', async () => {
    const events = new Broadcast<Event>({ capacity: 1, lane: ({ type }) => type })
    const subscriber = events.subscribe()
    for (const event of [data(1), data(2), notice(3), data(4)]) events.publish(event)
    expect(await take(subscriber, 3)).deep.equal(['lagged 2', 'notice 3', 'data 4'])
    for (const event of [data(1), notice(2), data(3), notice(4), data(5), notice(6), data(7)]) events.publish(event)
    expect(await take(subscriber, 4)).deep.equal(['lagged 3', 'lagged 2', 'notice 6', 'data 7'])
    for (const event of [notice(1), data(2), notice(3)]) events.publish(event)
    expect(await take(subscriber, 1)).deep.equal(['lagged 1'])
    events.publish(data(4))
    expect(await take(subscriber, 3)).deep.equal(['lagged 1', 'notice 3', 'data 4'])
  })

  it('K58 whatever is published and taken in between: nothing is lost without a number, in order, within the bounds', async () => {
    const step = fc.oneof(fc.constantFrom<'data' | 'notice'>('data', 'notice'), fc.constant('take' as const))
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 9 }), async (steps, capacity, maxWeight) => {
      const events = new Broadcast<Event>({ capacity, lane: ({ type }) => type, weigh: ({ n }) => n % 5, maxWeight })
      const subscriber = events.subscribe()
      const published: Event[] = []
      const got: (Event | Lagged)[] = []
      let waiting = 0
      for (const what of [...steps, ...Array.from({ length: 200 }, () => 'take' as const)]) {
        if (what !== 'take') {
          const event: Event = { type: what, n: published.length }
          published.push(event)
          events.publish(event)
        } else if (waiting === 0) {
          const next = subscriber.next()
          waiting++
          void next.then(({ value }) => { waiting--; if (value !== undefined) got.push(value as Event | Lagged) })
        }
        await Promise.resolve()
      }
      events.close()
      await new Promise(resolve => { setImmediate(resolve) })
      for (const lane of ['data', 'notice'] as const) {
        const own = published.filter(({ type }) => type === lane)
        let at = 0
        for (const each of got) {
          if (each.type === 'lagged') { if (each.lane === lane) at += each.count }
          else if (each.type === lane) expect(each).equal(own[at++])
        }
        expect(at).equal(own.length)
      }
      const numbers = got.flatMap(each => each.type === 'lagged' ? [] : [each.n])
      expect(numbers).deep.equal(numbers.toSorted((a, b) => a - b))
    }), { numRuns: 300 })
  })

  it('K58 what cannot be weighed weighs as much as the lane may hold, and only for that subscriber', async () => {
    const bad = [() => { throw new Error('weigh') }, () => NaN, () => -1, () => Infinity, () => 'x' as unknown as number]
    for (const weigh of bad) {
      const events = new Broadcast<Event>()
      const [odd, well] = [events.subscribe({ weigh: event => event.n === 2 ? weigh() : 5, maxWeight: 10, capacity: Infinity }), events.subscribe()]
      for (let n = 1; n <= 100; n++) events.publish(data(n))
      expect(await take(odd, 3)).deep.equal(['lagged 98', 'data 99', 'data 100'])
      expect((await take(well, 100)).length).equal(100)
      const unbounded = events.subscribe({ weigh })
      for (const n of [1, 2]) events.publish(data(n))
      expect(await take(unbounded, 2)).deep.equal(['data 1', 'data 2'])
    }
    const events = new Broadcast<Event>({ lane() { throw new Error('lane') } })
    const subscriber = events.subscribe({ capacity: 1 })
    for (const n of [1, 2]) events.publish(data(n))
    expect((await subscriber.next()).value).deep.equal({ type: 'lagged', count: 1, lane: '' })
  })

  it('K58 weights that are fractions leave nothing behind in a lane that is empty', async () => {
    const events = new Broadcast<Event>({ weigh: () => 0.1, maxWeight: 1 })
    const subscriber = events.subscribe()
    for (let n = 0; n < 1_000; n++) {
      for (let m = 0; m < 9; m++) events.publish(data(m))
      expect((await take(subscriber, 9)).filter(each => each.startsWith('lagged'))).deep.equal([])
    }
  })

  it('K58 a flood holds no more than the bounds, whatever the lanes', async () => {
    const events = new Broadcast<Event>({ capacity: 8, lane: ({ n }) => `lane ${n % 5}` })
    const subscriber = events.subscribe()
    events.publish({ type: 'data', n: 7 })
    const bytes = await retained(() => { for (let n = 0; n < 200_000; n++) events.publish(data(n % 5 === 2 ? n + 1 : n)) })
    expect(bytes).lessThan(500_000)
    expect(await take(subscriber, 1)).deep.equal(['data 7'])
  })

  it('K60 signal and return end a subscriber at once, also after close; the defaults may hold the signal', async () => {
    for (const how of ['signal', 'return'] as const) {
      const cancel = new AbortController()
      const events = new Broadcast<Event>({ signal: cancel.signal })
      const subscriber = events.subscribe()
      for (const n of [1, 2]) events.publish(data(n))
      events.close()
      expect(await take(subscriber, 1)).deep.equal(['data 1'])
      if (how === 'signal') cancel.abort()
      else await subscriber.return?.()
      expect(await take(subscriber, 1)).deep.equal(['end'])
    }
    const events = new Broadcast<Event>({ signal: AbortSignal.abort() })
    expect([await take(events.subscribe(), 1), events.subscribers]).deep.equal([['end'], 0])
    const own = events.subscribe({ signal: new AbortController().signal })
    events.publish(data(1))
    expect(await take(own, 1)).deep.equal(['data 1'])
  })

  it('K60 nothing is left on a signal, however a subscription ends', async () => {
    const { signal } = new AbortController()
    for (const end of ['return', 'close and take', 'close empty'] as const) {
      const events = new Broadcast<Event>()
      const subscriber = events.subscribe({ signal })
      if (end === 'close and take') events.publish(data(1))
      if (end === 'return') await subscriber.return?.()
      else events.close()
      await take(subscriber, 2)
      expect([getEventListeners(signal, 'abort').length, events.subscribers], end).deep.equal([0, 0])
    }
  })

  it('K60 close: what is left is delivered, then the end; also for who waits and who comes later', async () => {
    const events = new Broadcast<Event>()
    const [behind, waiting] = [events.subscribe(), events.subscribe()]
    const next = waiting.next()
    events.publish(data(1))
    await next
    const end = waiting.next()
    events.close()
    expect((await end).done).equal(true)
    expect(await take(behind, 2)).deep.equal(['data 1', 'end'])
    expect(await take(events.subscribe(), 1)).deep.equal(['end'])
    expect(events.subscribers).equal(0)
  })

  it('K60 a signal and leaving the loop end at once, and nothing is held', async () => {
    const events = new Broadcast<Event>()
    const cancel = new AbortController()
    const cancelled = events.subscribe({ signal: cancel.signal })
    events.publish(data(1))
    cancel.abort()
    expect(await take(cancelled, 1)).deep.equal(['end'])
    expect(await take(events.subscribe({ signal: cancel.signal }), 1)).deep.equal(['end'])
    const loop = events.subscribe()
    events.publish(data(2))
    for await (const event of loop) { expect(event).deep.equal(data(2)); break }
    expect(events.subscribers).equal(0)
  })
})
