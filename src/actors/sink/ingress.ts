import { Handle, mailbox, reject } from '../kernel/index.js'
import type { Ask, Deadline } from '../kernel/index.js'

/**
 * `connecting`: it has not been reached yet. `writing`: this node writes. `standby`: another one does, and this one takes over when that is
 * silent. `behind`: our chain has not come as far as what is written. `failing`: it takes nothing; `failing` in the figures says why.
 */
export type SinkState = 'connecting' | 'writing' | 'standby' | 'behind' | 'failing'

/** How a sink does. Counters since its start. */
export interface SinkFigures {
  /** Where it goes. */
  readonly name: string
  readonly state: SinkState
  /** What the last session ended with, until something works again. */
  readonly failing: { readonly code: string; readonly message: string } | undefined
  /** Which writer of this subject this node was last, counted from 1. */
  readonly writer: number | undefined
  /** The last message that is known to be there; 0: none. */
  readonly sequence: number
  /** Its height. */
  readonly height: bigint | undefined
  /** Messages under way. */
  readonly inFlight: number
  readonly published: number
  /** Appends that were refused since another message was the last. */
  readonly refused: number
  /** How often this node took over from a silent writer. */
  readonly takeovers: number
  /** How often it connected, or tried. */
  readonly sessions: number
}

export type SinkMailMessage = Ask<'figures', object, SinkFigures>

export const sinkMailbox = mailbox<SinkMailMessage>({ capacity: 64, whenFull: { figures: reject('the caller is told') } })

/** A sink of a running node. */
export class SinkActor extends Handle<SinkMailMessage> {
  figures(within: Deadline) { return this.ask('figures', {}, within) }
}
