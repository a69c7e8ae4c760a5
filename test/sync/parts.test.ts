import { expect } from 'chai'
import { defaultRequests } from '../../src/actors/network/config.js'
import { RequestQuota } from '../../src/actors/network/reqresp/request-quota.js'
import fc from 'fast-check'
import { SyncError, syncConfig } from '../../src/actors/sync/config.js'
import * as rows from '../../src/actors/chain/verdicts.js'
import { isTaken, isUnjudged, reasonOfFirst, standsAside, waitsForStore } from '../../src/actors/sync/range/import.js'
import { GossipHealth } from '../../src/actors/sync/gossip-health.js'
import { targetOf } from '../../src/actors/sync/range/target.js'
import type { CheckedPage } from '../../src/actors/sync/range/page-check.js'
import { SyncPeers } from '../../src/actors/sync/peers.js'
import type { SyncPeerState } from '../../src/actors/sync/peers.js'
import { BatchQueue } from '../../src/actors/sync/range/batch-queue.js'
import type { Batch } from '../../src/actors/sync/range/batch-queue.js'
import { Pace, etaMs } from '../../src/actors/sync/range/range-sync.js'

const pageFor = (start: bigint, blocks: number, full = false): CheckedPage =>
  ({ bytes: new Uint8Array(), count: blocks, start, next: start + BigInt(blocks), handsOver: false, received: blocks, full, resumes: undefined, beyond: new Uint8Array(0) })

describe('sync: the plan of a run', () => {
  it('cuts what lies before it into pages, as far ahead as it may', () => {
    const plan = new BatchQueue(1n, 256, 4)
    plan.reach(10_000n)
    expect(plan.batches.map(({ start, end }) => [start, end])).to.deep.equal([[1n, 256n], [257n, 512n], [513n, 768n], [769n, 1024n]])
    plan.advance(257n)
    plan.reach(10_000n)
    expect(plan.batches).to.have.length(4)
    expect(plan.end).to.equal(1_281n)
  })

  it('a short page leaves its rest to be asked of another peer; a full one of anybody', () => {
    const plan = new BatchQueue(1n, 256, 4)
    plan.reach(256n)
    expect(plan.fill(plan.batches[0] as Batch, pageFor(1n, 100), 'a')).to.equal(true)
    expect(plan.batches.map(({ start, end, state }) => [start, end, state])).to.deep.equal([[1n, 100n, 'awaitingProcessing'], [101n, 256n, 'awaitingDownload']])
    expect([...(plan.batches[1] as Batch).tried]).to.deep.equal(['a'])
    expect(plan.fill(plan.batches[1] as Batch, pageFor(101n, 150, true), 'b')).to.equal(true)
    expect([...(plan.batches[2] as Batch).tried]).to.deep.equal([])
  })

  it('hands on in the order of the chain only', () => {
    const plan = new BatchQueue(1n, 10, 3)
    plan.reach(30n)
    const [first, second] = plan.batches as [Batch, Batch]
    plan.fill(second, pageFor(11n, 10), 'a')
    expect(plan.next).to.equal(undefined)
    plan.fill(first, pageFor(1n, 10), 'b')
    expect(plan.next?.start).to.equal(1n)
  })

  it('a second page for the same batch is not used', () => {
    const plan = new BatchQueue(1n, 10, 3)
    plan.reach(10n)
    const target = plan.batches[0] as Batch
    expect(plan.fill(target, pageFor(1n, 10), 'a')).to.equal(true)
    expect(plan.fill(target, pageFor(1n, 10), 'b')).to.equal(false)
    expect(plan.batches).to.have.length(1)
  })

  it('whatever happens, batches follow each other without a gap from the frontier on', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('reach' as const), by: fc.integer({ min: 0, max: 100 }) }),
      fc.record({ do: fc.constant('fill' as const), at: fc.nat(8), blocks: fc.integer({ min: 0, max: 12 }) }),
      fc.record({ do: fc.constant('advance' as const), by: fc.integer({ min: 0, max: 25 }) }),
      fc.record({ do: fc.constant('shrink' as const), by: fc.integer({ min: 0, max: 50 }) }),
      fc.record({ do: fc.constant('want' as const), at: fc.nat(8) }),
    )
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const plan = new BatchQueue(5n, 10, 6)
      for (const each of steps) {
        if (each.do === 'reach') plan.reach(plan.frontier + BigInt(each.by))
        else if (each.do === 'advance') plan.advance(plan.frontier + BigInt(each.by))
        else if (each.do === 'shrink') plan.shrink(plan.frontier + BigInt(each.by))
        else {
          const target = plan.batches[each.at]
          if (target === undefined) continue
          if (each.do === 'want') plan.requeue(target)
          else plan.fill(target, pageFor(target.start, Math.min(each.blocks, Number(target.end - target.start + 1n))), 'a')
        }
        let at = plan.frontier
        for (const { start, end, state } of plan.batches) {
          expect(start).to.equal(at)
          expect(state).to.not.equal('gone')
          at = end + 1n
        }
        expect(plan.end >= plan.frontier).to.equal(true)
      }
    }))
  })
})

describe('sync: peers', () => {
  const config = syncConfig()
  const sameClient = 'preconfirmation-p2p/0.1.0'
  const all = (): boolean => true

  it('H07 at most 7 of a kind within any window, two at once, counted until a window after their end', () => {
    const book = new SyncPeers(config)
    book.ready('a', 'rust-libp2p')
    const quota = new RequestQuota(defaultRequests)
    const sent: number[] = []
    let now = 0
    while (now < 60_000) {
      const chosen = book.choose('commitments', now, all)
      if (chosen !== undefined && !('readyAt' in chosen)) {
        chosen.asked('commitments', now)
        sent.push(now)
        quota.hold('a', 'commitments', false, now)
        quota.release('a', 'commitments', now + 30, { result: 'answered', ms: 30 })
        chosen.answered('commitments', { ms: 30, places: quota.places('a', 'commitments', false, now + 30) }, 0, now + 30)
        now += 30
      } else {
        now = chosen?.readyAt ?? now + 10
      }
    }
    for (const from of sent) expect(sent.filter(at => at >= from && at < from + 10_000).length).to.be.at.most(7)
    expect(sent.length).to.be.at.least(39)
  })

  it('H27 the choice rotates over equals', () => {
    const book = new SyncPeers(config)
    for (const name of ['a', 'b', 'c']) book.ready(name, sameClient)
    const chosen: string[] = []
    for (let now = 0; now < 600; now += 100) {
      const state = book.choose('head', now, all) as SyncPeerState
      state.asked('head', now)
      state.answered('head', { ms: 5, places: { now: 5, inMs: undefined } }, 0, now + 5)
      chosen.push(state.peer)
    }
    expect(chosen).to.deep.equal(['a', 'b', 'c', 'a', 'b', 'c'])
  })

  it('a peer that failed waits longer each time', () => {
    const book = new SyncPeers(config)
    book.ready('a', sameClient)
    const state = book.get('a') as SyncPeerState
    const waits: number[] = []
    for (let now = 0, round = 0; round < 5; round++) {
      state.asked('head', now)
      state.failed('head', true, now)
      const until = state.readiness('head', now) as number
      waits.push(until - now)
      now = until
    }
    expect(waits).to.deep.equal([1_000, 2_000, 4_000, 8_000, 8_000])
  })

  it('what the driver said last holds: so many more, then none before its time, then one', () => {
    const book = new SyncPeers(config)
    book.ready('a', sameClient)
    const state = book.get('a') as SyncPeerState
    state.asked('commitments', 0)
    state.answered('commitments', { ms: 5, places: { now: 2, inMs: undefined } }, 0, 5)
    state.asked('commitments', 5)
    expect(state.readiness('commitments', 5)).to.equal('now')
    state.asked('commitments', 5)
    expect(state.readiness('commitments', 5)).to.equal('when_answered')
    state.answered('commitments', { ms: 5, places: { now: 0, inMs: 100 } }, 0, 10)
    state.answered('commitments', { ms: 5, places: { now: 0, inMs: 100 } }, 0, 10)
    expect(state.readiness('commitments', 10)).to.equal(110)
    expect(state.readiness('commitments', 110)).to.equal('now')
    state.asked('commitments', 110)
    expect(state.readiness('commitments', 110)).to.equal('when_answered')
    expect(state.readiness('txList', 10)).to.equal('now')
    state.failed('commitments', false, 120)
    expect(state.readiness('commitments', 10_000)).to.equal('now')
  })

  it('H22 departed peers are remembered within a bound, those connected always', () => {
    const book = new SyncPeers(syncConfig({ peers: 10 }))
    for (let at = 0; at < 100; at++) { book.ready(`gone-${at}`, sameClient); book.gone(`gone-${at}`) }
    for (let at = 0; at < 20; at++) book.ready(`here-${at}`, sameClient)
    expect([...book.all()]).to.have.length(20)
    expect(book.size).to.equal(20)
  })
})

describe('sync: where a run heads for', () => {
  const config = syncConfig()
  const never = (): boolean => false

  function bookOf(heads: readonly (bigint | undefined)[]): SyncPeers {
    const book = new SyncPeers(config)
    heads.forEach((head, at) => {
      book.ready(`p${at}`, '')
      const state = book.get(`p${at}`) as SyncPeerState
      if (head !== undefined) state.head = { blockNumber: head, submissionWindowEnd: 0n }
    })
    return book
  }

  it('the highest head', () => { expect(targetOf(bookOf([100n, 300n, undefined, 200n]), 256n, never)).to.deep.equal({ height: 300n, outlier: undefined }) })
  it('none where nobody announces one', () => { expect(targetOf(bookOf([undefined]), 256n, never).height).to.equal(undefined) })
  it('of one that towers above the rest only once it is shown', () => {
    const book = bookOf([100n, 10_000n, 90n])
    expect(targetOf(book, 256n, never)).to.deep.equal({ height: 100n, outlier: book.get('p1') })
    expect(targetOf(book, 256n, () => true)).to.deep.equal({ height: 10_000n, outlier: undefined })
  })

  it('not what a peer could not deliver', () => {
    const book = bookOf([100n, 300n])
    ;(book.get('p1') as SyncPeerState).exhaustedAt = 50n
    expect(targetOf(book, 256n, never).height).to.equal(100n)
  })
})

describe('sync: unheard', () => {
  it('H42 tells of who is ahead at two rounds in a row, and takes it back', () => {
    const unheard = new GossipHealth()
    unheard.ahead('a', 15n)
    unheard.ahead('b', 15n)
    expect(unheard.round()).to.equal(false)
    unheard.ahead('a', 15n)
    expect(unheard.round()).to.equal(true)
    expect(unheard.peers).to.deep.equal(['a'])
    expect(unheard.behind).to.equal(15n)
    unheard.ahead('a', 15n)
    expect(unheard.round()).to.equal(false)
    expect(unheard.round()).to.equal(true)
    expect(unheard.peers).to.deep.equal([])
  })

  it('H42 a liar\'s word does not count', () => {
    const unheard = new GossipHealth()
    for (let round = 0; round < 3; round++) {
      unheard.ahead('liar', 1_000n)
      unheard.dismiss('liar')
      unheard.round()
    }
    expect(unheard.peers).to.deep.equal([])
  })
})

describe('sync: what chain says of a commitment', () => {
  it('is understood in the words of chain', () => {
    expect(isTaken({ ...rows.ACCEPTED, hash: new Uint8Array(32) })).to.equal(true)
    for (const { reason } of [rows.PENDING, rows.ASIDE, rows.misnumbered('misnumbered')!]) expect(standsAside(reason), reason).to.equal(true)
    for (const { reason } of [rows.STORE_BEHIND, rows.FORWARDED_ONLY, rows.STORE_UNAVAILABLE]) expect(waitsForStore(reason), reason).to.equal(true)
    const unjudged = [rows.SCHEDULE_UNKNOWN, rows.BEYOND_HORIZON, rows.NOT_HELD, rows.RULES_FAILED, rows.RULES_OVERLOADED]
    for (const { reason } of unjudged) expect(isUnjudged(reason), reason).to.equal(true)
    for (const { reason } of [rows.ACCEPTED, rows.DUPLICATE]) expect(reasonOfFirst([{ ...rows.ACCEPTED, reason, hash: new Uint8Array(32) }])).to.equal('not_adopted')
  })
})

describe('sync: progress', () => {
  it('the pace is that of the last seconds', () => {
    const pace = new Pace(5_000)
    expect(pace.mark(0n, 0)).to.equal(0)
    expect(pace.mark(1_000n, 1_000)).to.equal(1_000)
    for (let second = 2; second < 20; second++) pace.mark(1_000n + BigInt(second) * 10n, second * 1_000)
    expect(pace.mark(1_200n, 20_000)).to.be.within(9, 11)
  })

  it('what is left, in ms', () => {
    expect(etaMs(1n, 1_000n, 100)).to.equal(10_000)
    expect(etaMs(1_001n, 1_000n, 100)).to.equal(0)
    expect(etaMs(1n, 1_000n, 0)).to.equal(undefined)
  })
})

describe('sync: options', () => {
  it('H28 one that cannot be is an error with its value', () => {
    expect(() => syncConfig({ pageSize: 300 })).to.throw(SyncError).that.includes({ code: 'bad_config', value: 300, limit: 256 })
    for (const wrong of [0, -1, NaN, Infinity]) expect(() => syncConfig({ lateAfter: wrong })).to.throw(SyncError).that.includes({ code: 'bad_config' })
  })
})
