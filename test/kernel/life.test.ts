import { expect } from 'chai'
import { KernelError } from '../../src/actors/kernel/index.js'
import type { Context } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { deferred, find, jobber, jobMailbox, recordingLogger, rejection, short } from './support.js'
import type { Job } from './support.js'

describe('kernel: the life of an actor', () => {
  it('K20 no message is handled before init is over', async () => {
    const kit = testKit()
    const log: string[] = []
    const ready = deferred()
    const tree = kit.supervisor('app')
    const ref = tree.child('it', () => jobber(log, { async init() { await ready.promise; log.push('ready') } }))
    void ref.send({ type: 'note', n: 1 })
    let started = false
    const starting = tree.start().then(() => { started = true })
    await kit.settle()
    expect([log, started]).deep.equal([['init'], false])
    ready.resolve()
    await starting
    await kit.settle()
    expect(log).deep.equal(['init', 'ready', 'note 1'])
  })

  it('K20 a throw of make or init, and a rejection of init, is a failed start', async () => {
    const { spawn } = testKit()
    const error = new Error('no')
    expect(await rejection(spawn(() => { throw error }))).equal(error)
    expect(await rejection(spawn(jobber([], { init() { throw error } })))).equal(error)
    expect(await rejection(spawn(jobber([], { init: () => Promise.reject(error) })))).equal(error)
  })

  it('K21 a restart keeps the queue in order with its asks, and drops the message that threw', async () => {
    const { spawn, advance, tree } = testKit()
    const log: string[] = []
    const ref = await spawn(() => jobber(log), { name: 'it' })
    void ref.send({ type: 'note', n: 1 })
    void ref.send({ type: 'boom' })
    const asked = ref.ask('double', { n: 2 }, 10_000)
    void ref.send({ type: 'note', n: 3 })
    await advance(1_000)
    expect(log).deep.equal(['init', 'note 1', 'boom', 'stop restart', 'init', 'double 2', 'note 3'])
    expect(await asked).equal(4)
    expect(find(tree.describe(), 'it')).deep.include({ restarts: 1, handled: 3, drops: { crashed: 1 } })
  })

  it('K21 each incarnation has its own make, state and context; old timers, watches, pipes and answers are void', async () => {
    const { spawn, probe, advance, settle, crash, tree, clock } = testKit()
    const log: string[] = []
    const contexts: Context<Job>[] = []
    const piped = deferred<number>()
    const other = probe('other')
    let made = 0
    const ref = await spawn(() => { made++; return jobber(log, { init(ctx) { contexts.push(ctx) } }) }, { name: 'it' })
    void ref.send({ type: 'call', run(ctx) {
      ctx.every('tick', 10)
      ctx.watch(other)
      ctx.pipe(piped.promise, { ok: n => ({ type: 'note', n }), failed: () => ({ type: 'note', n: -1 }) })
    } })
    await settle()
    crash(ref)
    await advance(1_000)
    expect([made, contexts[0] === contexts[1], contexts[0]?.signal.aborted]).deep.equal([2, false, true])
    piped.resolve(1)
    other.end()
    contexts[0]?.after('tick', 1)
    contexts[0]?.fail(new Error('too late'))
    await advance(1_000)
    expect(log).deep.equal(['init', 'stop restart', 'init'])
    expect(find(tree.describe(), 'it').drops).deep.equal({ stale: 1 })
    expect(clock.pending).equal(0)
  })

  it('K21 a waiting offer and those who watch outlive a restart', async () => {
    const { spawn, settle, advance, tree } = testKit()
    const log: string[] = []
    const ref = await spawn(() => jobber(log, { capacity: 1 }), { name: 'it' })
    const watcher = await spawn(jobber(log, { name: 'watcher' }))
    void watcher.send({ type: 'call', run(ctx) { ctx.watch(ref) } })
    void ref.send({ type: 'boom' })
    const offered = ref.offer({ type: 'note', n: 1 })
    const second = ref.offer({ type: 'note', n: 2 })
    await settle()
    await advance(1_000)
    expect([await offered, await second]).deep.equal(['ok', 'ok'])
    expect(log.slice(2)).deep.equal(['boom', 'stop restart', 'init', 'note 1', 'note 2'])
    await tree.remove('it')
    await settle()
    expect(log.slice(7)).deep.equal(['stop stop', 'watcher gone test/it'])
  })

  it('K22 the signal is aborted before the running handler is awaited', async () => {
    const { spawn, settle, tree } = testKit()
    const log: string[] = []
    const ref = await spawn(jobber(log, { stop(ctx) { log.push(`aborted ${ctx.signal.aborted}`) } }))
    void ref.send({ type: 'call', async run({ signal }) {
      await new Promise(resolve => { signal.addEventListener('abort', resolve) })
      log.push('let go')
    } })
    await settle()
    await tree.stop()
    expect(log).deep.equal(['init', 'let go', 'stop stop', 'aborted true'])
  })

  it('K23 stop: closed at once, the running handler ends, what is queued is dropped, then the hook', async () => {
    const { spawn, settle, tree } = testKit()
    const log: string[] = []
    const hold = deferred()
    const ref = await spawn(jobber(log), { name: 'it' })
    void ref.send({ type: 'call', async run() { await hold.promise; log.push('done') } })
    await settle()
    void ref.send({ type: 'note', n: 1 })
    const asked = rejection(ref.ask('double', { n: 2 }, 1_000))
    const stopped = tree.stop()
    await settle()
    expect(ref.send({ type: 'note', n: 3 })).equal('closed')
    expect(await asked).include({ code: 'closed' })
    hold.resolve()
    await stopped
    expect(log).deep.equal(['init', 'done', 'stop stop'])
    expect(find(tree.describe(), 'it')).deep.include({ phase: 'stopped', depth: 0, drops: { stopped: 2, closed: 1 } })
  })

  it('K24 the stop hook runs once for each incarnation that has started, and for no other', async () => {
    const { spawn, advance, crash, stop } = testKit()
    const log: string[] = []
    let starts = 0
    const ref = await spawn(() => jobber(log, { init() { if (++starts === 2) throw new Error('second') } }))
    crash(ref)
    await advance(10_000)
    await stop()
    expect(log).deep.equal(['init', 'stop restart', 'init', 'init', 'stop stop'])
  })

  it('K24 what the stop hook throws is logged and changes nothing', async () => {
    const { lines, log: logger } = recordingLogger()
    const { spawn, advance, crash, stop } = testKit({ log: logger })
    const log: string[] = []
    const ref = await spawn(() => jobber(log, { stop(_, reason) {
      if (reason === 'stop') throw new Error('a')
      return Promise.reject(new Error('b'))
    } }))
    crash(ref)
    await advance(1_000)
    await stop()
    expect(log).deep.equal(['init', 'stop restart', 'init', 'stop stop'])
    expect(lines.filter(line => line.message === 'the stop hook threw').length).equal(2)
  })

  it('K25 a handler that hangs is abandoned at the deadline; what it does later is without effect', async () => {
    const { spawn, settle, advance, crash, events, tree } = testKit()
    const log: string[] = []
    const hold = deferred()
    const ref = await spawn(() => jobber(log), { name: 'it', stopWithin: 300 })
    const asked = rejection(ref.ask('compute', { run: async () => { await hold.promise; throw new Error('late') } }, 60_000))
    await settle()
    crash(ref)
    await advance(299)
    expect(log).deep.equal(['init'])
    await advance(1_000)
    expect(await asked).include({ code: 'interrupted' })
    expect(log).deep.equal(['init', 'init'])
    hold.resolve()
    await settle()
    expect(short(events).filter(line => !line.startsWith('restarting'))).deep.equal([
      'started test/it', 'failed test/it restart', 'overdue test/it 300', 'restarted test/it',
    ])
    expect(tree.describe().children[0]).include({ phase: 'running', restarts: 1 })
  })

  it('K25 a stop hook that hangs is abandoned as well, and the next stop works', async () => {
    const { spawn, advance, crash, tree } = testKit()
    const log: string[] = []
    const hang = (_: Context<Job>, reason: string) => reason === 'restart' ? deferred().promise : undefined
    const ref = await spawn(() => jobber(log, { stop: hang }), { stopWithin: 300 })
    crash(ref)
    await advance(1_000)
    await tree.stop()
    expect(log).deep.equal(['init', 'stop restart', 'init', 'stop stop'])
  })

  it('K26 an init that takes too long is a failed start; what it makes late goes to the stop hook', async () => {
    const { supervisor, settle, advance } = testKit()
    const log: string[] = []
    const ready = deferred()
    const tree = supervisor('app')
    tree.child('it', () => jobber(log, { init: () => ready.promise }), { startWithin: 200 })
    const starting = rejection(tree.start())
    await advance(200)
    expect((await starting).cause).include({ code: 'timeout', value: 200 })
    ready.resolve()
    await settle()
    expect(log).deep.equal(['init', 'stop stop'])
  })

  it('K27 ctx.fail in a handler lets it finish and answer; outside of one it acts at once; in init the start fails', async () => {
    const { spawn, settle, advance } = testKit()
    const log: string[] = []
    let context: Context<Job> | undefined
    const ref = await spawn(() => jobber(log, { init(ctx) { context = ctx } }))
    const asked = ref.ask('compute', { async run(ctx) {
      ctx.fail(new Error('ground gone'))
      await Promise.resolve()
      log.push('finished')
      return 1
    } }, 1_000)
    void ref.send({ type: 'note', n: 2 })
    await settle()
    expect(await asked).equal(1)
    await advance(1_000)
    expect(log).deep.equal(['init', 'finished', 'stop restart', 'init', 'note 2'])
    context?.fail(new Error('again'))
    expect(context?.signal.aborted).equal(true)
    await advance(1_000)
    expect(log.slice(5)).deep.equal(['stop restart', 'init'])
    const error = new Error('early')
    expect(await rejection(spawn(jobber([], { init(ctx) { ctx.fail(error) } })))).equal(error)
  })

  it('K28 ctx.stop ends a transient child for good after its handler; for a permanent one it is a failure', async () => {
    const { spawn, settle, advance, events, tree } = testKit()
    const log: string[] = []
    const finish = { type: 'call', async run(ctx: Context<Job>) {
      ctx.stop()
      await Promise.resolve()
      log.push('finished')
    } } as const
    const transient = await spawn(jobber(log), { name: 'transient', kind: 'transient' })
    void transient.send(finish)
    void transient.send({ type: 'note', n: 1 })
    await settle()
    expect(log).deep.equal(['init', 'finished', 'stop stop'])
    expect(tree.describe().children).deep.equal([])
    const permanent = await spawn(() => jobber(log), { name: 'permanent' })
    void permanent.send(finish)
    await advance(1_000)
    expect(log.slice(3)).deep.equal(['init', 'finished', 'stop restart', 'init'])
    const failed = events.find(event => event.type === 'failed')
    expect(failed?.type === 'failed' && failed.error instanceof KernelError && failed.error.code).equal('finished')
  })

  it('K28 ctx.stop in init ends it right after', async () => {
    const { spawn, settle, tree } = testKit()
    const log: string[] = []
    await spawn(jobber(log, { init(ctx) { ctx.stop() } }), { kind: 'temporary' })
    await settle()
    expect(log).deep.equal(['init', 'stop stop'])
    expect(tree.describe().children).deep.equal([])
  })

  it('K20 the mailbox of make is the one that counts', async () => {
    const { spawn, tree } = testKit()
    await spawn(jobber([], { mailbox: jobMailbox(3) }), { name: 'it' })
    expect(find(tree.describe(), 'it').capacity).equal(3)
  })
})
