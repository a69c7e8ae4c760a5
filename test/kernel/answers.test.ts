import { expect } from 'chai'
import { actor, Handle, mailbox, reject } from '../../src/actors/kernel/index.js'
import type { Ask, Context, Deferral } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { deferred, find, jobber, recordingLogger, rejection } from './support.js'
import type { Job } from './support.js'

/** The context of an actor that runs. */
async function contextOf(kit: ReturnType<typeof testKit>, log: string[] = []) {
  let ctx!: Context<Job>
  const ref = await kit.spawn(() => jobber(log, { init(own) { ctx = own } }), { name: 'it' })
  return { ref, ctx: () => ctx }
}

describe('kernel: ways to answer, and what an actor tells itself', () => {
  type Desk =
    | Ask<'order', { readonly n: number }, string> | { readonly type: 'tell'; readonly n: number } | { readonly type: 'give'; readonly what: string }
    | { readonly type: 'boom' }
  type Told = { readonly type: 'looked'; readonly n: number }
  class DeskHandle extends Handle<Desk> { tell(n: number) { return this.send({ type: 'tell', n }) } }

  async function desk(kit: ReturnType<typeof testKit>) {
    const kept: Deferral<string>[] = []
    const log: string[] = []
    const ref = await kit.spawn(() => actor<Desk, null, Told, 'tick'>({
      name: 'desk',
      mailbox: mailbox<Desk>({ capacity: 10, whenFull: { order: reject('told'), tell: reject('told'), give: reject('told'), boom: reject('told') } }),
      init(ctx) {
        ctx.after('tick', 1)
        // @ts-expect-error there is no such timer
        expect(() => { ctx.after('tock', 1) }).throw()
        return null
      },
      receive: {
        order(_, { n }, ctx) {
          if (n < 0) return ctx.refuse(new Error('no such thing'))
          return ctx.defer(answer => { kept.push(answer) })
        },
        tell(_, { n }, ctx) {
          if (n < 0) return ctx.refuse(new Error('told to nobody')) as unknown as undefined
          ctx.pipe(Promise.resolve(n), { ok: value => ({ type: 'looked', n: value }), failed: () => ({ type: 'looked', n: -1 }) })
          return undefined
        },
        give(_, { what }) { for (const answer of kept.splice(0)) { answer.resolve(what); answer.resolve('again'); answer.reject(new Error('again')) } },
        boom() { throw new Error('boom') },
      },
      internal: { looked(_, { n }) { log.push(`looked ${n}`) } },
      timers: { tick() { log.push('tick') } },
    }), { name: 'desk' })
    return { ref, kept, log, figures: () => find(kit.tree.describe(), 'desk') }
  }

  it('K82 refuse: the asker gets the error, the actor goes on', async () => {
    const kit = testKit()
    const { ref, figures } = await desk(kit)
    expect(await rejection(ref.ask('order', { n: -1 }, 100))).include({ message: 'no such thing' })
    expect(figures()).deep.include({ restarts: 0, answering: 0, handled: 1, drops: {} })
  })

  it('K82 K19 a refusal or rejection that nobody asked for is logged and counted', async () => {
    const { lines, log: logger } = recordingLogger()
    const kit = testKit({ log: logger })
    const { ref, figures } = await desk(kit)
    void ref.send({ type: 'tell', n: -1 })
    void ref.send({ type: 'order', n: -1 })
    await kit.settle()
    expect(figures().drops).deep.equal({ late_reply: 2 })
    const told = lines.filter(({ message }) => message.startsWith('refused')).map(({ fields }) => [fields['actor'], fields['type'], (fields['err'] as Error).message])
    expect(told).deep.equal([['test/desk', 'tell', 'told to nobody'], ['test/desk', 'order', 'no such thing']])
  })

  it('K83 defer: the answer is given later, once; expired tells that nobody waits', async () => {
    const kit = testKit()
    const { ref, kept, figures } = await desk(kit)
    const asked = ref.ask('order', { n: 1 }, 1_000)
    const late = rejection(ref.ask('order', { n: 2 }, 10))
    await kit.settle()
    expect([kept.length, figures().answering]).deep.equal([2, 2])
    await kit.advance(10)
    expect(await late).include({ code: 'timeout' })
    expect(kept.map(({ expired }) => expired)).deep.equal([false, true])
    void ref.send({ type: 'give', what: 'tea' })
    expect(await asked).equal('tea')
    expect(figures()).deep.include({ answering: 0, drops: { late_reply: 1 } })
    void ref.send({ type: 'order', n: 3 })
    const cut = rejection(ref.ask('order', { n: 4 }, 60_000))
    await kit.settle()
    expect(kept.map(({ expired }) => expired)).deep.equal([true, false])
    void ref.send({ type: 'boom' })
    expect(await cut).include({ code: 'interrupted' })
    expect(kept.map(({ expired }) => expired)).deep.equal([true, true])
  })

  it('K83 what keep throws is a throw of the handler', async () => {
    const kit = testKit()
    const { ref } = await contextOf(kit)
    const asked = rejection(ref.ask('compute', { run: ctx => ctx.defer<number>(() => { throw new Error('no room') }) }, 100))
    expect((await asked).cause).include({ message: 'no room' })
  })

  it('K84 internal messages come by pipe alone: from anybody else they are unknown', async () => {
    const kit = testKit()
    const { ref, log, figures } = await desk(kit)
    void ref.send({ type: 'tell', n: 7 })
    // @ts-expect-error nobody else can send it
    expect(ref.send({ type: 'looked', n: 8 })).equal('ok')
    await kit.advance(1)
    expect(log.sort()).deep.equal(['looked 7', 'tick'])
    expect(figures()).deep.include({ handled: 2, drops: { unknown: 1 } })
  })

  it('K33 the mapping of a pipe runs only for an incarnation that lives; what is no message is counted', async () => {
    const kit = testKit()
    const { ctx } = await contextOf(kit)
    const outcome = deferred()
    let ran = 0
    const mapped = (): Job => { ran++; throw new Error('mapping') }
    ctx().pipe(outcome.promise, { ok: mapped, failed: mapped })
    ctx().pipe(Promise.resolve(), { ok: () => undefined as unknown as Job, failed: () => ({ type: 'boom' }) })
    await kit.settle()
    expect(kit.tree.describe().deadLetters).deep.equal({ unknown: 1 })
    await kit.tree.remove('it')
    outcome.resolve()
    await kit.settle()
    expect([ran, kit.tree.describe().deadLetters]).deep.equal([0, { unknown: 1, stale: 1 }])
  })

  it('K85 a handle and a tree can be watched, and a kit crashes an actor by its handle', async () => {
    const kit = testKit()
    const log: string[] = []
    const { ctx } = await contextOf(kit, log)
    const { ref } = await desk(kit)
    const handle = new DeskHandle(ref)
    const sub = kit.tree.tree('sub')
    sub.child('x', () => jobber([]))
    ctx().watch(handle)
    ctx().watch(sub)
    kit.crash(handle)
    await kit.advance(1_000)
    expect(log).deep.equal(['init'])
    await sub.stop()
    await kit.tree.remove('desk')
    await kit.settle()
    ctx().watch(sub)
    await kit.settle()
    expect(log).deep.equal(['init', 'gone test/sub', 'gone test/desk', 'gone test/sub'])
    expect(handle.path).equal('test/desk')
  })
})
