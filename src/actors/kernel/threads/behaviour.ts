import type { ActorSpec } from '../actor.js'
import type { Crossing } from '../boundary.js'
import type { AskTypes, ByType, Message, ReplyOf } from '../message.js'
import type { Port } from '../ref.js'

export type SentTo<P> = P extends Port<infer M> ? M : never
export type Tagged<Name extends string, M> = M extends Message ? { readonly name: `${Name}.${M['type']}`; readonly message: M } : never
export type Outgoing<P> = { [Name in keyof P & string]: Tagged<Name, SentTo<P[Name]>> }[keyof P & string]

/** An entry may leave its sample to a test: see `echoEvery`. */
export type Entry<T> = Omit<Crossing<T>, 'sample'> & Partial<Pick<Crossing<T>, 'sample'>>
export type In<T> = Entry<T> & { readonly direction: 'in' }
export type Out<T> = Entry<T> & { readonly direction: 'out' }

/** Entries that cross as clones. */
export const crossesIn = { direction: 'in' } as const
export const crossesOut = { direction: 'out' } as const

/** A sample for each entry of a boundary, as full as it can be. */
export type Samples<B> = { readonly [K in keyof B]: B[K] extends Entry<infer T> ? () => T : never }

/**
 * Everything that crosses between an actor in a thread and the others: `params`, each message by its type, the reply of an ask as
 * `type.reply`, and what goes to a port as `port.type`. One too few or too many does not compile.
 */
export type ThreadBoundary<M extends Message, Params, P> =
  & { readonly params: In<Params> }
  & { readonly [T in M['type']]: In<ByType<M, T>> }
  & { readonly [T in AskTypes<M> as `${T}.reply`]: Out<ReplyOf<ByType<M, T>>> }
  & { readonly [O in Outgoing<P> as O['name']]: Out<O['message']> }

/** Declares the boundary of an actor in a thread: see `ThreadBoundary`. */
export const threadBoundary = <M extends Message, Params, P>(table: ThreadBoundary<M, Params, P>): ThreadBoundary<M, Params, P> => table

/** What a module exports for `threadActor`. */
export interface Behaviour {
  readonly [made]: true
  readonly boundary: object
  readonly make: (params: never, ports: never) => ActorSpec<never, never>
}

const made: unique symbol = Symbol('behaviour')

/** An actor that can live in a thread: its boundary, and how one incarnation is made. */
export function behaviour<M extends Message, Params, P, S, I extends Message = never, K extends string = string>(
  boundary: ThreadBoundary<M, Params, P>, make: (params: Params, ports: P) => ActorSpec<M, S, I, K>,
): Behaviour {
  return { [made]: true, boundary, make } as unknown as Behaviour
}

export function isBehaviour(value: unknown): value is Behaviour {
  return typeof value === 'object' && value !== null && made in value
}

/** The entry of an ask's reply. */
export const replyOf = (type: string): string => `${type}.reply`

/** The names of the ports that a boundary has entries for. */
export function portsOf(boundary: object): readonly string[] {
  return [...new Set(Object.keys(boundary).filter(name => name.includes('.') && !name.endsWith('.reply')).map(name => name.slice(0, name.indexOf('.'))))]
}
