/** Events of the node as the JSON lines of `run --stdio` (docs/stdio.md). */
import type { NetworkEvent } from '../actors/service/index.js'
import { toJson } from './json.js'
import type { Json } from './json.js'

type Line = { readonly [key: string]: Json }
type Encoder<T extends NetworkEvent['type']> = (event: Extract<NetworkEvent, { readonly type: T }>) => Line

/** Events whose line is not simply their fields. */
const encoders: { readonly [T in NetworkEvent['type']]?: Encoder<T> } = {
  started: ({ peerId, addresses }) => ({ event: 'ready', peerId, addresses: [...addresses] }),
  txList: ({ hash, txList, from }) => ({ event: 'txlist', hash: toJson(hash), bytes: String(txList.length), from: from ?? null }),
  head: ({ head, hash }) => ({ event: 'head', blockNumber: toJson(head.blockNumber), submissionWindowEnd: toJson(head.submissionWindowEnd), hash: toJson(hash) }),
}

/** The line of one event: `{"event": …}` and its fields. */
export function eventLine(event: NetworkEvent): Line {
  const encoder = encoders[event.type] as Encoder<NetworkEvent['type']> | undefined
  if (encoder !== undefined) return encoder(event)
  const { type, ...fields } = event
  return { event: type, ...'from' in fields && fields.from === undefined ? { from: null } : {}, ...toJson(fields) as Line }
}
