import type { ActorSpec } from './actor.js'
import type { Message } from './message.js'

/** Some actor's behaviour, its types forgotten. */
export type Spec = ActorSpec<Message, unknown>

/** A timer's tick or a `terminated` on its way through the system lane. */
export class Signal {
  constructor(readonly deliver: (spec: Spec, state: unknown) => unknown) {}
}
