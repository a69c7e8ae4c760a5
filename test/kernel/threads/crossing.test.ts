import { isMainThread, threadId } from 'node:worker_threads'
import { expect } from 'chai'
import { both, inThread } from './stage.js'
import { Sealed } from './subject.js'

const WITHIN = 20_000
const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at)

describe('kernel: an actor in a thread, messages', function () {
  this.timeout(60_000)

  both('K90 takes messages and asks, keeps its order, and stops', async stage => {
    const { ref, told, flushed } = bound(await stage())
    for (const n of range(50)) expect(ref.send({ type: 'note', n })).equal('ok')
    expect(await ref.ask('double', { n: 21 }, WITHIN)).equal(42)
    await flushed()
    expect(told).deep.equal(['init 1', ...range(50).map(n => `note ${n}`)])
  })

  inThread('K90 lives in another thread than its senders', async stage => {
    const info = await (await stage()).ref.ask('info', {}, WITHIN)
    expect(isMainThread).equal(true)
    expect(info.threadId).not.equal(threadId)
  })

  both('K91 what one sender sends is handled in its order, through windows that are full many times over', async stage => {
    const { ref, told, flushed } = bound(await stage({ credits: 4, capacity: 5_000 }))
    const asks = range(500).map(n => { void ref.send({ type: 'note', n }); return ref.ask('double', { n }, WITHIN) })
    expect(await Promise.all(asks)).deep.equal(range(500).map(n => n * 2))
    await flushed()
    expect(told.slice(1)).deep.equal(range(500).map(n => `note ${n}`))
  })

  both('K93 what the actor has coming to itself goes ahead of what has crossed', async stage => {
    const { ref, told, held, open, flushed } = bound(await stage())
    void ref.send({ type: 'call', what: 'pipe', n: 7 })
    void ref.send({ type: 'hold', gate: 0, how: 'await' })
    await held(1)
    void ref.send({ type: 'call', what: 'after', n: 0 })
    for (const n of range(3)) void ref.send({ type: 'note', n })
    open(0)
    await flushed()
    expect(told.filter(each => each.startsWith('note'))).deep.equal(['note 7', 'note 0', 'note 1', 'note 2'])
  })

  both('K103 a class with private state crosses by its codec, both ways', async stage => {
    const { ref } = bound(await stage())
    const back = await ref.ask('sealed', { sealed: new Sealed('open') }, WITHIN)
    expect(back).instanceOf(Sealed)
    expect(back.word).equal('open!')
  })
})

function bound<T extends { flushed(): Promise<void>; held(count: number): Promise<void>; open(gate: number): void }>(stage: T): T {
  return Object.assign(stage, { flushed: stage.flushed.bind(stage), held: stage.held.bind(stage), open: stage.open.bind(stage) })
}
