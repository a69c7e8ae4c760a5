import { createHash } from 'node:crypto'
import { expect } from 'chai'
import { compress } from 'snappyjs'
import {
  fromHex, gossipMessageId, isPlausible, messageId, toHex, topicBoundMessageId, topicsOf,
} from '../../src/protocol/index.js'
import { decompressSnappy } from '../../src/protocol/snappy.js'
import { allocatedBy, signedBytes, txListMessage, withByte } from './fixtures.js'

const topics = topicsOf(167000n)
const other = topicsOf(1n)
const id = gossipMessageId({ topics })

function sha256(...parts: Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex').slice(0, 40)
}

/** A varint of at most `size` bytes, as long as asked. */
function varint(value: number, size: number): number[] {
  return Array.from({ length: size }, (_, i) => Math.floor(value / 128 ** i) % 128 | (i < size - 1 ? 0x80 : 0))
}

const MIB = 1024 * 1024

describe('protocol/message-id', () => {
  it('gives the ids of SPEC §5', () => {
    expect(toHex(messageId(fromHex('0102030405')))).to.equal('ff3a6e999086783f249b4a4fab9f215046152b6d')
    expect(toHex(messageId(fromHex('05100102030405')))).to.equal('316cb6b9c695764bf1bfe4e1b60cc0e88563cbf5')
    expect(toHex(messageId(new Uint8Array(382)))).to.equal('8bd5d8451e00810c56fd7cf93569b76b0f995a2c')
    expect(toHex(messageId(new Uint8Array(0)))).to.equal('df3f619804a92fdb4057192dc43dd748ea778adc')
  })

  it('is 20 bytes of a plain Uint8Array', () => {
    for (const bytes of [messageId(new Uint8Array(9)), topicBoundMessageId('t', new Uint8Array(9))]) {
      expect(bytes.length).to.equal(20)
      expect(Object.getPrototypeOf(bytes)).to.equal(Uint8Array.prototype)
    }
  })

  it('binds the topic by its length and its bytes', () => {
    const length = new Uint8Array(8)
    length[0] = topics.txLists.length
    const topic = new TextEncoder().encode(topics.txLists)
    const data = txListMessage(new Uint8Array([1]))
    expect(toHex(topicBoundMessageId(topics.txLists, data))).to.equal(sha256(new Uint8Array(4), length, topic, data))
    const snappy = fromHex('05100102030405')
    expect(toHex(topicBoundMessageId(topics.txLists, snappy)))
      .to.equal(sha256(new Uint8Array([1, 0, 0, 0]), length, topic, fromHex('0102030405')))
  })

  it('takes the topic\'s bytes, not its characters', () => {
    const length = new Uint8Array(8)
    length[0] = 2
    expect(toHex(topicBoundMessageId('é', new Uint8Array(0))))
      .to.equal(sha256(new Uint8Array(4), length, new Uint8Array([0xc3, 0xa9])))
  })

  it('has both schemes to choose from', () => {
    const commitment = signedBytes()
    expect(id(topics.commitments, commitment)).to.deep.equal(messageId(commitment))
    expect(gossipMessageId({ topics, scheme: 'topic-bound' })(topics.commitments, commitment))
      .to.deep.equal(topicBoundMessageId(topics.commitments, commitment))
  })

  describe('H03: the same bytes on another topic', () => {
    const commitment = signedBytes()
    const txList = txListMessage(new Uint8Array([1, 2, 3]))

    it('H03: keep today\'s id on their own topic, and get another one elsewhere', () => {
      expect(id(topics.commitments, commitment)).to.deep.equal(messageId(commitment))
      expect(id(topics.txLists, txList)).to.deep.equal(messageId(txList))
      expect(id(topics.txLists, commitment)).to.deep.equal(topicBoundMessageId(topics.txLists, commitment))
      expect(id(topics.commitments, txList)).to.deep.equal(topicBoundMessageId(topics.commitments, txList))
      for (const topic of [other.commitments, other.txLists, '', 'x']) {
        expect(id(topic, commitment)).to.deep.equal(topicBoundMessageId(topic, commitment))
        expect(id(topic, txList)).to.deep.equal(topicBoundMessageId(topic, txList))
      }
    })

    it('H03: burn no id: implausible payloads never get the id of an honest message', () => {
      const honest = new Set([toHex(messageId(commitment)), toHex(messageId(txList))])
      const replays = [
        [topics.txLists, commitment], [topics.commitments, txList], [other.commitments, commitment], [other.txLists, txList],
        [topics.commitments, compress(Buffer.from(commitment))], [topics.txLists, compress(Buffer.from(txList))],
      ] as const
      for (const [topic, data] of replays) expect(honest.has(toHex(id(topic, data))), topic).to.equal(false)
    })

    it('H03: plausible means 382 bytes, or 24000000 at 32', () => {
      expect(isPlausible(topics, topics.commitments, commitment)).to.equal(true)
      expect(isPlausible(topics, topics.txLists, txList)).to.equal(true)
      for (const size of [0, 381, 383]) expect(isPlausible(topics, topics.commitments, new Uint8Array(size))).to.equal(false)
      for (const at of [32, 33, 34, 35]) expect(isPlausible(topics, topics.txLists, withByte(txList, at, 1))).to.equal(false)
      for (const size of [0, 32, 35]) expect(isPlausible(topics, topics.txLists, txList.subarray(0, size))).to.equal(false)
    })
  })

  describe('H04: declared lengths of snappy', () => {
    it('H04: 7 bytes that declare 4 GiB allocate nothing', () => {
      const hostile = new Uint8Array([0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x61])
      expect(allocatedBy(() => { for (let i = 0; i < 1_000; i++) messageId(hostile) })).to.be.below(2 * MIB)
      expect(toHex(messageId(hostile))).to.equal(sha256(new Uint8Array(4), hostile))
    })

    it('H04: a few bytes that declare just 10 MiB allocate nothing either', () => {
      const hostile = new Uint8Array([...varint(10 * MIB, 4), 0x00, 0x61])
      expect(allocatedBy(() => { for (let i = 0; i < 1_000; i++) messageId(hostile) })).to.be.below(2 * MIB)
      expect(allocatedBy(() => { for (let i = 0; i < 1_000; i++) id(topics.commitments, hostile) })).to.be.below(2 * MIB)
    })

    it('H04: 10 MiB is decompressed, one byte more is not', () => {
      for (const [size, form] of [[10 * MIB, 1], [10 * MIB + 1, 0]] as const) {
        const data = new Uint8Array(size)
        const snappy = new Uint8Array([...varint(size, 4), 63 << 2, 0, 0, 0, 0, ...[]])
        new DataView(snappy.buffer).setUint32(5, size - 1, true)
        const message = new Uint8Array(snappy.length + size)
        message.set(snappy)
        expect(toHex(messageId(message))).to.equal(sha256(new Uint8Array([form, 0, 0, 0]), form === 1 ? data : message))
      }
    })

    it('H04: the largest expansion of a small body stays within 10 MiB', () => {
      const body = [60 << 2, 63, ...new Uint8Array(64)]
      let produced = 64
      for (; produced + 64 <= 10 * MIB; produced += 64) body.push(63 << 2 | 2, 1, 0)
      const bomb = new Uint8Array([...varint(produced, 4), ...body])
      expect(bomb.length).to.be.below(500_000)
      messageId(bomb)
      const memory = allocatedBy(() => { messageId(bomb) })
      expect(memory).to.be.at.most(10 * MIB + 100_000)
    })
  })
})

describe('protocol/snappy', () => {
  const decode = (...values: number[]): string | undefined => {
    const out = decompressSnappy(new Uint8Array(values), 10 * MIB)
    return out && toHex(out)
  }

  it('decodes what a compressor writes', () => {
    for (const size of [0, 1, 59, 60, 61, 255, 256, 257, 1_000, 65_535, 65_536, 65_537, 200_000]) {
      const data = Uint8Array.from({ length: size }, (_, i) => (i % 100) * (i >> 9))
      expect(decompressSnappy(compress(data), 10 * MIB), String(size)).to.deep.equal(data)
    }
  })

  it('accepts and refuses what the reference\'s decoder does', () => {
    expect(decode()).to.equal(undefined)
    expect(decode(0)).to.equal('')
    expect(decode(0x80, 0)).to.equal('')
    expect(decode(0x85, 0, 16, 1, 2, 3, 4, 5)).to.equal('0102030405')
    expect(decode(4, 16, 1, 2, 3, 4, 5), 'declared too short').to.equal(undefined)
    expect(decode(6, 16, 1, 2, 3, 4, 5), 'declared too long').to.equal(undefined)
    expect(decode(9, 0, 0x61, 0x11, 1), 'copy over itself').to.equal('61'.repeat(9))
    expect(decode(5, 0, 0x61, 1, 0), 'offset 0').to.equal(undefined)
    expect(decode(4, 1, 1), 'copy before the start').to.equal(undefined)
    expect(decode(5, 0, 0x61, 1), 'copy without its offset').to.equal(undefined)
    expect(decode(6, 4, 0x61, 0x62, 14, 2, 0)).to.equal('616261626162')
    expect(decode(6, 4, 0x61, 0x62, 14, 2), 'two-byte offset cut').to.equal(undefined)
    expect(decode(6, 4, 0x61, 0x62, 15, 2, 0, 0, 0)).to.equal('616261626162')
    expect(decode(6, 4, 0x61, 0x62, 15, 2, 0, 0), 'four-byte offset cut').to.equal(undefined)
    expect(decode(6, 4, 0x61, 0x62, 15, 2, 0, 0, 0x80), 'offset of 2^31').to.equal(undefined)
  })

  it('wants four bytes behind a long literal\'s tag, as the reference does', () => {
    expect(decode(1, 60 << 2, 0, 0x61), 'one byte of length, and one of literal').to.equal(undefined)
    expect(decode(3, 60 << 2, 2, 0x61, 0x62, 0x63)).to.equal('616263')
    expect(decode(2, 61 << 2, 1, 0, 0x61, 0x62)).to.equal('6162')
    expect(decode(1, 62 << 2, 0, 0, 0, 0x61)).to.equal('61')
    expect(decode(1, 63 << 2, 0, 0, 0, 0, 0x61)).to.equal('61')
    expect(decode(1, 63 << 2, 0xff, 0xff, 0xff, 0xff, 0x61), 'a literal of 4 GiB').to.equal(undefined)
  })

  it('reads the declared length as a 64-bit varint that need not be minimal, as the reference does', () => {
    const literal = [16, 1, 2, 3, 4, 5]
    for (let size = 1; size <= 10; size++) expect(decode(...varint(5, size), ...literal), `${size} bytes`).to.equal('0102030405')
    const open = varint(5, 9).map((byte) => byte | 0x80)
    expect(decode(...open, 0x02, ...literal), 'bits above the 64th are dropped').to.equal('0102030405')
    expect(decode(...varint(5, 9).map((b) => b | 0x80), 0x01, ...literal), 'the 64th counts').to.equal(undefined)
    expect(decode(...varint(5, 11), ...literal), '11 bytes').to.equal(undefined)
    expect(decode(0x85), 'never ends').to.equal(undefined)
  })

  it('keeps to its limit', () => {
    const snappy = compress(new Uint8Array(1_000))
    expect(decompressSnappy(snappy, 1_000)?.length).to.equal(1_000)
    expect(decompressSnappy(snappy, 999)).to.equal(undefined)
  })
})
