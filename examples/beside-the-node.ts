import { P2pService, scheduleFromSigners, signerFromKey } from 'preconfirmation-p2p'
import type { Lagged, NetworkEvent, ServiceMessage } from 'preconfirmation-p2p'
import { actor, Handle, mailbox, reject, seconds, supervisor } from 'preconfirmation-p2p/kernel'
import type { Ask, Context, Ref } from 'preconfirmation-p2p/kernel'

/** What the application asks its own actor; what that tells itself is nobody else's to send. */
type TallyMessage = Ask<'published', { readonly atLeast: number }, number>
type Heard = { readonly type: 'heard'; readonly event: NetworkEvent | Lagged } | { readonly type: 'ended' }

class Tally extends Handle<TallyMessage> {
  published(atLeast: number) { return this.ask('published', { atLeast }, seconds(30)) }
}

/** Counts what the node sends out. It lives beside the node: when the node is started anew, so is this actor, which asks for it again. */
const tallyActor = (node: Ref<ServiceMessage>) => {
  interface State { readonly events: AsyncIterator<NetworkEvent | Lagged>; published: number; waiting: (() => void)[] }
  const listen = ({ events }: State, ctx: Context<TallyMessage, Heard>): void => {
    ctx.pipe(events.next(), {
      ok: ({ done, value }) => done === true ? { type: 'ended' } : { type: 'heard', event: value },
      failed: () => ({ type: 'ended' }),
    })
  }
  return actor<TallyMessage, State, Heard>({
    name: 'tally',
    mailbox: mailbox({ capacity: 100, whenFull: { published: reject('the caller is told') } }),
    async init(ctx) {
      const service = await node.ask('service', {}, seconds(30))
      const state: State = { events: service.subscribe({ signal: ctx.signal }), published: 0, waiting: [] }
      listen(state, ctx)
      return state
    },
    receive: {
      published: (state, { atLeast }, ctx) => ctx.defer<number>(answer => {
        const look = (): void => { if (state.published >= atLeast) answer.resolve(state.published); else if (!answer.expired) state.waiting.push(look) }
        look()
      }),
    },
    internal: {
      heard(state, { event }, ctx) {
        if (event.type === 'published') state.published++
        for (const look of state.waiting.splice(0)) look()
        listen(state, ctx)
      },
      ended(_state, _message, ctx) { ctx.fail(new Error('the node has stopped')) },
    },
  })
}

const key = '01'.repeat(32)
const app = supervisor('app', { strategy: 'rest_for_one' }) // what depends on the node is declared after it
const node = app.child('p2p', () => P2pService.actor({
  listen: '/ip4/127.0.0.1/tcp/0', schedule: scheduleFromSigners([signerFromKey(key).address]), confirmedTip: { blockNumber: 999n }, signing: { key, unprotected: true },
}), { stopWithin: seconds(30) })
const tally = new Tally(app.child('tally', () => tallyActor(node)))
await app.start()

const service = await node.ask('service', {}, seconds(30))
for (let n = 1; n <= 3; n++) await service.publishTxList(new Uint8Array(100).fill(n))
console.log('published', await tally.published(3))
await app.stop()
