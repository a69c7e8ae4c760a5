import type { MailboxSpec, Policy } from './mailbox.js'
import type { Message } from './message.js'
import { Ring } from './ring.js'

/**
 * The positions of the queued messages of one type that a newer one may displace. What it knows of a message it learned when that
 * came: a message that its sender changes later finds everything in its place.
 */
export interface Displaceable {
  /** At the end of the queue. */
  came(at: number, message: Message): void
  /** From the head of the queue, whether it was handled, displaced or given up. */
  left(at: number): void
  /** What has just left stands at the end of the queue again. */
  moved(at: number): void
  /** Which one gives way to this message. */
  next(message: Message, isQueued: (at: number) => boolean): number | undefined
}

export function displaceable(spec: MailboxSpec<Message>): ReadonlyMap<string, Displaceable> | undefined {
  const types = Object.entries<Policy<Message>>(spec.whenFull).flatMap(([type, policy]) =>
    policy.kind === 'drop_oldest' ? [[type, oldestFirst()] as const]
      : policy.kind === 'coalesce' ? [[type, newestOfKey(message => policy.key(message))] as const] : [])
  return types.length > 0 ? new Map(types) : undefined
}

function oldestFirst(): Displaceable {
  const positions = new Ring<number>()
  return {
    came: at => { positions.push(at) },
    left: at => { if (positions.peek() === at) positions.shift() },
    moved: at => { positions.push(at) },
    next(_, isQueued) {
      for (let at = positions.shift(); at !== undefined; at = positions.shift()) if (isQueued(at)) return at
      return undefined
    },
  }
}

function newestOfKey(key: (message: Message) => string): Displaceable {
  const newest = new Map<string | undefined, number>()
  /** Of all positions, in order. */
  const keys = new Ring<string | undefined>()
  const keyOf = (message: Message): string | undefined => { try { return key(message) } catch { return undefined } }
  const add = (at: number, key: string | undefined): void => { keys.push(key); newest.set(key, at) }
  let leaving: string | undefined
  return {
    came: (at, message) => { add(at, keyOf(message)) },
    left(at) {
      leaving = keys.shift()
      if (newest.get(leaving) === at) newest.delete(leaving)
    },
    moved: at => { add(at, leaving) },
    next(message, isQueued) {
      const at = newest.get(keyOf(message))
      return at !== undefined && isQueued(at) ? at : undefined
    },
  }
}
