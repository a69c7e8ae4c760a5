import { expect } from 'chai'
import fc from 'fast-check'
import { checkPage } from '../../src/actors/sync/range/page-check.js'
import type { AskedPage, CheckedPage } from '../../src/actors/sync/range/page-check.js'
import { packPage, readHead, readTxListAnswer, toHex } from '../../src/protocol/index.js'
import { block, chainOf, heightOf, keccak_256 } from './sim.js'
import { samples } from '../support/samples.js'

const chain = chainOf(1n, 300n, { handovers: [10n, 50n] })
const pageOf = (...heights: number[]): Uint8Array => packPage(heights.map(height => block(BigInt(height))))
const asked = (start: number, count: number, more: Partial<AskedPage> = {}): AskedPage => ({ start: BigInt(start), count, ...more })

function reason(body: Uint8Array, of: AskedPage): string {
  const check = checkPage(body, of)
  return check.ok ? 'ok' : check.fault.reason
}

function page(body: Uint8Array, of: AskedPage): CheckedPage {
  const check = checkPage(body, of)
  if (!check.ok) throw new Error(check.fault.reason)
  return check.page
}

describe('sync: a page by itself', () => {
  it('H12 out of order', () => { expect(reason(pageOf(5, 7, 6), asked(5, 10))).to.equal('out_of_order') })
  it('H12 the same block twice', () => { expect(reason(pageOf(5, 6, 6), asked(5, 10))).to.equal('duplicate') })
  it('H12 two blocks of one height', () => { expect(reason(packPage([block(5n), block(5n, { fork: 1 })]), asked(5, 10))).to.equal('duplicate') })
  it('H12 below the asked range', () => { expect(reason(pageOf(4, 5), asked(5, 10))).to.equal('out_of_range') })
  it('H12 longer than asked', () => { expect(reason(pageOf(5, 6, 7), asked(5, 2))).to.equal('too_many') })
  it('H12 a hand-over behind its block, or twice', () => {
    expect(reason(packPage([block(5n), block(5n, { handover: true })]), asked(5, 10))).to.equal('out_of_order')
    expect(reason(packPage([block(5n, { handover: true }), block(5n, { handover: true })]), asked(5, 10))).to.equal('duplicate')
  })

  it('H12 no page at all', () => {
    expect(reason(new Uint8Array(), asked(5, 10))).to.equal('undecodable')
    expect(reason(pageOf(5).subarray(1), asked(5, 10))).to.equal('undecodable')
    expect(reason(pageOf(5, 6).subarray(0, -1), asked(5, 10))).to.equal('undecodable')
    const badBool = pageOf(5)
    badBool[4] = 2
    expect(reason(badBool, asked(5, 10))).to.equal('undecodable')
  })

  it('H12 above the asked range nothing is taken; the answer says where it begins', () => {
    expect(page(pageOf(20, 21), asked(5, 10))).to.include({ count: 0, next: 5n, resumes: 20n, received: 2 })
    expect(page(pageOf(14, 15), asked(5, 10))).to.include({ count: 0, next: 5n, resumes: 14n })
  })

  it('of a page with a gap, what stands before it is taken, and what lies behind it is kept apart, as far as it was wanted', () => {
    const { beyond, bytes, ...rest } = page(pageOf(5, 6, 8, 9), asked(5, 10))
    expect(rest).to.deep.equal({ count: 2, start: 5n, next: 7n, handsOver: false, received: 4, full: false, resumes: 8n })
    expect(bytes).to.have.length(2 * 382)
    expect(beyond).to.have.length(2 * 382)
    expect(page(pageOf(5, 6, 8, 9), asked(5, 10, { through: 8n })).beyond).to.have.length(382)
  })

  it('an empty page is one', () => { expect(page(packPage([]), asked(5, 10))).to.include({ count: 0, next: 5n, received: 0, resumes: undefined }) })

  it('hand-overs stand before the block of their height, and take no height', () => {
    const honest = page(packPage(chain.slice(0, 60)), asked(1, 256))
    expect(honest).to.include({ count: 60, next: 59n, handsOver: false, full: false })
    const twice = packPage([block(5n, { handover: true }), block(5n, { handover: true, parent: new Uint8Array(32).fill(1) }), block(5n)])
    expect(page(twice, asked(5, 10))).to.include({ count: 3, next: 6n })
    expect(page(packPage([block(5n), block(6n, { handover: true })]), asked(5, 10))).to.include({ count: 2, next: 6n, handsOver: true })
  })

  it('what was asked for the sake of hand-overs only is not used', () => {
    expect(page(pageOf(5, 6, 7, 8), asked(5, 4, { through: 6n }))).to.include({ count: 2, next: 7n, received: 4, full: true, resumes: undefined })
  })

  it('without an anchor the page begins where it begins', () => {
    expect(page(pageOf(900, 901), asked(0, 256, { anywhere: true }))).to.include({ count: 2, start: 900n, next: 902n, resumes: undefined })
  })

  it('whatever the bytes: an answer, and what is used is ascending, unique, inside the range, no more than asked', () => {
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 2_000 }),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 30 }), fc.boolean()), { maxLength: 20 })
        .map(each => packPage(each.map(([height, handover], at) => block(BigInt(height), { handover, fork: at })))),
    )
    fc.assert(fc.property(anything, fc.integer({ min: 0, max: 20 }), fc.integer({ min: 1, max: 20 }), (body, start, count) => {
      const check = checkPage(body, asked(start, count))
      if (!check.ok) return
      const { bytes, next } = check.page
      const each = Array.from({ length: bytes.length / 382 }, (_, at) => bytes.subarray(at * 382, (at + 1) * 382))
      expect(each.length).to.equal(check.page.count).and.to.be.at.most(count)
      const blocks = each.filter(one => one[0] === 0).map(heightOf)
      expect(blocks).to.deep.equal(blocks.map((_, at) => BigInt(start + at)))
      expect(next).to.equal(BigInt(start + blocks.length))
      for (const one of each) expect(heightOf(one) < BigInt(start + count)).to.equal(true)
    }), { numRuns: samples(300) })
  })
})

describe('sync: other answers by themselves', () => {
  const list = new TextEncoder().encode('a list')
  const hash = keccak_256(list)
  const answer = (of: Uint8Array, bytes: Uint8Array): Uint8Array => {
    const body = new Uint8Array(36 + bytes.length)
    body.set(of)
    body[32] = 36
    body.set(bytes, 36)
    return body
  }

  it('H12 a txlist under another hash than asked', () => { expect(readTxListAnswer(answer(keccak_256(hash), list), toHex(hash))).to.equal('wrong_hash') })
  it('an empty list under the asked hash says that it is not there', () => { expect(readTxListAnswer(answer(hash, new Uint8Array()), toHex(hash))).to.equal('not_found') })
  it('the empty list is one where its own hash was asked for', () => {
    const empty = keccak_256(new Uint8Array())
    expect(readTxListAnswer(answer(empty, new Uint8Array()), toHex(empty))).to.equal('found')
  })

  it('any bytes: an answer and no crash', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
      readTxListAnswer(bytes, toHex(hash))
      expect(readHead(bytes)?.blockNumber ?? 0n).to.be.a('bigint')
    }))
  })
})
