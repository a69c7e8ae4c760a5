import { actor, Handle, mailbox, reject, seconds, supervisor } from 'preconfirmation-p2p/kernel'
import type { Ask } from 'preconfirmation-p2p/kernel'

type CounterMessage =
  | { readonly type: 'add'; readonly n: number }
  | Ask<'total', object, number>
  | Ask<'share', { readonly of: number }, number>

class Counter extends Handle<CounterMessage> {
  add(n: number) { return this.send({ type: 'add', n }) }
  total() { return this.ask('total', {}, seconds(5)) }
  share(of: number) { return this.ask('share', { of }, seconds(5)) }
}

const counterActor = () => actor<CounterMessage, { total: number }>({
  name: 'counter',
  mailbox: mailbox({
    capacity: 1_000,
    whenFull: { add: reject('the sender counts on'), total: reject('the caller is told'), share: reject('the caller is told') },
  }),
  init: () => ({ total: 0 }),
  receive: {
    add(state, { n }) {
      if (!Number.isFinite(n)) throw new TypeError(`${n} is no number to add`)
      state.total += n
    },
    total: state => state.total,
    share: ({ total }, { of }, ctx) => of > 0 ? total / of : ctx.refuse(new RangeError('shared by nobody')),
  },
})

const app = supervisor('app', { onEvent: ({ type, path }) => { console.log(type, path) } })
const counter = new Counter(app.child('counter', counterActor))
await app.start()

for (let n = 1; n <= 100; n++) void counter.add(n) // returns at once, and says whether there was room
console.log('total', await counter.total())
await counter.share(0).catch((error: unknown) => { console.log('refused:', (error as Error).message) })

void counter.add(NaN) // its handler throws: the supervisor starts the counter anew, with what was sent meanwhile
console.log('total', await counter.total())
await app.stop()
