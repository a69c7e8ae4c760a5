import { expect } from 'chai'
import { actor, coalesce, dropOldest, Handle, mailbox, reject, seconds } from '../../src/actors/kernel/index.js'
import type { Ask, Context } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'

type Count =
  | { readonly type: 'add'; readonly n: number }
  | { readonly type: 'boom' }
  | { readonly type: 'set'; readonly key: string; readonly n: number }
  | Ask<'total', { readonly scale: number }, number>
  | Ask<'slow', Record<never, never>, number>

const countMailbox = mailbox<Count>({
  capacity: 8,
  whenFull: {
    add: dropOldest('any'), boom: reject('any'), total: reject('any'), slow: reject('any'),
    set: coalesce('latest', message => message.key),
  },
})

class Counter extends Handle<Count> {
  add(n: number) { return this.send({ type: 'add', n }) }
  boom() { return this.send({ type: 'boom' }) }
  total(scale: number) { return this.ask('total', { scale }, seconds(1)) }
  slow() { return this.ask('slow', {}, seconds(1)) }
}

const counter = () => actor<Count, { total: number }>({
  name: 'counter',
  mailbox: countMailbox,
  init: (ctx: Context<Count>) => { ctx.every('tick', 1_000); return { total: 0 } },
  receive: {
    add(state, { n }) { state.total += n },
    boom() { throw new Error('boom') },
    set(state, { n }) { state.total = n },
    total: (state, { scale }) => state.total * scale,
    slow: (state, _, ctx) => ctx.later(new Promise(resolve => { ctx.clock.setTimeout(() => { resolve(state.total) }, 500) })),
  },
  timers: { tick(state) { state.total += 100 } },
})

describe('kernel, in short', () => {
  it('handles, asks, restarts, ticks, stops', async () => {
    const { clock, spawn, settle, advance, stop, tree } = testKit()
    const count = new Counter(await spawn(counter))
    expect(count.add(2)).equal('ok')
    void count.add(3)
    expect(await count.total(2)).equal(10)
    const slow = count.slow()
    void count.add(1)
    await advance(500)
    expect(await slow).equal(6)
    clock.advance(500)
    await settle()
    expect(await count.total(1)).equal(106)
    void count.boom()
    await settle()
    void count.add(7)
    await advance(100)
    expect(await count.total(1)).equal(7)
    await stop()
    expect(count.add(1)).equal('closed')
    expect(tree.describe().children.length).equal(1)
  })
})
