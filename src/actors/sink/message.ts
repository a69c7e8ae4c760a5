import { CommitmentView, SIGNED_COMMITMENT_SIZE, SignedCommitmentCodec, fromHex, toHex } from '../../protocol/index.js'
import { parseCursor } from '../../protocol/cursor.js'
import type { StreamItem } from '../../protocol/stream-item.js'
import type { SinkSettings } from './config.js'
import { SinkError } from './errors.js'
import type { SinkMessage, StoredMessage } from './sink.js'

/** What a sink carries: items of the stream, but for `stalled`, which is a word for whoever waits. */
export type SinkItem = Exclude<StreamItem, { readonly kind: 'stalled' }>

/** Names of the headers (docs/sinks.md). Heights and numbers are decimal, hashes and addresses hex without prefix. */
export const HEADERS = {
  kind: 'Preconf-Kind', cursor: 'Preconf-Cursor', height: 'Preconf-Height', hash: 'Preconf-Hash', parent: 'Preconf-Parent', signer: 'Preconf-Signer',
  from: 'Preconf-From', reset: 'Preconf-Reset', txList: 'Preconf-Txlist', encoding: 'Preconf-Encoding', writer: 'Preconf-Writer',
} as const

const NOTHING = new Uint8Array()
const text = new TextEncoder()

/** An item as a message. `writer`: which writer of this subject, counted from 1. */
export function messageOf(item: SinkItem, writer: number, { encoding }: Pick<SinkSettings, 'encoding'>): SinkMessage {
  const headers: Record<string, string> = { [HEADERS.kind]: item.kind, [HEADERS.cursor]: item.cursor, [HEADERS.writer]: String(writer), [HEADERS.encoding]: encoding }
  let payload: Uint8Array = NOTHING
  switch (item.kind) {
    case 'block': {
      headers[HEADERS.height] = String(item.blockNumber)
      headers[HEADERS.hash] = toHex(item.hash)
      headers[HEADERS.parent] = toHex(new CommitmentView(item.ssz).parentPreconfirmationHash)
      headers[HEADERS.signer] = toHex(item.signer)
      headers[HEADERS.txList] = item.txList === undefined ? 'hash' : 'inline'
      payload = encoding === 'ssz' ? sszOf(item.ssz, item.txList) : jsonOf(headers, { ssz: toHex(item.ssz), ...item.txList !== undefined && { txList: toHex(item.txList) } })
      break
    }
    case 'rewind':
      headers[HEADERS.height] = String(item.to)
      if (item.reset === true) headers[HEADERS.reset] = 'true'
      if (encoding === 'json') payload = jsonOf(headers, {})
      break
    case 'skipped':
      headers[HEADERS.from] = String(item.from)
      headers[HEADERS.height] = String(item.to)
      if (encoding === 'json') payload = jsonOf(headers, {})
      break
  }
  return { id: item.cursor, headers, payload }
}

function sszOf(ssz: Uint8Array, txList: Uint8Array | undefined): Uint8Array {
  if (txList === undefined) return ssz
  const payload = new Uint8Array(ssz.length + txList.length)
  payload.set(ssz)
  payload.set(txList, ssz.length)
  return payload
}

/** The headers in small letters without their prefix, and the bytes in hex: enough for a reader that sees no headers. */
function jsonOf(headers: Readonly<Record<string, string>>, bytes: Readonly<Record<string, string>>): Uint8Array {
  const fields = Object.entries(headers).map(([name, value]) => [name.slice('Preconf-'.length).toLowerCase(), value])
  return text.encode(JSON.stringify({ ...Object.fromEntries(fields), ...bytes }))
}

/** @throws SinkError `bad_message` */
export function itemOf({ sequence, headers, payload }: StoredMessage): SinkItem {
  try {
    const cursor = headers[HEADERS.cursor]!
    const height = heightOf(headers[HEADERS.height])
    if (cursor === undefined || parseCursor(cursor) === undefined) throw new Error('it has no cursor')
    switch (headers[HEADERS.kind]) {
      case 'block': {
        const { ssz, txList } = bytesOf(headers, payload)
        if (new CommitmentView(ssz).blockNumber !== height) throw new Error('its height is not that of its commitment')
        return {
          kind: 'block', cursor, blockNumber: height, commitment: SignedCommitmentCodec.decode(ssz), ssz, txList,
          hash: fromHex(headers[HEADERS.hash] ?? '', 32), signer: fromHex(headers[HEADERS.signer] ?? '', 20),
        }
      }
      case 'rewind': return { kind: 'rewind', to: height, ...headers[HEADERS.reset] === 'true' && { reset: true }, cursor }
      case 'skipped': return { kind: 'skipped', from: heightOf(headers[HEADERS.from]), to: height, cursor }
      default: throw new Error(`its kind is ${String(headers[HEADERS.kind])}`)
    }
  } catch (error) {
    throw new SinkError('bad_message', `message ${sequence} is none of the stream: ${(error as Error).message}`, sequence, { cause: error })
  }
}

function bytesOf(headers: Readonly<Record<string, string>>, payload: Uint8Array): { readonly ssz: Uint8Array; readonly txList: Uint8Array | undefined } {
  if (headers[HEADERS.encoding] === 'json') {
    const { ssz, txList } = JSON.parse(new TextDecoder().decode(payload)) as { readonly ssz: string; readonly txList?: string }
    return { ssz: fromHex(ssz, SIGNED_COMMITMENT_SIZE), txList: txList === undefined ? undefined : fromHex(txList) }
  }
  // Copies: what came is a part of what the client has received.
  const part = (from: number, to?: number): Uint8Array => new Uint8Array(payload.subarray(from, to))
  return { ssz: part(0, SIGNED_COMMITMENT_SIZE), txList: headers[HEADERS.txList] === 'inline' ? part(SIGNED_COMMITMENT_SIZE) : undefined }
}

function heightOf(value: string | undefined): bigint {
  if (value === undefined || !/^(\d{1,78}|-1)$/.test(value)) throw new Error(`its height is ${String(value)}`)
  return BigInt(value)
}

/** The number of the writer that wrote it; 0 where it does not say. */
export function writerOf({ headers }: SinkMessage): number {
  const number = Number(headers[HEADERS.writer])
  return Number.isSafeInteger(number) && number > 0 ? number : 0
}
