import { fromHex, toHex } from './hex.js'

/** What a reader of the ordered stream has been told. */
export interface Position {
  /** The last height that it has, or knows to be left out; −1 before block 0. */
  readonly blockNumber: bigint
  /** Preconfirmation hash of the block there; `undefined` where it has none. */
  readonly hash: Uint8Array | undefined
  /** The store that counts rewinds, and the last one told; `undefined` in cursors of before they were counted. */
  readonly told: Told | undefined
}

export interface Told { readonly store: string; readonly number: number }

/**
 * A position as the text that applications keep: `height:hash:rewind:store`, e.g. `1000:5f3a…:7:0c1d…`. `tag` tells items of one position
 * apart. Cursors of before rewinds were counted end behind the hash.
 */
export function cursorOf({ blockNumber, hash, told }: Position, tag?: string): string {
  const parts = [String(blockNumber), hash === undefined ? '' : toHex(hash)]
  if (told !== undefined) parts.push(String(told.number), told.store)
  if (tag !== undefined) parts.push(tag)
  return parts.join(':')
}

/** `undefined`: it is not a cursor. */
export function parseCursor(cursor: string): Position | undefined {
  const [height = '', hash = '', number, store = '', , ...more] = cursor.split(':')
  if (!/^(\d{1,78}|-1)$/.test(height) || more.length > 0 || !/^((0x)?[0-9a-fA-F]{64})?$/.test(hash)) return undefined
  if (number === undefined ? hash === '' : !/^\d{1,15}$/.test(number) || !/^[0-9a-f]{16}$/.test(store)) return undefined
  return {
    blockNumber: BigInt(height), hash: hash === '' ? undefined : fromHex(hash),
    told: number === undefined ? undefined : { store, number: Number(number) },
  }
}
