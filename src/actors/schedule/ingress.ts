import { Handle, dropOldest, mailbox, reject } from '../kernel/index.js'
import type { Ask, Deadline } from '../kernel/index.js'
import type { EndpointFigures } from './endpoints.js'
import type { Hex, Variant } from './facts.js'
import type { Unknown } from './windows.js'

/** How the schedule does that follows L1, for figures and health. Counters since its start. */
export interface ScheduleFigures {
  /** `undefined` before the contracts were found. */
  readonly variant: Variant | undefined
  readonly chainId: bigint | undefined
  /** The newest block that is followed. */
  readonly head: { readonly number: number; readonly hash: Hex; readonly time: number } | undefined
  /** How old that is by wall time, seconds. */
  readonly headAge: number | undefined
  /** Whether L1 is followed: the newest block is not too old. */
  readonly fresh: boolean
  /** Windows that end up to this are decided, seconds of L1 time. */
  readonly decidedUntil: number | undefined
  /** From this time on everything is known, seconds. */
  readonly knownSince: number | undefined
  readonly rpcCalls: number
  readonly rpcFailures: number
  /** Questions on which no quorum agreed. */
  readonly disagreements: number
  readonly endpoints: readonly EndpointFigures[]
  readonly reorgs: number
  /** Looks that found an older block than the one that is followed. */
  readonly behind: number
  /** Epochs for which the contract named another fallback than we had reckoned. */
  readonly mismatches: number
  /** Answers given, by kind. */
  readonly answers: Readonly<Record<'signers' | 'not_slot_end' | Unknown | 'too_old' | 'not_ready', number>>
  /** Lookups of old windows that wait for L1. */
  readonly waiting: number
  /** What the last look failed with. */
  readonly failing: { readonly code: string; readonly message: string } | undefined
}

/** One window of an epoch, for people. Times in seconds of L1. */
export interface WindowRow {
  readonly from: number
  readonly to: number
  readonly as: 'lookahead' | 'fallback' | 'both' | 'unknown'
  /** 20-byte addresses in hex; none where nobody is known to be right. */
  readonly signers: readonly Hex[]
  readonly why: string
}

export type ScheduleMessage =
  /** From the resolver: an old window that somebody waits for. */
  | { readonly type: 'wanted'; readonly window: number }
  | Ask<'figures', object, ScheduleFigures>
  /** The windows of the epoch that a time lies in; read from L1 where it is not known. */
  | Ask<'windows', { time: number | undefined }, readonly WindowRow[]>

/** What the room tells the application. */
export type ScheduleEvent =
  /** L1 is followed again, or not any more: its newest block is too old, or no endpoint answers. Windows that are not known yet stay so. */
  | { readonly type: 'scheduleFresh'; readonly fresh: boolean; readonly reason: string | undefined }
  | { readonly type: 'scheduleReorg'; readonly depth: number; readonly head: number }
  /** The inbox names another proposer checker than before: everything is read anew. */
  | { readonly type: 'scheduleContracts'; readonly from: string | undefined; readonly to: string; readonly variant: Variant }
  /** The contract names another fallback than we had reckoned; it is believed. */
  | { readonly type: 'scheduleMismatch'; readonly epoch: number; readonly expected: string | undefined; readonly named: string | undefined }

export const scheduleMailbox = mailbox<ScheduleMessage>({
  capacity: 1_024,
  whenFull: {
    wanted: dropOldest('whoever waits asks again'),
    figures: reject('the caller is told'),
    windows: reject('the caller is told'),
  },
})

/** Follows L1's election schedule. */
export class Schedule extends Handle<ScheduleMessage> {
  wanted(window: number) { return this.send({ type: 'wanted', window }) }
  figures(within: Deadline) { return this.ask('figures', {}, within) }
  windows(time: number | undefined, within: Deadline) { return this.ask('windows', { time }, within) }
}
