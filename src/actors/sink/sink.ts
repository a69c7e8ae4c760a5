import type { Logger } from '../kernel/index.js'
import type { SinkSettings } from './config.js'

/** One item of the ordered stream as it goes out (docs/sinks.md). */
export interface SinkMessage {
  /** The item's cursor. No two items of one store have the same. */
  readonly id: string
  readonly headers: Readonly<Record<string, string>>
  readonly payload: Uint8Array
}

/** A message that is there. */
export interface StoredMessage extends SinkMessage {
  /** Its place, from 1 on. */
  readonly sequence: number
}

/** What the writer takes for the last message. */
export interface ExpectedLast {
  /** 0: there is none. */
  readonly sequence: number
  /** Its id, where it is one that this session has sent; `undefined` for what was there before. */
  readonly id: string | undefined
}

/** What a sink learns when it is opened. */
export interface SinkGround {
  readonly chainId: bigint
  /** The largest payload that may come, bytes. */
  readonly largestPayload: number
  readonly log: Logger
  /** Aborted when nobody waits for it any more. */
  readonly signal: AbortSignal
}

/**
 * Where the ordered stream goes: an append-only sequence of messages with one writer at a time. Small enough to be written for other engines
 * (docs/sinks.md); `sinkContract` of `preconfirmation-p2p/testing/sink` is its test.
 */
export interface Sink {
  /** Where it goes, for people. Without secrets. */
  readonly name: string
  readonly settings: SinkSettings
  /** Connects, makes or checks what it needs. Called again after every doubt. @throws SinkError */
  open(ground: SinkGround): Promise<OpenSink>
}

/** A session: from `open` to the first failure. */
export interface OpenSink {
  /** Resolves with the reason when the session is over by itself, such as by a lost connection. Never rejects. */
  readonly gone: Promise<Error>
  /** The last message as everybody sees it; `undefined` where there is none. @throws SinkError */
  last(): Promise<StoredMessage | undefined>
  /** The message of a sequence; `undefined` where it is not kept. @throws SinkError */
  read(sequence: number): Promise<StoredMessage | undefined>
  /**
   * Appends right behind the expected last message, or not at all; resolves with the new sequence once the message is as safe as the engine
   * makes it. May be called again before it has resolved: order is that of the calls, sequences count by one after the session's first append
   * (which may leave some out), and when one is refused, all behind it are.
   * @throws SinkError `refused` where another message is the last; otherwise it is not known whether the message is there
   */
  append(message: SinkMessage, expected: ExpectedLast): Promise<number>
  /** Ends the session. Never rejects. */
  close(): Promise<void>
}
