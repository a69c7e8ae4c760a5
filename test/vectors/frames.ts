import { encodeFrame, FRAME_CAPS, FrameReader, readFrame, type FrameSide, type ProtocolName } from '../../src/protocol/index.js'
import { codecOf, expectEqual, nameOf, outcome, type Vector } from './check.js'
import { bytesOf, FormError, integerOf, objectOf, sectionsOf, textOf, type JsonObject } from './form.js'

interface Exchange {
  readonly protocol: ProtocolName
  readonly side: FrameSide
  readonly container: string
}

const names: Readonly<Record<string, ProtocolName>> = {
  get_head: 'head', get_commitments_by_number: 'commitments', get_raw_txlist: 'txList',
}

const containers: Readonly<Record<ProtocolName, Readonly<Record<FrameSide, string>>>> = {
  head: { request: 'GetHeadRequest', response: 'PreconfHead' },
  commitments: { request: 'GetCommitmentsByNumberRequest', response: 'GetCommitmentsByNumberResponse' },
  txList: { request: 'GetRawTxListRequest', response: 'GetRawTxListResponse' },
}

function exchangeOf(v: JsonObject): Exchange {
  const name = textOf(v['protocol'], 'protocol')
  const protocol = Object.hasOwn(names, name) ? names[name] : undefined
  const side = textOf(v['side'], 'side')
  if (protocol === undefined) throw new FormError(`protocol: unknown ${name}`)
  if (side !== 'request' && side !== 'response') throw new FormError(`side: unknown ${side}`)
  return { protocol, side, container: containers[protocol][side] }
}

/** `frames.json`: what we write is what the reference writes, and what it reads we read. */
export function frames(json: unknown): Vector[] {
  const { written, read } = sectionsOf(json, ['written', 'read'])
  return [
    ...written.map((item, i) => ({
      name: nameOf(`written[${i}]`, item, ['protocol', 'side']),
      run: () => { checkWritten(objectOf(item, `written[${i}]`)) },
    })),
    ...read.map((item, i) => ({
      name: nameOf(`read[${i}]`, item, ['protocol', 'side', 'name']),
      run: () => { checkRead(objectOf(item, `read[${i}]`)) },
    })),
  ]
}

function checkWritten(v: JsonObject): void {
  const { protocol, side, container } = exchangeOf(v)
  const codec = codecOf(container)
  const frame = bytesOf(v['frame'], 'frame')
  const decoded = codec.decode(readFrame(frame, FRAME_CAPS[protocol][side]))
  expectEqual(encodeFrame(codec.encode(decoded)), frame, 'frame written again')
  expectEqual(encodeFrame(codec.encode(toldValue(container, v, decoded))), frame, 'frame of the value')
}

/** The value that the vector's own fields tell; of commitments it tells only how many. */
function toldValue(container: string, v: JsonObject, decoded: unknown): unknown {
  const hash = (): Uint8Array => bytesOf(v['rawTxListHash'], 'rawTxListHash')
  switch (container) {
    case 'GetHeadRequest': return { reserved: new Uint8Array(0) }
    case 'PreconfHead': return {
      blockNumber: integerOf(v['blockNumber'], 'blockNumber'),
      submissionWindowEnd: integerOf(v['submissionWindowEnd'], 'submissionWindowEnd'),
    }
    case 'GetCommitmentsByNumberRequest': return {
      startBlockNumber: integerOf(v['startBlockNumber'], 'startBlockNumber'),
      maxCount: Number(integerOf(v['maxCount'], 'maxCount')),
    }
    case 'GetCommitmentsByNumberResponse': {
      const { commitments } = decoded as { commitments: unknown[] }
      expectEqual(commitments.length, Number(integerOf(v['commitments'], 'commitments')), 'commitments')
      return decoded
    }
    case 'GetRawTxListRequest': return { rawTxListHash: hash() }
    default: return { rawTxListHash: hash(), txlist: bytesOf(v['txlist'], 'txlist') }
  }
}

function checkRead(v: JsonObject): void {
  const { protocol, side, container } = exchangeOf(v)
  const codec = codecOf(container)
  const stream = bytesOf(v['stream'], 'stream')
  const cap = FRAME_CAPS[protocol][side]
  const expected = textOf(v['reference'], 'reference') === 'ok' ? 'ok' : 'error'
  expectEqual(outcome(() => { codec.decode(readFrame(stream, cap)) }), expected, 'read at once')
  for (const size of [1, 7, stream.length]) {
    expectEqual(outcome(() => { codec.decode(readInChunks(stream, cap, size)) }), expected, `read in chunks of ${size}`)
  }
}

function readInChunks(stream: Uint8Array, cap: number, size: number): Uint8Array {
  const reader = new FrameReader(cap)
  let body: Uint8Array | undefined
  for (let at = 0; at < stream.length; at += size) body = reader.push(stream.subarray(at, at + size)) ?? body
  reader.end()
  if (body === undefined) throw new Error('the reader ended without a body and without an error')
  return body
}
