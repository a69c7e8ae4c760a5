/**
 * The format of a batch between the validator and a worker: one ArrayBuffer, transferred both ways without cloning.
 *
 *     kind u32 | count u32 | records count × 53 | commitments: count × 382
 *                                               | txLists:     lengths count × u32 | bytes
 *
 * Integers are little-endian. What follows in the buffer has no meaning. The worker writes the records in place and sends the
 * same buffer back, so an answer needs no memory of its own. A record that was not written is zeros, which reads as
 * `Finding.unjudged`.
 */
import { SIGNED_COMMITMENT_SIZE } from '../../protocol/layout.js'
import { Finding, RECORD_HASH, RECORD_SIGNER, RECORD_SIZE, findingName } from '../../protocol/rules.js'
import { ValidatorError } from './errors.js'

export type BatchKind = 'commitments' | 'txLists'

/** Returns a buffer of at least this many bytes, with arbitrary content. */
export type Allocate = (size: number) => ArrayBuffer

const CODES: Readonly<Record<BatchKind, number>> = { commitments: 1, txLists: 2 }
const HEADER_SIZE = 8
const LENGTH_SIZE = 4

/**
 * Copies the items into one buffer. A commitment has 382 bytes; a txlist message any number.
 * @throws ValidatorError `bad_batch` for a commitment of another length
 */
export function packBatch(kind: BatchKind, items: readonly Uint8Array[], allocate: Allocate = size => new ArrayBuffer(size)): ArrayBuffer {
  const buffer = allocate(packedSize(kind, items))
  const bytes = new Uint8Array(buffer)
  const view = new DataView(buffer)
  view.setUint32(0, CODES[kind], true)
  view.setUint32(4, items.length, true)
  let at = HEADER_SIZE + items.length * RECORD_SIZE
  bytes.fill(0, HEADER_SIZE, at)
  if (kind === 'txLists') {
    for (const item of items) { view.setUint32(at, item.length, true); at += LENGTH_SIZE }
  }
  for (const item of items) {
    if (kind === 'commitments' && item.length !== SIGNED_COMMITMENT_SIZE) {
      throw new ValidatorError('bad_batch', `a commitment has ${SIGNED_COMMITMENT_SIZE} bytes, got ${item.length}`, item.length)
    }
    bytes.set(item, at)
    at += item.length
  }
  return buffer
}

/** Size in bytes of a packed batch of `count` commitments. */
export function packedCommitments(count: number): number {
  return HEADER_SIZE + count * (RECORD_SIZE + SIGNED_COMMITMENT_SIZE)
}

function packedSize(kind: BatchKind, items: readonly Uint8Array[]): number {
  if (kind === 'commitments') return packedCommitments(items.length)
  return items.reduce((size, item) => size + LENGTH_SIZE + item.length, HEADER_SIZE + items.length * RECORD_SIZE)
}

/** A packed batch, unpacked by the worker. All arrays are views of the buffer. */
export interface OpenBatch {
  readonly kind: BatchKind
  readonly items: readonly Uint8Array[]
  /** All items, concatenated. */
  readonly body: Uint8Array
  /** The records to write, 53 bytes each, concatenated. */
  readonly records: Uint8Array
}

/** @throws ValidatorError `bad_batch` for a buffer that `packBatch` did not write */
export function openBatch(buffer: ArrayBuffer): OpenBatch {
  const { kind, count } = readHeader(buffer)
  const bytes = new Uint8Array(buffer)
  let at = HEADER_SIZE + count * RECORD_SIZE
  const records = bytes.subarray(HEADER_SIZE, at)
  const items: Uint8Array[] = []
  let start = at
  if (kind === 'commitments') {
    for (const end = at + count * SIGNED_COMMITMENT_SIZE; at < end; at += SIGNED_COMMITMENT_SIZE) {
      items.push(bytes.subarray(at, at + SIGNED_COMMITMENT_SIZE))
    }
  } else {
    const view = new DataView(buffer, at)
    at += count * LENGTH_SIZE
    start = at
    for (let index = 0; index < count; index++) {
      const length = view.getUint32(index * LENGTH_SIZE, true)
      items.push(bytes.subarray(at, at + length))
      at += length
    }
  }
  if (at > buffer.byteLength) {
    throw new ValidatorError('bad_batch', `a batch of ${at} bytes came in ${buffer.byteLength}`, buffer.byteLength)
  }
  return { kind, items, body: bytes.subarray(start, at), records }
}

/** The worker's findings, in the order of the batch's items. */
export interface Records {
  readonly count: number
  finding(index: number): Finding
  /** 20 bytes, a view of memory that all records of the batch share. */
  signer(index: number): Uint8Array
  /** 32 bytes, a view of memory that all records of the batch share. */
  hash(index: number): Uint8Array
}

/**
 * Copies the records out of a batch that came back, so that its buffer can be reused.
 * @throws ValidatorError `bad_batch` if their number differs from the number of messages sent
 */
export function readRecords(buffer: ArrayBuffer, sent: number): Records {
  const { count } = readHeader(buffer)
  if (count !== sent) throw new ValidatorError('bad_batch', `${count} records came back for ${sent} messages`, count)
  const records = new Uint8Array(buffer.slice(HEADER_SIZE, HEADER_SIZE + count * RECORD_SIZE))
  return {
    count,
    finding: index => asFinding(records[index * RECORD_SIZE]),
    signer: index => records.subarray(index * RECORD_SIZE + RECORD_SIGNER, index * RECORD_SIZE + RECORD_HASH),
    hash: index => records.subarray(index * RECORD_SIZE + RECORD_HASH, (index + 1) * RECORD_SIZE),
  }
}

function asFinding(byte = 0): Finding {
  return Finding[findingName(byte)]
}

function readHeader(buffer: ArrayBuffer): { readonly kind: BatchKind; readonly count: number } {
  if (buffer.byteLength < HEADER_SIZE) throw new ValidatorError('bad_batch', 'a batch without a header', buffer.byteLength)
  const view = new DataView(buffer)
  const code = view.getUint32(0, true)
  const count = view.getUint32(4, true)
  const kind = code === CODES.commitments ? 'commitments' : code === CODES.txLists ? 'txLists' : undefined
  if (kind === undefined) throw new ValidatorError('bad_batch', `a batch of unknown kind ${code}`, code)
  const least = HEADER_SIZE + count * (RECORD_SIZE + (kind === 'commitments' ? SIGNED_COMMITMENT_SIZE : LENGTH_SIZE))
  if (buffer.byteLength < least) {
    throw new ValidatorError('bad_batch', `${count} items do not fit ${buffer.byteLength} bytes`, count)
  }
  return { kind, count }
}
