import { ProtocolError, fromHex, toHex } from '../../protocol/index.js'
import { ServiceError } from './errors.js'

/** The last block that a reader has: its height and preconfirmation hash. */
export interface Position { readonly blockNumber: bigint; readonly hash: Uint8Array }

/** A position as the text that applications keep, e.g. `1000:5f3a…`. */
export const cursorOf = ({ blockNumber, hash }: Position): string => `${blockNumber}:${toHex(hash)}`

/** @throws ServiceError `bad_cursor` */
export function parseCursor(cursor: string): Position {
  const [height, hash, ...more] = cursor.split(':')
  try {
    if (height === undefined || hash === undefined || more.length > 0 || !/^\d{1,78}$/.test(height)) {
      throw new ProtocolError('invalid_hex', 'not a cursor', {})
    }
    const bytes = fromHex(hash)
    if (bytes.length !== 32) throw new ProtocolError('invalid_hex', 'not a hash', {})
    return { blockNumber: BigInt(height), hash: bytes }
  } catch {
    throw new ServiceError('bad_cursor', 'a cursor is what `block` items carry', cursor.slice(0, 120))
  }
}
