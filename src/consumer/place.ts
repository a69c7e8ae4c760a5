import { cursorOf, parseCursor } from '../protocol/cursor.js'
import { ConsumerError } from './errors.js'

/** Where a reader is in the broker's stream. */
export interface Place {
  /** Of the message that it has dealt with last; 0: of none. */
  readonly sequence: number
  /** That message's id, the writer's cursor. */
  readonly id: string
  /** Its height. */
  readonly height: bigint
}

/** The text that applications keep: `sequence@id`. Whether the id is still at that sequence tells whether it is the same stream. */
export const textOf = ({ sequence, id }: Pick<Place, 'sequence' | 'id'>): string => `${sequence}@${id}`

/** @throws ConsumerError `bad_cursor` */
export function parsePlace(cursor: string): Place {
  const [, sequence, id] = /^(\d{1,15})@(.+)$/.exec(cursor) ?? []
  const position = id === undefined ? undefined : parseCursor(id)
  if (sequence === undefined || id === undefined || position === undefined) {
    throw new ConsumerError('bad_cursor', 'a cursor is what items of natsBlocks carry: a node\'s own is not known to the broker', cursor.slice(0, 160))
  }
  return { sequence: Number(sequence), id, height: position.blockNumber }
}

/** A reader that has been told that the stream begins anew behind a height: right before the message of `first`. */
export const anewBefore = (first: number, height: bigint): Place =>
  ({ sequence: first - 1, height, id: cursorOf({ blockNumber: height, hash: undefined, told: { store: '0'.repeat(16), number: 0 } }, 'anew') })
