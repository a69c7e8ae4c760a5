import type { WireError } from '../boundary.js'
import type { DropReason } from '../figures.js'
import type { Logger } from '../log.js'
import type { HaltReason } from '../node.js'

/**
 * What crosses, as tuples in one array for each turn, over one port each way: so everything keeps its order. Entries of the boundary are
 * told by number (`Crossings`).
 */
export type ToThread =
  | Work
  /** The asker has given up. */
  | readonly [kind: 'cancel', ask: number]
  /** So many records, with so many bytes, have been dealt with. */
  | readonly [kind: 'taken', records: number, bytes: number]
  /** Say `room` now, and whenever a message is done. */
  | readonly [kind: 'drain']
  | readonly [kind: 'halt', reason: HaltReason]
  /** End the thread, now. */
  | readonly [kind: 'exit']

/**
 * A message, told from the other records by its number, and its weight. `ask`: the number of the ask, 0 where nobody waits. `at`: not 0
 * where it is to be told how long it waits and is handled; the thread notes there when it came.
 */
export type Work = [entry: number, payload: unknown, bytes: number, ask: number, at: number]

export const isWork = (record: ToThread): record is Work => typeof record[0] === 'number'

export type ToMain =
  | readonly [kind: 'reply', ask: number, entry: number, payload: unknown, bytes: number]
  | readonly [kind: 'refusal', ask: number, error: WireError]
  /** To one of the actor's ports. */
  | readonly [kind: 'send', entry: number, payload: unknown, bytes: number]
  | [kind: 'drop', reason: DropReason, type: string, count: number]
  | readonly [kind: 'log', level: LogLevel, fields: object, message: string]
  /** Of the message with that number, counted over all that have crossed: its wait in the thread and its handling, ms. */
  | readonly [kind: 'time', message: number, waitMs: number, handlingMs: number]
  /** Look at the hints: there is room for more. */
  | readonly [kind: 'room']
  | readonly [kind: 'started']
  | readonly [kind: 'unstarted', error: WireError]
  | readonly [kind: 'failed', error: WireError]
  | readonly [kind: 'finished']
  | readonly [kind: 'halted']

export type LogLevel = Exclude<keyof Logger, 'child'>

/** What a thread is started with. */
export interface ThreadData {
  readonly module: string
  readonly export: string
  /** Packed. */
  readonly params: unknown
  readonly hints: SharedArrayBuffer
  readonly path: string
  readonly seed: number
  readonly nice: number
  /** Every message is timed. */
  readonly traced: boolean
  readonly credits: number
  readonly creditBytes: number
  readonly beatMs: number
  readonly sourceMaps: boolean
}
