import { actor, behaviour, crossesIn, crossesOut, mailbox, reject, threadBoundary } from '../../src/actors/kernel/index.js'
import type { Ask } from '../../src/actors/kernel/index.js'

/** What is sent to a thread in the measurement. */
export type Load =
  | { readonly type: 'add'; readonly n: number }
  | { readonly type: 'cloned'; readonly bytes: Uint8Array }
  | { readonly type: 'packed'; readonly bytes: Uint8Array }
  | { readonly type: 'moved'; readonly bytes: Uint8Array }
  | Ask<'echo', { readonly n: number }, number>

/** The same for Comlink. */
export interface Adder { add (load: Load): void; echo (n: number): number }

const counted = reject('a bench counts')
export const benchMailbox = mailbox<Load>({ capacity: 1 << 16, whenFull: { add: counted, cloned: counted, packed: counted, moved: counted, echo: counted } })

export const benchBoundary = threadBoundary<Load, undefined, object>({
  params: crossesIn, add: crossesIn, cloned: crossesIn, echo: crossesIn, 'echo.reply': crossesOut,
  packed: { direction: 'in', codec: { encode: ({ bytes }) => Uint8Array.from(bytes), decode: bytes => ({ type: 'packed', bytes }) } },
  moved: { direction: 'in', transfer: ({ bytes }) => [bytes.buffer as ArrayBuffer] },
})

export const adding = behaviour(benchBoundary, () => actor<Load, { sum: number }>({
  name: 'adder',
  mailbox: benchMailbox,
  init: () => ({ sum: 0 }),
  receive: {
    add(state, { n }) { state.sum += n },
    cloned(state, { bytes }) { state.sum += bytes[0]! },
    packed(state, { bytes }) { state.sum += bytes[0]! },
    moved(state, { bytes }) { state.sum += bytes[0]! },
    echo: (_, { n }) => n,
  },
}))
