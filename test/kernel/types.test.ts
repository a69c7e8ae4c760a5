import { expect } from 'chai'
import { actor, Handle, mailbox, reject } from '../../src/actors/kernel/index.js'
import type { Ask, BodyOf, ByType, Context, Port, Ref } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'

type A = { readonly type: 'a' }
type B = { readonly type: 'b' }
type Put = Ask<'put', { readonly kind: 'file'; readonly path: string } | { readonly kind: 'memory'; readonly bytes: Uint8Array }, number>

const only = (): ReturnType<typeof actor<A, null>> => actor<A, null>({
  name: 'only', mailbox: mailbox({ capacity: 1, whenFull: { a: reject('told') } }), init: () => null, receive: { a: () => undefined },
})

describe('kernel: what does not compile', () => {
  it('K70 a port for more messages than its actor handles', async () => {
    const ref: Ref<A> = await testKit().spawn(only())
    const narrow: Port<A> = ref
    // @ts-expect-error nobody there handles `b`
    const wide: Port<A | B> = narrow
    // @ts-expect-error nor here
    const wideRef: Ref<A | B> = ref
    const fewer: Port<A> = { send: (_message: A | B) => 'ok' }
    expect([wide, wideRef, fewer].map(({ send }) => typeof send)).deep.equal(['function', 'function', 'function'])
  })

  it('K15 a body that is part of one variant and part of another', async () => {
    const complete: BodyOf<ByType<Put, 'put'>>[] = [{ kind: 'file', path: '/a' }, { kind: 'memory', bytes: new Uint8Array(1) }]
    // @ts-expect-error a file has a path
    const partial: BodyOf<ByType<Put, 'put'>> = { kind: 'file' }
    const ref = await testKit().spawn(actor<Put, null>({
      name: 'put', mailbox: mailbox({ capacity: 1, whenFull: { put: reject('told') } }), init: () => null,
      receive: { put: (_, body) => body.kind === 'file' ? body.path.length : body.bytes.length },
    }))
    expect(await ref.ask('put', complete[1]!, 100)).equal(1)
    // @ts-expect-error memory has bytes
    const asked = ref.ask('put', { kind: 'memory', path: '' }, 100)
    expect([await asked.catch(() => 'failed'), partial.kind]).deep.equal(['failed', 'file'])
  })

  it('K32 a timer that is not named, where the timers are', async () => {
    const kit = testKit()
    await kit.spawn(actor<A, null, never, 'tick'>({
      name: 'timed', mailbox: only().mailbox, init(ctx) {
        ctx.after('tick', 1)
        // @ts-expect-error `tikc` is none
        expect(() => { ctx.every('tikc', 1) }).throw().include({ code: 'unknown_timer' })
        return null
      },
      receive: { a: () => undefined }, timers: { tick: () => undefined },
    }))
    // @ts-expect-error `tock` has no name
    const more: Parameters<typeof actor<A, null, never, 'tick'>>[0]['timers'] = { tick: () => undefined, tock: () => undefined }
    expect(Object.keys(more ?? {}).length).equal(2)
  })

  it('K84 an internal message without a handler, or one that is sent', () => {
    type Told = { readonly type: 'told' }
    // @ts-expect-error nobody handles `told`
    actor<A, null, Told>({ ...only(), internal: {} })
    const send = (ctx: Context<A, Told>): void => {
      ctx.pipe(Promise.resolve(), { ok: () => ({ type: 'told' }), failed: () => ({ type: 'a' }) })
      // @ts-expect-error it goes by pipe
      void ctx.self.send({ type: 'told' })
    }
    expect(send.length).equal(1)
  })

  it('K15 an answer of another type, and one that an async handler gives later', () => {
    type Q = Ask<'q', object, number>
    const base = { name: 'q', mailbox: mailbox<Q>({ capacity: 1, whenFull: { q: reject('told') } }), init: () => null }
    actor<Q, null>({ ...base, receive: { async q(_, _message, ctx) { await Promise.resolve(); return ctx.later(Promise.resolve(1)) } } })
    // @ts-expect-error text is no number
    actor<Q, null>({ ...base, receive: { q: () => 'no' } })
    class Q1 extends Handle<Q> { q() { return this.ask('q', {}, 1) } }
    expect(Q1.name).equal('Q1')
  })
})
