import type { ActorSpec } from '../actor.js'
import type { Message } from '../message.js'
import { isThenable } from '../outside.js'

export interface Crash<M extends Message> {
  /** A message's type, or a step of the life. */
  readonly on: M['type'] | 'init' | 'stop'
  /** The how manieth, counted from 1 over all incarnations. 1. */
  readonly nth?: number
  /** What is thrown. */
  readonly error?: Error
  /** After the handler has done its work, what it awaits included, rather than before. */
  readonly after?: boolean
}

/** The same behaviour, but it throws at one point. For `spawn` or `child` as it is: the count goes on over restarts. */
export function crashing<M extends Message, S, I extends Message = never, K extends string = string>(
  make: () => ActorSpec<M, S, I, K>, crash: Crash<M | I>,
): () => ActorSpec<M, S, I, K> {
  const { on, nth = 1, error = new Error(`injected at ${on} ${nth}`), after = false } = crash
  let count = 0
  const injected = <A extends unknown[], R>(inner: (...args: A) => R) => (...args: A): R => {
    const now = ++count === nth
    if (now && !after) throw error
    const result = inner(...args)
    if (!now) return result
    if (isThenable(result)) return Promise.resolve(result).then(() => { throw error }) as R
    throw error
  }
  return () => {
    const spec = make()
    if (on === 'init') return { ...spec, init: injected(spec.init.bind(spec)) }
    if (on === 'stop') return { ...spec, stop: injected(spec.stop?.bind(spec) ?? (() => undefined)) }
    const crashed = <T extends object>(table: T): T => {
      const handlers = table as Record<string, (...args: unknown[]) => unknown>
      const handler = handlers[on]
      return handler === undefined ? table : { ...table, [on]: injected(handler.bind(table)) }
    }
    return { ...spec, receive: crashed(spec.receive), ...spec.internal && { internal: crashed(spec.internal) } }
  }
}
