import { expect } from 'chai'
import { actor, mailbox, reject } from '../../src/actors/kernel/index.js'
import type { Ask } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { deferred, find, jobber, rejection } from './support.js'

const draining = { drainWithin: 1_000, stopWithin: 3_000 }
const outcome = (asked: Promise<unknown>): Promise<unknown> => asked.catch((error: unknown) => error)

describe('kernel: drained', () => {
  it('K89 what was accepted is handled and answered before the stop hook; nothing more is taken', async () => {
    const { spawn, settle, tree } = testKit()
    const log: string[] = []
    const hold = deferred()
    const ref = await spawn(jobber(log), { name: 'it', ...draining })
    void ref.send({ type: 'call', async run(ctx) { await hold.promise; log.push(`said ${ctx.self.send({ type: 'note', n: 9 })}`) } })
    await settle()
    void ref.send({ type: 'note', n: 1 })
    const asked = ref.ask('double', { n: 2 }, 10_000)
    const waits = ref.offer({ type: 'note', n: 2 })
    const stopped = tree.stop()
    await settle()
    expect([await waits, ref.send({ type: 'note', n: 3 }), await ref.offer({ type: 'note', n: 4 })]).deep.equal(['ok', 'closed', 'closed'])
    hold.resolve()
    await stopped
    expect(await asked).equal(4)
    expect(log).deep.equal(['init', 'said closed', 'note 1', 'double 2', 'note 2', 'stop stop'])
    expect(find(tree.describe(), 'it')).deep.include({ phase: 'stopped', depth: 0, drops: { closed: 3 } })
  })

  it('K89 what is not handled in time is dropped, and the running handler awaited', async () => {
    const { spawn, settle, tree, clock } = testKit()
    const log: string[] = []
    const hold = deferred()
    const ref = await spawn(jobber(log), { name: 'it', ...draining })
    void ref.send({ type: 'call', async run() { await hold.promise; log.push('done') } })
    await settle()
    const asked = outcome(ref.ask('double', { n: 2 }, 60_000))
    const stopped = tree.stop()
    await settle()
    clock.advance(999)
    await settle()
    expect(find(tree.describe(), 'it').depth).equal(1)
    clock.advance(1)
    await settle()
    expect(await asked).include({ code: 'closed' })
    hold.resolve()
    await stopped
    expect(log).deep.equal(['init', 'done', 'stop stop'])
    expect(find(tree.describe(), 'it').drops).deep.equal({ stopped: 1 })
  })

  it('K89 an answer that is due is awaited too, for as long as anybody waits for it', async () => {
    for (const how of ['answered', 'given up'] as const) {
      const { spawn, settle, tree, clock } = testKit()
      const log: string[] = []
      const due = deferred<number>()
      const ref = await spawn(jobber(log), { name: 'it', ...draining })
      const asked = outcome(ref.ask('compute', { run: ctx => ctx.later(due.promise) }, 500))
      const queued = outcome(ref.ask('compute', { run: () => 1 }, 60_000))
      await settle()
      const stopped = tree.stop()
      await settle()
      expect([await queued, log.length], how).deep.equal([1, 1])
      if (how === 'answered') due.resolve(7)
      else clock.advance(500)
      await settle()
      await stopped
      expect(log).deep.equal(['init', 'stop stop'])
      if (how === 'answered') expect(await asked).equal(7)
      else expect(await asked).include({ code: 'timeout' })
      expect(clock.next, 'timers that are left').equal(undefined)
    }
  })

  it('K89 a message that its asker gives up is not waited for', async () => {
    const { spawn, settle, tree, clock } = testKit()
    const hold = deferred()
    const late = mailbox<Ask<'late', object, void>>({ capacity: 9, whenFull: { late: reject('test') } })
    const ref = await spawn(() => actor<Ask<'late', object, void>, void>({ name: 'late', mailbox: late, init: () => undefined, receive: { late: () => hold.promise } }), draining)
    const first = outcome(ref.ask('late', {}, 60_000))
    await settle()
    const second = outcome(ref.ask('late', {}, 500))
    let ended = false
    void tree.stop().then(() => { ended = true })
    await settle()
    clock.advance(500)
    expect(await second).include({ code: 'timeout' })
    hold.resolve()
    await settle()
    expect([await first, ended]).deep.equal([undefined, true])
  })

  it('K89 a failure meanwhile ends it; what does not run has nothing handled; a restart keeps the queue', async () => {
    const { spawn, settle, tree, clock, crash, advance } = testKit()
    const log: string[] = []
    const ref = await spawn(() => jobber(log), { name: 'it', ...draining, backoff: { firstMs: 100, maxMs: 100, factor: 1, jitter: 0 } })
    void ref.send({ type: 'note', n: 1 })
    crash(ref)
    void ref.send({ type: 'note', n: 2 })
    await advance(100)
    expect(log).deep.equal(['init', 'stop restart', 'init', 'note 1', 'note 2'])
    void ref.send({ type: 'call', run: () => Promise.reject(new Error('meanwhile')) })
    void ref.send({ type: 'note', n: 3 })
    const stopped = tree.remove('it')
    await settle()
    await stopped
    expect(log.slice(5)).deep.equal(['stop stop'])
    const down = await spawn(() => jobber(log), { name: 'down', ...draining })
    crash(down)
    await settle()
    const asked = rejection(down.ask('double', { n: 1 }, 60_000))
    await tree.stop()
    expect(await asked).include({ code: 'closed' })
    expect(clock.next, 'timers that are left').equal(undefined)
  })

  it('K89 it may end itself meanwhile', async () => {
    const { spawn, settle, tree } = testKit()
    const log: string[] = []
    const ref = await spawn(jobber(log), { name: 'it', kind: 'transient', ...draining })
    let end!: () => void
    const asked = outcome(ref.ask('compute', { run(ctx) { end = () => { ctx.stop() }; return ctx.later(new Promise(() => undefined)) } }, 60_000))
    let ended = false
    void tree.stop().then(() => { ended = true })
    await settle()
    end()
    await settle()
    expect(await asked).include({ code: 'interrupted' })
    expect([ended, log]).deep.equal([true, ['init', 'stop stop']])
  })

  it('K89 one that is abandoned waits for nothing any more', async () => {
    const { spawn, settle, tree, clock } = testKit()
    const ref = await spawn(jobber([]), { name: 'it', stopWithin: 500, drainWithin: 60_000 })
    void ref.send({ type: 'call', run: () => new Promise(() => undefined) })
    await settle()
    const stopped = tree.stop()
    await settle()
    clock.advance(500)
    await stopped
    await settle()
    expect(clock.next, 'timers that are left').equal(undefined)
  })
})
