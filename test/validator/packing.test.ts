import { expect } from 'chai'
import fc from 'fast-check'
import { openBatch, packBatch, packedCommitments, readRecords } from '../../src/actors/validator/packing.js'
import type { BatchKind } from '../../src/actors/validator/packing.js'
import { Finding, RECORD_SIZE, SIGNED_COMMITMENT_SIZE } from '../../src/protocol/index.js'
import { samples } from '../support/samples.js'

const commitment = fc.uint8Array({ minLength: SIGNED_COMMITMENT_SIZE, maxLength: SIGNED_COMMITMENT_SIZE })
const batch: fc.Arbitrary<{ kind: BatchKind; items: Uint8Array[] }> = fc.oneof(
  fc.record({ kind: fc.constant('commitments' as const), items: fc.array(commitment, { maxLength: 130 }) }),
  fc.record({ kind: fc.constant('txLists' as const), items: fc.array(fc.uint8Array({ maxLength: 5_000 }), { maxLength: 20 }) }),
)
/** A buffer that was used before: longer than needed and full of what was in it. */
const dirty = (size: number): ArrayBuffer => new Uint8Array(size + 1_000).fill(0xaa).buffer

describe('validator packing', () => {
  it('gives the worker what was packed, in order, with empty records', () => {
    fc.assert(fc.property(batch, fc.boolean(), ({ kind, items }, reused) => {
      const opened = openBatch(reused ? packBatch(kind, items, dirty) : packBatch(kind, items))
      expect(opened.kind).to.equal(kind)
      expect(opened.items.map(item => Buffer.from(item))).to.deep.equal(items.map(item => Buffer.from(item)))
      expect(opened.records.length).to.equal(items.length * RECORD_SIZE)
      expect(opened.records.every(byte => byte === 0)).to.equal(true)
    }), { numRuns: samples(200) })
  })

  it('gives the sender the records that the worker wrote, and leaves the items alone', () => {
    fc.assert(fc.property(batch, fc.func(fc.nat(12)), ({ kind, items }, finding) => {
      const packed = packBatch(kind, items, dirty)
      const opened = openBatch(packed)
      for (let index = 0; index < items.length; index++) {
        opened.records[index * RECORD_SIZE] = finding(index)
        opened.records.fill(index & 0xff, index * RECORD_SIZE + 1, index * RECORD_SIZE + 21)
        opened.records.fill(~index & 0xff, index * RECORD_SIZE + 21, (index + 1) * RECORD_SIZE)
      }
      const records = readRecords(packed, items.length)
      // Used again at once: what was read does not change with it.
      new Uint8Array(packed).fill(0x55)
      expect(records.count).to.equal(items.length)
      for (let index = 0; index < items.length; index++) {
        expect(records.finding(index)).to.equal(finding(index))
        expect(Buffer.from(records.signer(index))).to.deep.equal(Buffer.alloc(20, index & 0xff))
        expect(Buffer.from(records.hash(index))).to.deep.equal(Buffer.alloc(32, ~index & 0xff))
      }
    }), { numRuns: samples(100) })
  })

  it('reads a record that nobody wrote, and a byte that is no finding, as unjudged', () => {
    const packed = packBatch('txLists', [new Uint8Array(5), new Uint8Array(0)])
    openBatch(packed).records[RECORD_SIZE] = 255
    const records = readRecords(packed, 2)
    expect([records.finding(0), records.finding(1)]).to.deep.equal([Finding.unjudged, Finding.unjudged])
  })

  it('is as large as it says', () => {
    const items = Array.from({ length: 128 }, () => new Uint8Array(SIGNED_COMMITMENT_SIZE))
    expect(packBatch('commitments', items).byteLength).to.equal(packedCommitments(128))
  })

  it('refuses a commitment of another length', () => {
    expect(() => packBatch('commitments', [new Uint8Array(381)])).to.throw().with.property('code', 'bad_batch')
  })

  it('H14: any bytes in place of a batch are a typed error, never a crash, never memory beyond them', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.constantFrom(0, 1, 2), fc.nat(0xffff_ffff), (bytes, kind, count) => {
      const buffer = bytes.slice().buffer
      if (buffer.byteLength >= 8) {
        new DataView(buffer).setUint32(0, kind, true)
        if (kind > 0) new DataView(buffer).setUint32(4, count, true)
      }
      for (const read of [() => openBatch(buffer), () => readRecords(buffer, count)]) {
        try { read() } catch (error) { expect(error).to.have.property('code', 'bad_batch') }
      }
    }), { numRuns: samples(500) })
  })
})
