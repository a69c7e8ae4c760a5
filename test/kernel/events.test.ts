import { expect } from 'chai'
import { Broadcast } from '../../src/actors/kernel/index.js'
import type { Lagged } from '../../src/actors/kernel/index.js'

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
