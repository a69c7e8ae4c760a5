import { SIGNED_COMMITMENT_SIZE } from '../../protocol/index.js'
import { MAX_TXLIST_BYTES } from '../../protocol/layout.js'
import { SinkError } from './errors.js'

/** How the stream goes into a sink. */
export interface SinkOptions {
  /** `instant` (default): each block as it comes, and rewinds. `confirmed`: what is at or below the confirmed tip, and never a rewind. */
  readonly delivery?: 'instant' | 'confirmed'
  /** `inline` (default): each block with its txlist, and none before it is there. `hash`: the commitment alone, which names the txlist's hash. */
  readonly txLists?: 'inline' | 'hash'
  /** Payloads. `ssz` (default): the commitment's 382 bytes, then the txlist. `json`: one object, for readers without SSZ; twice as large. */
  readonly encoding?: 'ssz' | 'json'
  /** Where an empty sink begins: a height. Default 0: with the lowest block that is kept. */
  readonly from?: bigint
  /** Messages that may be under way, from 1 on. Default 128; their bytes are bounded too. */
  readonly inFlight?: number
  /** After so many ms without a message of the writer, though there is one to write, a standby takes over. Default 5,000. */
  readonly takeoverAfter?: number
}

export type SinkSettings = Required<SinkOptions>

/** @throws SinkError `bad_config` */
export function sinkSettings({
  delivery = 'instant', txLists = 'inline', encoding = 'ssz', from = 0n, inFlight = 128, takeoverAfter = 5_000,
}: SinkOptions): SinkSettings {
  oneOf('delivery', delivery, ['instant', 'confirmed'])
  oneOf('txLists', txLists, ['inline', 'hash'])
  oneOf('encoding', encoding, ['ssz', 'json'])
  if (typeof from !== 'bigint' || from < 0n) throw new SinkError('bad_config', 'from is a height, a bigint from 0n on', from)
  if (!Number.isSafeInteger(inFlight) || inFlight < 1 || inFlight > 4_096) throw new SinkError('bad_config', 'inFlight is a number from 1 to 4096', inFlight)
  if (!(takeoverAfter >= 100 && takeoverAfter < Infinity)) throw new SinkError('bad_config', 'takeoverAfter is a number of ms from 100 on', takeoverAfter)
  return { delivery, txLists, encoding, from, inFlight, takeoverAfter }
}

function oneOf(name: string, value: string, choices: readonly string[]): void {
  if (!choices.includes(value)) throw new SinkError('bad_config', `${name} is one of ${choices.join(', ')}`, value)
}

/** What the fields of a JSON payload take beside the bytes in hex, with room to spare. */
const JSON_FRAME = 2_048

/** The largest payload under these settings, bytes. */
export function largestPayload({ txLists, encoding }: SinkSettings): number {
  const bytes = SIGNED_COMMITMENT_SIZE + (txLists === 'inline' ? MAX_TXLIST_BYTES : 0)
  return encoding === 'json' ? 2 * bytes + JSON_FRAME : bytes
}
