/** The one table of what a running node can be asked: each door looks a method up here, checks its caller, and calls it. */
import type { Access, Outlook, P2pService } from '../actors/service/index.js'
import type { SyncResult } from '../actors/sync/ingress.js'
import type { Json, JsonObject } from './json.js'
import { CommandError, valuesOf } from './parameters.js'
import type { Parameters, ValuesOf } from './parameters.js'
import type { Subscriptions } from './subscriptions.js'

/** What of the service methods use. */
export type OperatedNode = Pick<P2pService,
  | 'peerId' | 'chainId' | 'listenAddresses' | 'subscribe' | 'ended' | 'blocks' | 'describe'
  | 'publishCommitment' | 'publishTxList' | 'requestHead' | 'requestCommitments' | 'requestTxList'
  | 'head' | 'updateHead' | 'confirm' | 'rewind' | 'reinstate' | 'storedCommitments' | 'storedTxList' | 'evidence'
  | 'dial' | 'hangUp' | 'peers' | 'enr' | 'discoveryTable' | 'addBootnode' | 'health' | 'figures'> & {
    readonly access: Pick<Access, keyof Access>
    readonly outlook: Pick<Outlook, keyof Outlook>
    sync(options: { readonly signal: AbortSignal }): PromiseLike<SyncResult>
  }

export interface Asked {
  readonly node: OperatedNode
  /** Aborted when the caller is gone: what has no deadline of its own ends with it. */
  readonly ending: AbortSignal
  /** Where its door can send what was not asked for one by one. */
  readonly subscriptions?: Subscriptions | undefined
}

/** `steers`: it changes what the node does, or sends something. */
export type Needs = 'reads' | 'steers'

export interface Method<S = Asked> {
  readonly needs: Needs
  readonly parameters: Parameters
  /**
   * Checks the fields and begins its work before its first `await`, so that methods begin in the order in which they are called. Returns a function that
   * makes the result into JSON when its turn to be written comes. @throws CommandError `missing_field`, `bad_field`
   */
  readonly run: (on: S, fields: Readonly<Record<string, unknown>>) => Promise<() => Json>
}

export type Methods = Readonly<Record<string, Method>>

const method = (needs: Needs) => <P extends Parameters, S = Asked>(parameters: P, run: (on: S, values: ValuesOf<P>) => Promise<() => Json>): Method<S> =>
  ({ needs, parameters, run: async (on, fields) => run(on, valuesOf(parameters, fields)) })

/** The result of what has none. */
export const nothing = (): JsonObject => ({})

export const reads = method('reads')
export const steers = method('steers')

/** @throws CommandError `unknown_command` */
export function named<S>(methods: Readonly<Record<string, Method<S>>>, name: string): Method<S> {
  const found = Object.hasOwn(methods, name) ? methods[name] : undefined
  if (found === undefined) throw new CommandError('unknown_command', 'there is no such method', name.slice(0, 80))
  return found
}
