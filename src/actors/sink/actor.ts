import { actor } from '../kernel/index.js'
import { sinkMailbox } from './ingress.js'
import type { SinkMailMessage } from './ingress.js'
import type { OrderedSource } from './ports.js'
import { Pump } from './pump.js'
import type { Sink } from './sink.js'

export interface SinkNeeds {
  readonly source: OrderedSource
  readonly chainId: bigint
}

type Internal = { readonly type: 'ended' } | { readonly type: 'broke'; readonly error: unknown }

interface State { readonly pump: Pump; readonly left: AbortController; readonly running: Promise<void> }

/** Takes the ordered stream to a sink: see `Pump`, which works beside this mailbox and is asked how it does. */
export const sinkActor = (needs: SinkNeeds, sink: Sink) => actor<SinkMailMessage, State, Internal>({
  name: 'sink',
  mailbox: sinkMailbox,
  init(ctx) {
    const pump = new Pump({ ...needs, sink, clock: ctx.clock, random: ctx.random, log: ctx.log })
    const left = new AbortController()
    const running = pump.run(AbortSignal.any([ctx.signal, left.signal]))
    ctx.pipe(running, { ok: () => ({ type: 'ended' }), failed: error => ({ type: 'broke', error }) })
    return { pump, left, running }
  },
  receive: { figures: ({ pump }) => pump.figures },
  internal: {
    ended: () => undefined,
    broke(_state, { error }, ctx) { ctx.fail(error) },
  },
  async stop({ left, running }) {
    left.abort()
    await running.catch(() => undefined)
  },
})
