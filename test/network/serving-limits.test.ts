import { expect } from 'chai'
import fc from 'fast-check'
import { Exchanges } from '../../src/actors/network/reqresp/exchanges.js'
import { InboundLimit } from '../../src/actors/network/reqresp/inbound-limit.js'
import { ServingBudget } from '../../src/actors/network/reqresp/serving-budget.js'

describe('network: inbound limit', () => {
  const options = { perWindow: 32, windowMs: 10_000, maxDelayed: 16, delayWithinMs: 4_000 }

  it('answers 32 at once, delays 16, all of which leave within their time, and refuses the next', () => {
    const limit = new InboundLimit(options)
    const delays = Array.from({ length: 49 }, () => limit.admit('p', 'head', 0))
    expect(delays.slice(0, 32)).to.deep.equal(Array(32).fill(0))
    expect(delays.slice(32, 48)).to.deep.equal(Array.from({ length: 16 }, (_, i) => (i + 1) * 250))
    expect(delays[48]).to.equal(undefined)
    expect(limit.admit('p', 'txList', 0)).to.equal(0)
    expect(limit.admit('q', 'head', 0)).to.equal(0)
  })

  it('answers at once again when its queue is empty and the window has moved on', () => {
    const limit = new InboundLimit(options)
    for (let i = 0; i < 34; i++) limit.admit('p', 'head', 0)
    expect(limit.admit('p', 'head', 10_000)).to.equal(0)
  })

  it('never delays longer than its time, and keeps nothing of peers that are gone', () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 300 }), steps => {
      const limit = new InboundLimit(options)
      let now = 0
      for (const step of steps) {
        now += step
        const delay = limit.admit('p', 'head', now)
        if (delay !== undefined) expect(delay).to.be.within(0, 4_000)
      }
      limit.sweep(now + 10_000)
      expect(limit.size).to.equal(0)
    }))
  })
})

describe('network: serving budget', () => {
  it('gives what fits at once, the rest in order as bytes come back', async () => {
    const budget = new ServingBudget({ maxBytesPerPeer: 100, maxBytes: 150 })
    const never = new AbortController().signal
    const first = await budget.reserve('p', 100, never)
    const second = await budget.reserve('q', 50, never)
    let third = false
    const waiting = budget.reserve('p', 10, never).then(giveBack => { third = true; return giveBack })
    await Promise.resolve()
    expect(third).to.equal(false)
    first?.()
    first?.()
    expect(budget.used).to.equal(60)
    second?.()
    const giveBack = await waiting
    giveBack?.()
    expect(budget.used).to.equal(0)
  })

  it('gives one answer that is larger than the bound to a peer that has none', async () => {
    const budget = new ServingBudget({ maxBytesPerPeer: 10, maxBytes: 10 })
    const giveBack = await budget.reserve('p', 100, new AbortController().signal)
    expect(giveBack).to.be.a('function')
  })

  it('gives nothing when the signal comes first, and takes nothing for it', async () => {
    const budget = new ServingBudget({ maxBytesPerPeer: 10, maxBytes: 10 })
    const giveBack = await budget.reserve('p', 10, new AbortController().signal)
    const gone = new AbortController()
    const waiting = budget.reserve('p', 10, gone.signal)
    gone.abort()
    expect(await waiting).to.equal(undefined)
    giveBack?.()
    expect(budget.used).to.equal(0)
  })
})

describe('network: exchanges', () => {
  it('is idle for a peer or for all when each exchange has ended', async () => {
    const exchanges = new Exchanges()
    const endP = exchanges.begin('p')
    const endQ = exchanges.begin('q')
    const order: string[] = []
    const idleP = exchanges.idle('p').then(() => order.push('p'))
    const idle = exchanges.idle().then(() => order.push('all'))
    endP()
    endP()
    await idleP
    expect(exchanges.count()).to.equal(1)
    endQ()
    await idle
    expect(order).to.deep.equal(['p', 'all'])
    await exchanges.idle('p')
  })
})
