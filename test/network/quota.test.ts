import { expect } from 'chai'
import fc from 'fast-check'
import { defaultRequests } from '../../src/actors/network/config.js'
import { RequestQuota } from '../../src/actors/network/reqresp/request-quota.js'
import { SlidingWindow } from '../../src/actors/network/limits/sliding-window.js'
import { samples } from '../support/samples.js'

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
    window.hold()
    expect(window.roomAt(500)).to.equal(undefined)
    window.release(500)
    expect(window.roomAt(500)).to.equal(600)
  })
})

describe('network: outbound quota', () => {
  const options = defaultRequests

  it('H07: whatever the network does to their pace, no server sees more than 7 of our requests in any 10 s', () => {
    const exchange = fc.record({ gap: fc.integer({ min: 0, max: 2_000 }), there: fc.integer({ min: 0, max: 7_000 }), back: fc.integer({ min: 0, max: 7_000 }) })
    fc.assert(fc.property(fc.array(exchange, { maxLength: 120 }), plan => {
      const quota = new RequestQuota(options)
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
    }), { numRuns: samples(300) })
  })

  it('counts each protocol and each peer apart, and forgets what no longer counts', () => {
    const quota = new RequestQuota(options)
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

  /** Asks as fast as it may, one answer every `ms`, for so long; gives when each request went. */
  function askAway(quota: RequestQuota, from: number, forMs: number, ms: number, atOnce = 8): number[] {
    const sent: number[] = []
    const under: number[] = []
    for (let now = from; now < from + forMs; now++) {
      while (under[0] !== undefined && under[0] + ms <= now) quota.release('p', 'commitments', now, { result: 'answered', ms: now - (under.shift() as number) })
      while (under.length < atOnce && quota.hold('p', 'commitments', true, now)) { under.push(now); sent.push(now) }
    }
    for (const at of under) quota.release('p', 'commitments', from + forMs, { result: 'answered', ms: from + forMs - at })
    return sent
  }
  const inWindow = (sent: readonly number[], from: number): number => sent.filter(at => at >= from && at < from + 10_000).length

  it('asks peers of this software for what they guarantee, and faster and faster while they answer at once', () => {
    const quota = new RequestQuota(options)
    const sent = askAway(quota, 0, 20_000, 20)
    expect(inWindow(sent, 10_000)).to.be.within(3_500, 4_000)
    expect(Math.max(...sent.map(at => sent.filter(each => each >= at && each < at + 1_000).length))).to.be.at.most(1_000)
  })

  it('backs off to what they guarantee when answers are delayed, and comes back', () => {
    const quota = new RequestQuota(options)
    askAway(quota, 0, 10_000, 20)
    askAway(quota, 10_000, 20_000, 2_000)
    const slowed = askAway(quota, 30_000, 20_000, 2_000)
    expect(inWindow(slowed, 40_000)).to.be.at.most(32)
    const again = askAway(quota, 50_000, 30_000, 20)
    expect(inWindow(again, 70_000)).to.be.greaterThan(1_000)
  })

  it('never has more under way to them than they delay before they call it a violation', () => {
    const quota = new RequestQuota(options)
    let held = 0
    while (quota.hold('p', 'commitments', true, 0)) held++
    expect(held).to.equal(16)
    expect(quota.places('p', 'commitments', true, 0)).to.deep.equal({ now: 0, inMs: undefined })
  })

  it('H07: who says to be of this software and fails when asked faster than others is asked like others, each time for longer', () => {
    const quota = new RequestQuota(options)
    const fail = (now: number): void => {
      for (let at = 0; at < 9; at++) quota.hold('p', 'head', true, now)
      for (let at = 0; at < 8; at++) quota.release('p', 'head', now, { result: 'answered', ms: 5 })
      quota.release('p', 'head', now, { result: 'failed' })
    }
    fail(0)
    expect(quota.trusts('p', 0)).to.equal(false)
    expect(quota.places('p', 'txList', true, 0).now).to.equal(7)
    expect(quota.hold('p', 'head', true, 10_000)).to.equal(false)
    expect(quota.trusts('p', 600_000)).to.equal(true)
    fail(600_000)
    expect(quota.trusts('p', 1_799_999)).to.equal(false)
    expect(quota.trusts('p', 1_800_000)).to.equal(true)
  })

  it('one that fails when asked like others is no liar', () => {
    const quota = new RequestQuota(options)
    quota.hold('p', 'head', true, 0)
    quota.release('p', 'head', 0, { result: 'failed' })
    expect(quota.trusts('p', 0)).to.equal(true)
  })
})
