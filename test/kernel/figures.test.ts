import { expect } from 'chai'
import pino from 'pino'
import { Histogram, seededRandom, supervisor } from '../../src/actors/kernel/index.js'
import type { Logger, Trace } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { deferred, find, jobber, recordingLogger, short } from './support.js'

describe('kernel: figures', () => {
  it('K53 drops are counted by reason, for the actor and every tree above it', async () => {
    const { supervisor: own } = testKit()
    const tree = own('app')
    const sub = tree.tree('sub')
    const ref = sub.child('it', () => jobber([], { capacity: 1 }))
    const sibling = tree.child('sibling', () => jobber([], { capacity: 1 }))
    await tree.start()
    for (let n = 0; n < 3; n++) { void ref.send({ type: 'note', n }); void sibling.send({ type: 'fresh', n }) }
    await tree.stop()
    void ref.send({ type: 'note', n: 4 })
    const { children, deadLetters } = tree.describe()
    expect(deadLetters).deep.equal({ rejected: 2, dropped_oldest: 2, stopped: 1, closed: 1 })
    expect(children[0]).deep.include({ kind: 'tree', deadLetters: { rejected: 2, closed: 1 } })
    expect(find(tree.describe(), 'sibling').drops).deep.equal({ dropped_oldest: 2, stopped: 1 })
  })

  it('K53 the log tells at a limited rate, with the number of those in between', async () => {
    const { lines, log } = recordingLogger()
    const { supervisor: own, clock } = testKit({ log })
    const tree = own('app')
    const ref = tree.child('it', () => jobber([], { capacity: 1 }))
    await tree.start()
    const flood = (): void => { for (let n = 0; n <= 1_000; n++) void ref.send({ type: 'note', n }) }
    flood()
    clock.advance(9_999)
    flood()
    const letters = () => lines.filter(line => line.message === 'dead letter').map(line => line.fields)
    expect(letters()).deep.equal([{ reason: 'rejected', path: 'app/it', type: 'note', since: 0 }])
    clock.advance(1)
    flood()
    expect(letters()[1]).deep.include({ reason: 'rejected', since: 1_999 })
  })

  it('K54 depth, highest depth, handled, and the two histograms of one message in 16', async () => {
    const { spawn, settle, tree, clock } = testKit()
    const hold = deferred()
    const ref = await spawn(jobber([], { capacity: 100 }), { name: 'it' })
    void ref.send({ type: 'call', run: () => hold.promise })
    await settle()
    for (let n = 0; n < 64; n++) void ref.send({ type: 'note', n })
    expect(find(tree.describe(), 'it')).include({ depth: 64, highWater: 64, capacity: 100, handled: 0 })
    clock.advance(8)
    hold.resolve()
    await settle()
    const { wait, handling, depth, handled } = find(tree.describe(), 'it')
    expect([depth, handled, wait.samples, handling.samples]).deep.equal([0, 65, 5, 5])
    expect(handling.maxMs).equal(8)
    expect(wait.p50Ms).equal(8)
    expect(wait.sumMs).equal(32)
  })

  it('K54 waiting is measured from the message that is timed', async () => {
    const { spawn, settle, tree, clock } = testKit()
    const ref = await spawn(jobber([], { capacity: 100 }), { name: 'it' })
    for (let n = 0; n < 65; n++) void ref.send({ type: 'call', run() { clock.advance(1) } })
    await settle()
    const { wait, handling } = find(tree.describe(), 'it')
    expect([wait.samples, wait.sumMs, wait.maxMs, handling.sumMs]).deep.equal([5, 0 + 16 + 32 + 48 + 64, 64, 5])
  })

  it('K54 waiting is measured right over messages that gave way', async () => {
    const { spawn, settle, tree, clock } = testKit()
    const hold = deferred()
    const ref = await spawn(jobber([], { capacity: 4 }), { name: 'it' })
    void ref.send({ type: 'call', run: () => hold.promise })
    await settle()
    for (let n = 0; n < 100; n++) { clock.advance(1); void ref.send({ type: 'fresh', n }) }
    hold.resolve()
    await settle()
    expect(find(tree.describe(), 'it').wait.maxMs).within(0, 4)
  })

  it('K54 quantiles are at most a quarter too high', () => {
    const random = seededRandom(7)
    const histogram = new Histogram()
    const values = Array.from({ length: 5_000 }, () => 0.004 * 10 ** (random() * 6))
    for (const value of values) histogram.record(value)
    const sorted = values.sort((a, b) => a - b)
    const { p50Ms, p99Ms, samples, maxMs, buckets, sumMs } = histogram.snapshot()
    for (const [found, right] of [[p50Ms, sorted[2_499]!], [p99Ms, sorted[4_949]!]] as const) expect(found / right).within(1, 1.26)
    expect([samples, maxMs, buckets.at(-1)?.count]).deep.equal([5_000, sorted.at(-1), 5_000])
    expect(sumMs).closeTo(sorted.reduce((sum, value) => sum + value, 0), 1e-6)
    histogram.record(1e12)
    expect(histogram.snapshot().maxMs).equal(1e12)
    expect(new Histogram().snapshot()).deep.include({ samples: 0, p50Ms: 0, p99Ms: 0, buckets: [] })
  })

  it('K55 trace gets every handled message with its type, wait and handling time', async () => {
    const seen: Trace[] = []
    const { spawn, settle, clock } = testKit({ trace: each => seen.push(each) })
    const ref = await spawn(jobber([]), { name: 'it' })
    const hold = deferred()
    void ref.send({ type: 'call', run: () => hold.promise })
    await settle()
    for (let n = 0; n < 20; n++) void ref.send({ type: 'note', n })
    const asked = ref.ask('double', { n: 1 }, 1_000)
    clock.advance(5)
    hold.resolve()
    await asked
    expect(seen.length).equal(22)
    expect(seen[0]).deep.equal({ path: 'test/it', type: 'call', waitMs: 0, handlingMs: 5 })
    expect(seen[20]).deep.equal({ path: 'test/it', type: 'note', waitMs: 5, handlingMs: 0 })
    expect(seen[21]).include({ type: 'double' })
  })

  it('K56 describe is plain data at any time', async () => {
    const { supervisor: own, settle } = testKit()
    const tree = own('app', { strategy: 'rest_for_one' })
    const ref = tree.child('it', () => jobber([]))
    tree.tree('sub').child('deep', () => jobber([]))
    const phases = (): string[] => [tree.describe().phase, ...tree.describe().children.map(child => child.phase)]
    expect(phases()).deep.equal(['declared', 'declared', 'declared'])
    expect(tree.describe()).deep.equal(structuredClone(tree.describe()))
    await tree.start()
    expect(phases()).deep.equal(['running', 'running', 'running'])
    expect(tree.describe()).deep.include({ kind: 'tree', name: 'app', path: 'app', strategy: 'rest_for_one', restarts: 0, deadLetters: {} })
    void ref.send({ type: 'boom' })
    await settle()
    expect(phases()).deep.equal(['running', 'down', 'down'])
    await tree.stop()
    expect(phases()).deep.equal(['stopped', 'stopped', 'stopped'])
  })

  it('K57 two runs with the same seed are the same, event by event', async () => {
    const run = async (seed: number): Promise<string[]> => {
      const kit = testKit({ seed })
      const log: string[] = []
      const refs = await Promise.all(['a', 'b', 'c'].map(name => kit.spawn(() => jobber(log, { name }), { name })))
      for (let n = 0; n < 30; n++) {
        for (const ref of refs) void ref.send(n % 10 === 9 ? { type: 'boom' } : { type: 'note', n })
        if (n % 10 === 9) await kit.advance(150)
      }
      await kit.stop()
      return [...log, ...short(kit.events)]
    }
    expect(await run(5)).deep.equal(await run(5))
    expect(await run(5)).not.deep.equal(await run(6))
  })

  it('K57 pino\'s logger is one', () => {
    const log: Logger = pino({ level: 'silent' })
    expect(supervisor('app', { log }).path).equal('app')
  })
})
