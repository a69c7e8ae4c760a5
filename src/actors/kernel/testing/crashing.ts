import type { ActorSpec } from '../actor.js'
import type { Message } from '../message.js'

export interface Crash<M extends Message> {
  /** A message's type, or a step of the life. */
  readonly on: M['type'] | 'init' | 'stop'
  /** The how manieth, counted from 1 over all incarnations. 1. */
  readonly nth?: number
  /** What is thrown. */
  readonly error?: Error
  /** After the handler has done its work rather than before. */
  readonly after?: boolean
}

/** The same behaviour, but it throws at one point. For `spawn` or `child` as it is: the count goes on over restarts. */
export function crashing<M extends Message, S>(make: () => ActorSpec<M, S>, crash: Crash<M>): () => ActorSpec<M, S> {
  const { on, nth = 1, error = new Error(`injected at ${on} ${nth}`), after = false } = crash
  let count = 0
  const injected = <A extends unknown[], R>(inner: (...args: A) => R) => (...args: A): R => {
    const now = ++count === nth
    if (now && !after) throw error
    const result = inner(...args)
    if (now) throw error
    return result
  }
  return () => {
    const spec = make()
    if (on === 'init') return { ...spec, init: injected(spec.init.bind(spec)) }
    if (on === 'stop') return { ...spec, stop: injected(spec.stop?.bind(spec) ?? (() => undefined)) }
    const type: M['type'] = on
    return { ...spec, receive: { ...spec.receive, [type]: injected(spec.receive[type].bind(spec.receive)) } }
  }
}
