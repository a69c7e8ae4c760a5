import { cursorOf, parseCursor } from '../../protocol/cursor.js'
import type { Position } from '../../protocol/cursor.js'
import { equalBytes } from '../../protocol/bytes.js'
import { HEADERS } from './message.js'
import type { SinkItem } from './message.js'
import { SinkError } from './errors.js'
import type { OrderedSource } from './ports.js'
import type { OpenSink, StoredMessage } from './sink.js'

/** Where to go on: what to read from, and what has to be said first. `behind`: our chain has not come that far. */
export type Resumption = { readonly from: bigint | string; readonly first: SinkItem | undefined } | 'behind'

/** So far below the sink's last block a chain of ours that is shorter is looked through: it may have been rewound. Twice `maxReorgDepth`. */
const SHORTER = 128
/** So many messages are looked at for a common block; past them the stream begins anew from the confirmed tip. */
const MOST = 4_096

/**
 * Where to go on behind the last message. A cursor of our own store says it. Otherwise another node wrote it: the highest block that both have is
 * found by height and hash, going back through what is there, and what lies above is taken back.
 */
export async function resumeBehind(last: StoredMessage | undefined, source: OrderedSource, sink: Pick<OpenSink, 'read'>, begin: bigint): Promise<Resumption> {
  const now = await source.rewinds(0)
  const told = { store: now.store, number: now.last }
  if (last === undefined) {
    // Whoever has read what was there before is told that it begins anew.
    const cursor = cursorOf({ blockNumber: begin - 1n, hash: undefined, told }, 'begin')
    return { from: begin, first: { kind: 'rewind', to: begin - 1n, reset: true, cursor } }
  }
  const top = placeOf(last)
  if (await isOurs(top, source)) return { from: last.id, first: undefined }
  const lowest = await source.lowest()
  if (lowest !== undefined && lowest > top.blockNumber) return { from: cursorOf({ ...top, told }), first: undefined }
  let isBehind: boolean | undefined
  for await (const place of back(last, sink)) {
    const { blockNumber, hash } = place
    const ours = await source.hashAt(blockNumber)
    isBehind ??= hash !== undefined && ours === undefined
    if (hash === undefined || (ours !== undefined && equalBytes(ours, hash))) {
      if (isBehind) return 'behind'
      const first = blockNumber === top.blockNumber ? undefined
        : { kind: 'rewind', to: blockNumber, cursor: cursorOf({ ...place, told }, `t${last.sequence}`) } as const
      return { from: first?.cursor ?? cursorOf({ ...place, told }), first }
    }
    // Another block of ours at a height that was written: there is something to take back.
    if (ours !== undefined) isBehind = false
    if (isBehind && top.blockNumber - blockNumber >= SHORTER) return 'behind'
  }
  return isBehind === true ? 'behind' : { from: last.id, first: undefined }
}

/** Whether a message was written by a node over our store, and our store still knows what has changed since. */
export async function isOurs({ told }: Position, source: OrderedSource): Promise<boolean> {
  return told !== undefined && (await source.rewinds(told.number, told.store)).known
}

/** @throws SinkError `bad_message` */
export function placeOf({ id, sequence, headers }: StoredMessage): Position {
  const place = headers[HEADERS.cursor] === id ? parseCursor(id) : undefined
  if (place === undefined) throw new SinkError('bad_message', `message ${sequence} is none of the stream: its id is no cursor`, sequence)
  return place
}

/** What a reader of everything has, from the top down: each of its blocks, and the ends of what was skipped, as far as they are there. */
async function * back(last: StoredMessage, sink: Pick<OpenSink, 'read'>): AsyncGenerator<Position, void, undefined> {
  let message: StoredMessage | undefined = last
  let limit: bigint | undefined
  for (let steps = 0; message !== undefined && steps < MOST; steps++) {
    const place = placeOf(message)
    if (limit === undefined || place.blockNumber <= limit) {
      // A rewind that names no block says only how far up the blocks before it count.
      const names = place.hash !== undefined || message.headers[HEADERS.kind] !== 'rewind'
      if (names) yield place
      limit = names ? place.blockNumber - 1n : place.blockNumber
    }
    message = await sink.read(message.sequence - 1)
  }
}
