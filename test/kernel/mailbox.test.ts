import { createHook } from 'node:async_hooks'
import { expect } from 'chai'
import fc from 'fast-check'
import { actor, coalesce, mailbox, TurnScheduler } from '../../src/actors/kernel/index.js'
import type { Feedback, Ref } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { deferred, find, jobber, jobMailbox, rejection, retained } from './support.js'
import type { Job } from './support.js'

/** An actor in the middle of a message, so that everything sent to it queues up, and the way to let it go on. */
async function busy(capacity: number) {
  const kit = testKit()
  const log: string[] = []
  const hold = deferred()
  const ref = await kit.spawn(jobber(log, { capacity }), { name: 'busy' })
  void ref.send({ type: 'call', run: () => hold.promise })
  await kit.settle()
  log.length = 0
  return {
    ref, log, settle: kit.settle, tree: kit.tree, figures: () => find(kit.tree.describe(), 'busy'),
    release: async () => { hold.resolve(); await kit.settle() },
  }
}

const note = (ref: Ref<Job>, ...numbers: number[]): Feedback[] => numbers.map(n => ref.send({ type: 'note', n }))
const fresh = (ref: Ref<Job>, ...numbers: number[]): Feedback[] => numbers.map(n => ref.send({ type: 'fresh', n }))

describe('kernel: mailbox', () => {
  it('K01 what a sender gets accepted is handled once and in order, over policies, growth and gaps', async () => {
    const type = fc.constantFrom<'note' | 'fresh' | 'kept'>('note', 'fresh', 'fresh', 'kept')
    await fc.assert(fc.asyncProperty(fc.array(fc.array(type, { maxLength: 60 }), { maxLength: 6 }), async bursts => {
      const { spawn, settle, tree } = testKit()
      const log: string[] = []
      const ref = await spawn(jobber(log, { capacity: 7 }), { name: 'it' })
      let n = 0
      let accepted = 0
      for (const burst of bursts) {
        for (const type of burst) if (ref.send({ type, n: ++n }) !== 'rejected') accepted++
        await settle()
      }
      const handled = log.slice(1).map(line => Number(line.split(' ')[1]))
      expect(handled).deep.equal([...new Set(handled)].sort((a, b) => a - b))
      expect(handled.length).equal(accepted - (find(tree.describe(), 'it').drops.dropped_oldest ?? 0))
    }), { numRuns: 200 })
  })

  it('K02 the next message waits for the promise of the handler before it', async () => {
    const { ref, log, settle, release } = await busy(10)
    note(ref, 1, 2)
    await settle()
    expect(log).deep.equal([])
    await release()
    expect(log).deep.equal(['note 1', 'note 2'])
  })

  it('K02 ticks, piped results and terminated wait for it too', async () => {
    const { spawn, probe, settle, clock } = testKit()
    const log: string[] = []
    const hold = deferred()
    const other = probe('other')
    const ref = await spawn(jobber(log))
    void ref.send({ type: 'call', run(ctx) {
      ctx.watch(other)
      ctx.after('tick', 5)
      ctx.pipe(Promise.resolve(1), { ok: n => ({ type: 'note', n }), failed: () => ({ type: 'note', n: -1 }) })
      return hold.promise
    } })
    await settle()
    other.end()
    clock.advance(5)
    await settle()
    expect(log).deep.equal(['init'])
    hold.resolve()
    await settle()
    expect(log).deep.equal(['init', 'note 1', 'gone other', 'tick'])
  })

  it('K03 the system lane goes first and does not count in the bound', async () => {
    const { spawn, probe, settle, clock } = testKit()
    const log: string[] = []
    const hold = deferred()
    const other = probe('other')
    const ref = await spawn(jobber(log, { capacity: 2 }))
    void ref.send({ type: 'call', run(ctx) { ctx.watch(other); ctx.after('tick', 5); return hold.promise } })
    await settle()
    expect(note(ref, 1, 2, 3)).deep.equal(['ok', 'backoff', 'rejected'])
    clock.advance(5)
    other.end()
    hold.resolve()
    await settle()
    expect(log).deep.equal(['init', 'tick', 'gone other', 'note 1', 'note 2'])
  })

  it('K04 send runs no handler before it has returned, also from within one', async () => {
    const { spawn, settle } = testKit()
    const log: string[] = []
    const ref = await spawn(jobber(log))
    note(ref, 1)
    expect(log).deep.equal(['init'])
    void ref.send({ type: 'call', run(ctx) { void ctx.self.send({ type: 'note', n: 2 }); log.push('sent') } })
    await settle()
    expect(log).deep.equal(['init', 'note 1', 'sent', 'note 2'])
  })

  it('K04 send never throws: a stopped actor, a full mailbox, a key function that throws', async () => {
    const { spawn, settle, stop } = testKit()
    const spec = jobber([], { capacity: 1 })
    const latest = coalesce<Job>('test', () => { throw new Error('key') })
    const ref = await spawn({ ...spec, mailbox: { capacity: 1, whenFull: { ...spec.mailbox.whenFull, latest } } })
    expect(ref.send({ type: 'latest', key: 'a', n: 1 })).equal('backoff')
    expect(ref.send({ type: 'latest', key: 'b', n: 2 })).equal('backoff')
    expect(note(ref, 1)).deep.equal(['rejected'])
    await settle()
    await stop()
    expect(note(ref, 1)).deep.equal(['closed'])
  })

  it('K05 at most capacity messages are queued, at constant cost', async () => {
    const { ref, figures } = await busy(5_000)
    for (let n = 0; n < 200_000; n++) void ref.send({ type: n % 3 === 0 ? 'note' : 'fresh', n })
    expect(figures().depth).equal(5_000)
    expect(figures().highWater).equal(5_000)
  })

  it('K05 a flood that never ends keeps no memory, not even behind a message that stays', async () => {
    const { ref } = await busy(4)
    note(ref, 0)
    const bytes = await retained(() => {
      for (let n = 0; n < 500_000; n++) void ref.send({ type: n % 2 === 0 ? 'fresh' : 'note', n })
    })
    expect(bytes).lessThan(500_000)
    expect(ref.send({ type: 'fresh', n: 1 })).equal('backoff')
  })

  it('K06 feedback: ok below three quarters, then backoff, then rejected; closed at the end', async () => {
    const { ref, tree } = await busy(8)
    expect(note(ref, 1, 2, 3, 4, 5)).deep.equal(['ok', 'ok', 'ok', 'ok', 'ok'])
    expect(note(ref, 6, 7, 8, 9)).deep.equal(['backoff', 'backoff', 'backoff', 'rejected'])
    void tree.stop()
    await Promise.resolve()
    await Promise.resolve()
    expect(note(ref, 10)).deep.equal(['closed'])
  })

  it('K07 reject refuses the new one and counts it', async () => {
    const { ref, log, release, figures } = await busy(2)
    note(ref, 1, 2, 3)
    expect(figures().drops).deep.equal({ rejected: 1 })
    await release()
    expect(log).deep.equal(['note 1', 'note 2'])
  })

  it('K08 dropOldest: the oldest of the same type gives way, other types stay', async () => {
    const { ref, log, release, figures } = await busy(4)
    note(ref, 1)
    fresh(ref, 2, 3)
    note(ref, 4)
    expect(fresh(ref, 5, 6)).deep.equal(['backoff', 'backoff'])
    expect(figures().drops).deep.equal({ dropped_oldest: 2 })
    await release()
    expect(log).deep.equal(['note 1', 'note 4', 'fresh 5', 'fresh 6'])
  })

  it('K08 dropOldest: with none of its type queued the new one is refused', async () => {
    const { ref } = await busy(2)
    note(ref, 1, 2)
    expect(fresh(ref, 3)).deep.equal(['rejected'])
  })

  it('K08 dropOldest: a long flood behind messages that stay loses neither order nor bound', async () => {
    const { ref, log, release, figures } = await busy(4)
    note(ref, 1, 2)
    for (let n = 3; n < 1_000; n++) fresh(ref, n)
    expect(figures().depth).equal(4)
    await release()
    expect(log).deep.equal(['note 1', 'note 2', 'fresh 998', 'fresh 999'])
  })

  it('K09 coalesce: replaced where it stands, only when full, only with the same key', async () => {
    const { ref, log, release, figures } = await busy(4)
    const latest = (key: string, n: number): Feedback => ref.send({ type: 'latest', key, n })
    void latest('a', 1)
    void latest('a', 2)
    note(ref, 3)
    void latest('b', 4)
    expect(latest('a', 5)).equal('backoff')
    expect(latest('c', 6)).equal('rejected')
    expect(figures().drops).deep.equal({ coalesced: 1, rejected: 1 })
    await release()
    expect(log).deep.equal(['latest a 1', 'latest a 5', 'note 3', 'latest b 4'])
  })

  it('K09 coalesce: what has been handled is no longer replaced', async () => {
    const { ref, log, release, settle } = await busy(1)
    void ref.send({ type: 'latest', key: 'a', n: 1 })
    await release()
    void ref.send({ type: 'note', n: 2 })
    expect(ref.send({ type: 'latest', key: 'a', n: 3 })).equal('rejected')
    await settle()
    expect(log).deep.equal(['latest a 1', 'note 2'])
  })

  it('K10 keep: over the bound up to twice the capacity, then refused', async () => {
    const { ref, log, release, figures } = await busy(2)
    note(ref, 1, 2)
    const kept = [3, 4, 5].map(n => ref.send({ type: 'kept', n }))
    expect(kept).deep.equal(['backoff', 'backoff', 'rejected'])
    expect(figures().highWater).equal(4)
    await release()
    expect(log).deep.equal(['note 1', 'note 2', 'kept 3', 'kept 4'])
  })

  it('K11 before the first start: taken, then passed through the policies in order', async () => {
    const kit = testKit()
    const log: string[] = []
    const tree = kit.supervisor('app')
    const ref = tree.child('late', () => jobber(log, { capacity: 2 }))
    expect(fresh(ref, 1, 2, 3)).deep.equal(['ok', 'ok', 'ok'])
    expect(note(ref, 4)).deep.equal(['ok'])
    await tree.start()
    await kit.settle()
    expect(log).deep.equal(['init', 'fresh 2', 'fresh 3'])
    expect(find(tree.describe(), 'late').drops).deep.equal({ dropped_oldest: 1, rejected: 1 })
  })

  it('K11 before the first start: 1,024 at most', () => {
    const ref = testKit().supervisor('app').child('late', () => jobber([]))
    const feedback = note(ref, ...Array.from({ length: 1_025 }, (_, n) => n))
    expect(feedback.filter(each => each === 'rejected').length).equal(1)
    expect(feedback[1_024]).equal('rejected')
  })

  it('K11 a later make that declares another mailbox', async () => {
    const { spawn, settle, advance } = testKit()
    const log: string[] = []
    let capacity = 8
    const ref = await spawn(() => jobber(log, { capacity }))
    void ref.send({ type: 'boom' })
    note(ref, 1, 2, 3, 4)
    capacity = 3
    await settle()
    await advance(1_000)
    expect(log).deep.equal(['init', 'boom', 'stop restart', 'init', 'note 1', 'note 2', 'note 3'])
  })

  it('K12 offer waits for room, first come first served, ahead of later sends', async () => {
    const { ref, log, release, figures } = await busy(1)
    const outcomes: string[] = []
    note(ref, 1)
    for (const n of [2, 3]) void ref.offer({ type: 'note', n }).then(outcome => outcomes.push(`${n} ${outcome}`))
    expect(note(ref, 4)).deep.equal(['rejected'])
    expect(figures().offering).equal(2)
    await release()
    expect(log).deep.equal(['note 1', 'note 2', 'note 3'])
    expect(outcomes).deep.equal(['2 ok', '3 ok'])
    expect(await ref.offer({ type: 'note', n: 5 })).equal('ok')
  })

  it('K12 offer: an aborted signal takes the message away, the end closes', async () => {
    const { ref, log, release, tree } = await busy(1)
    note(ref, 1)
    const cancel = new AbortController()
    const cancelled = rejection(ref.offer({ type: 'note', n: 2 }, { signal: cancel.signal }))
    const waiting = ref.offer({ type: 'note', n: 3 })
    cancel.abort('enough')
    expect(await cancelled).include({ name: 'CancelledError', cause: 'enough' })
    expect(await rejection(ref.offer({ type: 'note', n: 4 }, { signal: cancel.signal }))).include({ code: 'cancelled' })
    const stopped = tree.stop()
    await release()
    await stopped
    expect(await waiting).equal('closed')
    expect(await ref.offer({ type: 'note', n: 5 })).equal('closed')
    expect(log).deep.equal(['stop stop'])
  })

  it('K12 offer: a cancelled message is not handled when there is room again', async () => {
    const { ref, log, release } = await busy(1)
    const cancel = new AbortController()
    note(ref, 1)
    const cancelled = rejection(ref.offer({ type: 'note', n: 2 }, { signal: cancel.signal }))
    const waiting = ref.offer({ type: 'note', n: 3 })
    cancel.abort()
    await cancelled
    await release()
    expect(await waiting).equal('ok')
    expect(log).deep.equal(['note 1', 'note 3'])
  })

  it('K13 no promise is made for a message whose handler makes none', async () => {
    const { spawn, scheduler } = testKit()
    const log: string[] = []
    const ref = await spawn(jobber(log, { capacity: 2_000 }))
    let promises = 0
    const hook = createHook({ init(_, type) { if (type === 'PROMISE') promises++ } }).enable()
    for (let n = 0; n < 1_000; n++) void ref.send({ type: 'note', n })
    scheduler.drain()
    hook.disable()
    expect(log.length).equal(1_001)
    expect(promises).equal(0)
  })

  /** Handles without end, by sending to itself; counts in slices of the event loop. */
  async function slices(scheduler: TurnScheduler, rounds: number, handle: () => void): Promise<number[]> {
    type Again = { readonly type: 'again' }
    const kit = testKit()
    const tree = kit.supervisor('app', { scheduler })
    const counts: number[] = []
    let count = 0
    const ref = tree.child('busy', () => actor<Again, undefined>({
      name: 'busy',
      mailbox: mailbox<Again>({ capacity: 64, whenFull: { again: { kind: 'reject', why: 'test' } } }),
      init: () => undefined,
      receive: { again(_, message, ctx) { count++; handle(); if (counts.length < rounds) void ctx.self.send(message) } },
    }))
    await tree.start()
    for (let n = 0; n < 40; n++) void ref.send({ type: 'again' })
    while (counts.length < rounds) {
      await new Promise(resolve => { setImmediate(resolve) })
      counts.push(count)
      count = 0
    }
    await tree.stop()
    return counts
  }

  it('K14 a flood that never ends lets the event loop go round after 1,024 messages', async () => {
    const counts = await slices(new TurnScheduler(() => 0), 20, () => undefined)
    expect(Math.max(...counts)).within(1_000, 1_024 + 16)
  })

  it('K14 and after 4 ms, message by message when they are slow', async () => {
    let now = 0
    const counts = await slices(new TurnScheduler(() => now), 20, () => { now += 1 })
    expect(Math.max(...counts.slice(1))).within(1, 19)
    expect(counts.filter(count => count > 0 && count <= 20).length).greaterThan(10)
  })

  it('K14 ready actors take turns', async () => {
    const kit = testKit()
    const tree = kit.supervisor('app', { scheduler: new TurnScheduler(() => 0) })
    const log: string[] = []
    const [a, b] = ['a', 'b'].map(name => tree.child(name, () => jobber(log, { name })))
    await tree.start()
    for (let n = 0; n < 100; n++) { note(a!, n); note(b!, n) }
    await new Promise(resolve => { setImmediate(resolve) })
    const handled = log.filter(line => line.includes('note'))
    expect(handled.length).equal(200)
    expect(handled.slice(0, 32).filter(line => line.startsWith('a')).length).equal(16)
    await tree.stop()
  })

  it('K05 a message without a policy does not compile', () => {
    // @ts-expect-error `fresh` is missing
    mailbox<Job>({ capacity: 1, whenFull: { note: jobMailbox(1).whenFull.note } })
  })
})
