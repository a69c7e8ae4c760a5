import { expect } from 'chai'
import { supervisor } from '../../src/actors/kernel/index.js'
import type { Ref } from '../../src/actors/kernel/index.js'
import { interleavings, testKit } from '../../src/actors/kernel/testing/index.js'
import { deferred, jobber, rejection, short } from './support.js'
import type { Deferred, Job } from './support.js'

async function pooled(size: number, capacity = 10) {
  const kit = testKit()
  const events: string[] = []
  const log: string[] = []
  const tree = kit.supervisor('app', { onEvent: event => events.push(...short([event])) })
  let made = 0
  const ref = tree.pool('workers', { size, make: () => jobber(log, { name: `w${made++ % size}`, capacity }), backoff: { firstMs: 100, maxMs: 100, factor: 1, jitter: 0 } })
  await tree.start()
  await kit.settle()
  log.length = 0
  /** Which of them do `run`, in order. */
  const hold = (): { readonly held: Deferred<number>; readonly answer: Promise<number | Error> } => {
    const held = deferred<number>()
    return { held, answer: ref.ask('compute', { run: () => held.promise }, 60_000).catch((error: unknown) => error as Error) }
  }
  const depths = (): number[] => {
    const [pool] = tree.describe().children
    return pool?.kind === 'tree' ? pool.children.map(child => child.kind === 'actor' ? child.depth : -1) : []
  }
  return { ...kit, tree, ref, log, events, hold, depths }
}

const note = (ref: Ref<Job>, ...numbers: number[]) => numbers.map(n => ref.send({ type: 'note', n }))

describe('kernel: pool', () => {
  it('K88 the idle take turns; a busy one gets nothing while another is idle', async () => {
    const { ref, log, hold, settle } = await pooled(3)
    for (const n of [1, 2, 3, 4, 5, 6]) { note(ref, n); await settle() }
    expect(log.splice(0)).deep.equal(['w0 note 1', 'w1 note 2', 'w2 note 3', 'w0 note 4', 'w1 note 5', 'w2 note 6'])
    const first = hold()
    await settle()
    for (let n = 0; n < 6; n++) { note(ref, n); await settle() }
    expect(log.map(line => line.slice(0, 2)).sort()).deep.equal(['w1', 'w1', 'w1', 'w2', 'w2', 'w2'])
    first.held.resolve(1)
    expect(await first.answer).equal(1)
  })

  it('K88 messages are spread over the queues, offers and answers due count too, and full means all are full', async () => {
    const { ref, hold, settle, depths } = await pooled(3, 2)
    const held = [hold(), hold(), hold()]
    await settle()
    expect(note(ref, 1, 2, 3, 4, 5, 6)).deep.equal(['ok', 'ok', 'ok', 'backoff', 'backoff', 'backoff'])
    expect(depths()).deep.equal([2, 2, 2])
    expect(note(ref, 7)).deep.equal(['rejected'])
    const offers = [8, 9, 10].map(n => ref.offer({ type: 'note', n }))
    for (const each of held) each.held.resolve(0)
    expect(await Promise.all(offers)).deep.equal(['ok', 'ok', 'ok'])
    await settle()
    const due = [1, 2, 3].map(() => ref.ask('compute', { run: ctx => ctx.later(deferred<number>().promise) }, 100).catch(() => 0))
    await settle()
    const paths = new Set<string>()
    for (let n = 0; n < 3; n++) await ref.ask('compute', { run(ctx) { paths.add(ctx.path); return 1 } }, 100)
    expect(paths.size).equal(3)
    void due
  })

  it('K88 one that fails is restarted by itself, and gets nothing meanwhile unless the others are as full', async () => {
    const { ref, log, events, settle, advance, depths } = await pooled(2, 3)
    void ref.send({ type: 'boom' })
    await settle()
    for (let n = 0; n < 4; n++) { note(ref, n); await settle() }
    expect(new Set(log.filter(line => line.includes('note')).map(line => line.slice(0, 2)))).deep.equal(new Set(['w1']))
    void ref.send({ type: 'call', run: () => deferred().promise })
    await settle()
    note(ref, 1, 2, 3, 4)
    expect(depths().reduce((sum, each) => sum + each)).equal(4)
    expect(depths()[1]).within(2, 3)
    await advance(100)
    expect(events.slice(-3)).deep.equal(['failed app/workers/0 restart', 'restarting app/workers/0 100', 'restarted app/workers/0'])
  })

  it('K88 it is a tree: watched, removed, closed; its size is checked', async () => {
    const { ref, tree, spawn, settle } = await pooled(2)
    expect(ref.path).equal('app/workers')
    const log: string[] = []
    const watcher = await spawn(jobber(log))
    void watcher.send({ type: 'call', run(ctx) { ctx.watch(ref) } })
    await settle()
    await tree.remove('workers')
    await settle()
    expect(log).deep.equal(['init', 'gone app/workers'])
    expect(note(ref, 1)).deep.equal(['closed'])
    expect(await rejection(ref.ask('double', { n: 1 }, 100))).include({ code: 'closed' })
    for (const size of [0, NaN, 1.5, Infinity]) {
      expect(() => supervisor('app').pool('p', { size, make: () => jobber([]) })).throw().include({ code: 'bad_option' })
    }
  })

  it('K88 K01 what one of them gets stays in order, under every seed', async () => {
    await interleavings({ runs: 30 }, async kit => {
      const logs = new Map<string, number[]>()
      const tree = kit.supervisor('app')
      const ref = tree.pool('p', { size: 3, make: () => jobber([], { capacity: 100 }) })
      await tree.start()
      for (let n = 0; n < 60; n++) void ref.send({ type: 'call', run({ path }) { logs.set(path, [...logs.get(path) ?? [], n]) } })
      await kit.settle()
      const all = [...logs.values()]
      expect(all.length).equal(3)
      for (const own of all) expect(own).deep.equal(own.toSorted((a, b) => a - b))
      expect(all.flat().length).equal(60)
    })
  })
})
