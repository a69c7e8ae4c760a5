import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { actor, Handle, mailbox, minutes, reject, seconds } from '../../src/actors/kernel/index.js'
import type { Ask, Deadline, Port } from '../../src/actors/kernel/index.js'
import { crashing, interleavings, testKit } from '../../src/actors/kernel/testing/index.js'

type PriceMessage = Ask<'price', { readonly item: string }, number>

class Prices extends Handle<PriceMessage> {
  price(item: string, within: Deadline) { return this.ask('price', { item }, within) }
}

type Alert = { readonly type: 'dearer'; readonly item: string; readonly from: number; readonly to: number }

type WatchMessage =
  | { readonly type: 'watch'; readonly item: string }
  | { readonly type: 'priced'; readonly item: string; readonly price: number }
  | { readonly type: 'unknown'; readonly item: string }

/** Looks at the price of each watched item once a minute and tells when one has risen. */
const priceWatch = ({ prices, alerts }: { readonly prices: Prices; readonly alerts: Port<Alert> }) =>
  actor<WatchMessage, Map<string, number | undefined>>({
    name: 'price-watch',
    mailbox: mailbox<WatchMessage>({
      capacity: 1_000,
      whenFull: {
        watch: reject('the caller is told'),
        priced: reject('the next look comes in a minute'),
        unknown: reject('the next look comes in a minute'),
      },
    }),
    init(ctx) {
      ctx.every('look', minutes(1))
      return new Map()
    },
    receive: {
      watch(items, { item }) { if (!items.has(item)) items.set(item, undefined) },
      priced(items, { item, price }) {
        const before = items.get(item)
        items.set(item, price)
        if (before !== undefined && price > before) void alerts.send({ type: 'dearer', item, from: before, to: price })
      },
      unknown(items, { item }) { items.delete(item) },
    },
    timers: {
      look(items, ctx) {
        for (const item of items.keys()) {
          ctx.pipe(prices.price(item, seconds(5)), {
            ok: price => ({ type: 'priced', item, price }),
            failed: () => ({ type: 'unknown', item }),
          })
        }
      },
    },
  })

describe('price watch', () => {
  it('tells when a price has risen', async () => {
    const { spawn, probe, advance } = testKit()
    const [shop, alerts] = [probe<PriceMessage>('shop'), probe<Alert>('alerts')]
    const rising = [3, 4, 4]
    shop.answer('price', () => rising.shift() ?? 0)
    const watch = await spawn(priceWatch({ prices: new Prices(shop), alerts }))

    expect(watch.send({ type: 'watch', item: 'tea' })).equal('ok')
    await advance(minutes(2))
    alerts.expect('dearer', { item: 'tea', from: 3, to: 4 })

    await advance(minutes(1))
    alerts.expectNone()
  })

  it('gives up an item whose price does not come within five seconds', async () => {
    const { spawn, probe, advance } = testKit()
    const [shop, alerts] = [probe<PriceMessage>('shop'), probe<Alert>('alerts')]
    const watch = await spawn(priceWatch({ prices: new Prices(shop), alerts }))

    void watch.send({ type: 'watch', item: 'tea' })
    await advance(minutes(3))
    expect(shop.received.length).equal(1)
  })

  it('starts again after a crash, with nothing in mind', async () => {
    const { spawn, probe, advance, events } = testKit()
    const [shop, alerts] = [probe<PriceMessage>('shop').answer('price', () => 3), probe<Alert>('alerts')]
    const watch = await spawn(crashing(() => priceWatch({ prices: new Prices(shop), alerts }), { on: 'priced', nth: 2 }))

    void watch.send({ type: 'watch', item: 'tea' })
    await advance(minutes(5))
    expect(events.map(({ type }) => type)).deep.equal(['started', 'failed', 'restarting', 'restarted'])
    expect(shop.received.length).equal(2)
  })

  it('tells of each item once, whoever of all these runs first', async () => {
    await interleavings({ runs: 50 }, async ({ spawn, probe, advance }) => {
      const [shop, alerts] = [probe<PriceMessage>('shop'), probe<Alert>('alerts')]
      const rising: Record<string, number> = { tea: 3, milk: 1 }
      shop.answer('price', ({ item }) => Math.min(5, rising[item]!++))
      const [mine, yours] = await Promise.all([1, 2].map(() => spawn(priceWatch({ prices: new Prices(shop), alerts }))))

      void mine?.send({ type: 'watch', item: 'tea' })
      void yours?.send({ type: 'watch', item: 'milk' })
      await advance(minutes(2))
      alerts.expect('dearer', { item: 'tea', from: 3, to: 4 })
      alerts.expect('dearer', { item: 'milk', from: 1, to: 2 })
      alerts.expectNone()
    })
  })
})

describe('docs/testing-your-actor.md', () => {
  it('shows code that is compiled and run here', () => {
    const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')
    const flat = (code: string): string => code.split('\n').map(line => line.trim()).filter(line => line !== '').join('\n')
    const source = flat(read('test/kernel/testing-your-actor.test.ts'))
    const blocks = [...read('docs/testing-your-actor.md').matchAll(/```ts\n(.*?)```/gs)].map(match => match[1]!)
    expect(blocks.length).greaterThan(4)
    for (const block of blocks) {
      const own = block.replaceAll('preconfirmation-p2p/kernel', '../../src/actors/kernel/index.js')
        .replaceAll('preconfirmation-p2p/testing', '../../src/actors/kernel/testing/index.js')
      for (const part of own.split('\n// …\n')) expect(source).include(flat(part))
    }
  })
})
