import { expect } from 'chai'
import { seconds } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { deferred, jobber, recordingLogger } from './support.js'

/** Seen in other kernels. */
describe('kernel: traps', () => {
  it('K23 a stopping actor with queued messages does not spin', async () => {
    const { spawn, settle, scheduler, tree, advance } = testKit()
    const hold = deferred()
    const ref = await spawn(jobber([], { capacity: 10_000 }), { stopWithin: seconds(5) })
    void ref.send({ type: 'call', run: () => hold.promise })
    await settle()
    for (let n = 0; n < 5_000; n++) void ref.send({ type: 'note', n })
    const before = scheduler.steps
    const stopped = tree.stop()
    for (let n = 0; n < 100; n++) { void ref.send({ type: 'note', n }); await settle() }
    expect(scheduler.steps - before).equal(0)
    await advance(seconds(5))
    await stopped
    expect(scheduler.steps - before).equal(0)
  })

  it('K34 a terminated is not dropped by drop-oldest, nor by a full mailbox', async () => {
    const { spawn, settle, tree } = testKit()
    const log: string[] = []
    const hold = deferred()
    const watcher = await spawn(jobber(log, { capacity: 2, name: 'watcher' }))
    const other = await spawn(jobber([]), { name: 'other' })
    void watcher.send({ type: 'call', run(ctx) { ctx.watch(other); return hold.promise } })
    await settle()
    await tree.remove('other')
    for (let n = 0; n < 1_000; n++) void watcher.send({ type: 'fresh', n })
    hold.resolve()
    await settle()
    expect(log).deep.equal(['watcher init', 'watcher gone test/other', 'watcher fresh 998', 'watcher fresh 999'])
  })

  it('K48 a stop does not hang on a parked restart, of an actor or of a whole tree', async () => {
    const { supervisor, settle, clock } = testKit()
    const tree = supervisor('app', { backoff: { firstMs: 60_000, maxMs: 60_000, factor: 1, jitter: 0 } })
    const sub = tree.tree('sub', { maxRestarts: 0 })
    const [a, b] = [tree.child('a', () => jobber([])), sub.child('b', () => jobber([]))]
    await tree.start()
    for (const ref of [a, b]) void ref.send({ type: 'boom' })
    await settle()
    expect(tree.describe().children.map(({ phase }) => phase)).deep.equal(['down', 'down'])
    let stopped = false
    void tree.stop().then(() => { stopped = true })
    await settle()
    expect([stopped, clock.pending]).deep.equal([true, 0])
  })

  it('K46 a crash loop is logged, every time', async () => {
    const { lines, log } = recordingLogger()
    const { supervisor, advance } = testKit({ log })
    const tree = supervisor('app', { maxRestarts: 3 })
    let made = 0
    const ref = tree.child('it', () => jobber([], { init() { if (++made > 1) throw new Error(`start ${made}`) } }))
    await tree.start()
    void ref.send({ type: 'boom' })
    await advance(seconds(10))
    const errors = lines.filter(line => line.level === 'error')
      .map(({ message, fields }) => `${message} ${(fields['err'] as Error).message}`)
    expect(errors).deep.equal(['failed boom', 'failed start 2', 'failed start 3', 'failed start 4', 'escalated start 4'])
  })

  it('K35 a listener is taken away by the reference that was added', async () => {
    const { spawn, tree } = testKit()
    const ref = await spawn(jobber([]), { name: 'it' })
    const calls: string[] = []
    const listener = (): void => { calls.push('called') }
    const [first, second] = [ref.onceTerminated(listener), ref.onceTerminated(listener)]
    first()
    first()
    await tree.remove('it')
    expect(calls).deep.equal(['called'])
    second()
    ref.onceTerminated(listener)()
    expect(calls).deep.equal(['called', 'called'])
  })

  it('K46 a listener that throws keeps neither the stop nor the other listeners from theirs', async () => {
    const { lines, log } = recordingLogger()
    const { spawn, stop } = testKit({ log })
    const ref = await spawn(jobber([]))
    const calls: string[] = []
    ref.onceTerminated(() => { throw new Error('in a listener') })
    ref.onceTerminated(() => { calls.push('called') })
    await stop()
    expect(calls).deep.equal(['called'])
    expect(lines.map(({ message }) => message)).include('a listener threw')
  })
})
