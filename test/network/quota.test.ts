import { expect } from 'chai'
import fc from 'fast-check'
import { OutboundQuota } from '../../src/actors/network/reqresp/outbound-quota.js'
import { SlidingWindow } from '../../src/actors/network/reqresp/sliding-window.js'

describe('network: sliding window', () => {
  it('never lets more through in any window than its limit, and always what fits', () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 200 }), steps => {
      const window = new SlidingWindow(7, 10_000)
      const taken: number[] = []
      let now = 0
      for (const step of steps) {
        now += step
        const inWindow = taken.filter(at => at > now - 10_000).length
        expect(window.take(now)).to.equal(inWindow < 7)
        if (inWindow < 7) taken.push(now)
      }
    }))
  })

  it('says when there will be room', () => {
    const window = new SlidingWindow(2, 100)
    expect(window.roomAt(0)).to.equal(0)
    window.take(0)
    window.take(30)
    expect(window.roomAt(40)).to.equal(100)
    expect(window.take(99)).to.equal(false)
    expect(window.take(100)).to.equal(true)
    expect(window.roomAt(100)).to.equal(130)
  })

  it('cannot say so while only what is under way takes the places', () => {
    const window = new SlidingWindow(1, 100)
    window.hold(0)
    expect(window.roomAt(500)).to.equal(undefined)
    window.release(500)
    expect(window.roomAt(500)).to.equal(600)
  })
})

describe('network: outbound quota', () => {
  const options = { perWindow: 7, perWindowToKin: 32, windowMs: 10_050 }

  it('H07: whatever the network does to their pace, no server sees more than 7 of our requests in any 10 s', () => {
    const exchange = fc.record({ gap: fc.integer({ min: 0, max: 2_000 }), there: fc.integer({ min: 0, max: 7_000 }), back: fc.integer({ min: 0, max: 7_000 }) })
    fc.assert(fc.property(fc.array(exchange, { maxLength: 120 }), plan => {
      const quota = new OutboundQuota(options)
      const ends: number[] = []
      const seen: number[] = []
      let now = 0
      for (const { gap, there, back } of plan) {
        now += gap
        for (const end of ends.filter(each => each <= now).sort((a, b) => a - b)) quota.release('p', 'head', end)
        ends.splice(0, ends.length, ...ends.filter(each => each > now))
        if (!quota.hold('p', 'head', false, now)) continue
        seen.push(now + there)
        ends.push(now + there + back)
      }
      seen.sort((a, b) => a - b)
      for (const first of seen) expect(seen.filter(at => at >= first && at < first + 10_000).length).to.be.at.most(7)
    }), { numRuns: 300 })
  })

  it('counts each protocol and each peer apart, and forgets what no longer counts', () => {
    const quota = new OutboundQuota(options)
    for (let i = 0; i < 7; i++) expect(quota.hold('p', 'head', false, 0)).to.equal(true)
    expect(quota.hold('p', 'head', false, 0)).to.equal(false)
    expect(quota.hold('p', 'txList', false, 0)).to.equal(true)
    expect(quota.hold('q', 'head', false, 0)).to.equal(true)
    for (let i = 0; i < 7; i++) quota.release('p', 'head', 10)
    quota.release('p', 'txList', 10)
    quota.release('q', 'head', 10)
    expect(quota.roomAt('p', 'head', false, 20)).to.equal(10_060)
    quota.sweep(10_060)
    expect(quota.size).to.equal(0)
  })

  it('asks more of peers that say to be this software', () => {
    const quota = new OutboundQuota(options)
    for (let i = 0; i < 32; i++) expect(quota.hold('p', 'head', true, 0)).to.equal(true)
    expect(quota.hold('p', 'head', true, 0)).to.equal(false)
  })
})
