import { expect } from 'chai'
import { hours, minutes, seconds } from '../../src/actors/kernel/index.js'
import { ReputationError, spec, specRules } from '../../src/actors/reputation/index.js'
import type { ReputationOptions } from '../../src/actors/reputation/index.js'
import { Ticking, alice, bob, mallory, peerId } from './support.js'

describe('reputation: the rules (SPEC §8)', () => {
  const table: readonly [rule: string, what: (now: Ticking) => unknown, reputation: number][] = [
    ['an unknown peer is neutral', () => undefined, 0],
    ['−1 a failure', now => now.report(mallory, 'failure'), -1],
    ['at most −4 within 10 s', now => now.report(mallory, 'failure', 9), -4],
    ['… wherever the ten seconds begin', now => now.pass(seconds(9)).report(mallory, 'failure', 9).pass(seconds(2)).report(mallory, 'failure', 9), -3.6],
    ['… and −4 again after them', now => now.report(mallory, 'failure', 9).pass(seconds(10)).report(mallory, 'failure', 9), -7.6],
    ['+0.05 an acceptance', now => now.report(mallory, 'accepted'), 0.05],
    ['at most +1 within 10 s', now => now.report(mallory, 'accepted', 100), 1],
    ['one cap does not touch the other', now => now.report(mallory, 'accepted', 100).report(mallory, 'failure', 9), -3],
    ['×0.9 every 10 s', now => now.report(mallory, 'failure').pass(seconds(20)), -0.81],
    ['never below −10', now => { for (let k = 0; k < 9; k++) now.report(mallory, 'failure', 9).pass(seconds(10)); now.report(mallory, 'failure', 9) }, -10],
    ['never above +10', now => { for (let k = 0; k < 99; k++) now.report(mallory, 'accepted', 99).pass(seconds(10)) }, 9],
    ['what decays is forgotten in the end', now => now.report(mallory, 'failure', 9).pass(minutes(8)), 0],
  ]
  for (const [rule, what, reputation] of table) {
    it(rule, () => {
      const now = new Ticking()
      what(now)
      expect(now.reputation(mallory)).equal(reputation)
    })
  }

  it('H27: at −1 and below a peer is not chosen for requests; above it is', () => {
    const now = new Ticking()
    expect(now.book.mayAsk(mallory)).equal(true)
    now.report(mallory, 'failure')
    expect(now.book.mayAsk(mallory)).equal(false)
    now.pass(seconds(10))
    expect(now.book.mayAsk(mallory)).equal(true)
  })

  it('H27: a banned peer is not asked, whatever its score', () => {
    const now = new Ticking()
    now.book.ban(mallory, undefined, 'operator', now.now)
    expect([now.book.appScore(mallory), now.book.mayAsk(mallory)]).deep.equal([0, false])
  })

  it('at −2 and below a peer is greylisted, and that is told once each time', () => {
    const now = new Ticking().report(mallory, 'failure')
    expect(now.book.greylisted(mallory)).equal(false)
    now.report(mallory, 'failure', 2)
    expect(now.book.greylisted(mallory)).equal(true)
    expect(now.said('greylisted')).deep.equal([{ type: 'greylisted', peer: mallory, reputation: -2 }])
    now.pass(minutes(2))
    expect(now.book.greylisted(mallory)).equal(false)
    now.report(mallory, 'failure', 4)
    expect(now.said('greylisted').length).equal(2)
  })

  it('H06: at or below −5 for 30 s is no ban yet; for more it is', () => {
    const now = new Ticking()
    now.gossip.set(mallory, -5)
    now.pass(seconds(40)) // samples at 10, 20, 30, 40: thirty seconds from the first to the last
    expect(now.said('banned')).deep.equal([])
    now.pass(seconds(10))
    expect(now.said('banned')).deep.equal([{ type: 'banned', peer: mallory, forMs: hours(1), reason: 'score' }])
  })

  it('H06: one sample above −5 and the time begins anew', () => {
    const now = new Ticking()
    now.gossip.set(mallory, -9)
    now.pass(seconds(40))
    now.gossip.set(mallory, -4.9)
    now.pass(seconds(10))
    now.gossip.set(mallory, -9)
    now.pass(seconds(40))
    expect(now.said('banned')).deep.equal([])
  })

  it('H06: one who leaves before the time is over does not begin anew when it returns', () => {
    const now = new Ticking()
    now.gossip.set(mallory, -9)
    now.pass(seconds(40))
    now.gossip.clear()
    now.pass(minutes(5))
    expect(now.said('banned')).deep.equal([])
    now.gossip.set(mallory, -9)
    now.pass(seconds(10))
    expect(now.said('banned').length).equal(1)
  })

  it('H06: a reputation that fell and recovers is no part of a later breach', () => {
    const now = new Ticking()
    for (let time = 0; time < 6; time++) {
      now.report(mallory, 'failure', 4).pass(seconds(10)).report(mallory, 'failure', 4).pass(minutes(4))
    }
    expect(now.said('banned')).deep.equal([])
  })

  it('what counts for a ban is the lower of reputation and gossip score', () => {
    const [bad, good] = [new Ticking(), new Ticking()]
    bad.gossip.set(mallory, 15)
    good.gossip.set(mallory, -6)
    for (let k = 0; k < 9; k++) {
      bad.report(mallory, 'failure', 4).pass(seconds(10))
      good.report(mallory, 'accepted', 20).pass(seconds(10))
    }
    expect(bad.said('banned').length + good.said('banned').length).equal(2)
    expect(good.book.score(mallory)).equal(-6)
  })

  it('a ban ends by itself, and the peer begins anew', () => {
    const now = new Ticking()
    for (let k = 0; k < 9; k++) now.report(mallory, 'failure', 4).pass(seconds(10))
    expect(now.book.refuses({ direction: 'inbound', peer: mallory })).equal('banned')
    expect(now.book.refuses({ direction: 'outbound', peer: mallory })).equal('banned')
    now.report(mallory, 'failure', 4).pass(hours(1))
    expect(now.said('banLifted')).deep.equal([{ type: 'banLifted', peer: mallory, why: 'expired' }])
    expect(now.book.refuses({ direction: 'inbound', peer: mallory })).equal(undefined)
    expect([now.reputation(mallory), now.book.mayAsk(mallory)]).deep.equal([0, true])
  })

  it('a ban that is lifted leaves nothing either', () => {
    const now = new Ticking()
    now.gossip.set(mallory, -9)
    now.report(mallory, 'failure', 4).pass(seconds(50))
    expect(now.book.lift(mallory)).deep.equal([{ type: 'banLifted', peer: mallory, why: 'lifted' }])
    expect(now.book.lift(mallory)).deep.equal([])
    expect(now.book.standing(mallory)).deep.equal({ peer: mallory, reputation: 0, gossipScore: 0, protected: false, ban: undefined })
  })

  it('a ban lasts no longer because the clock is set back', () => {
    const now = new Ticking()
    now.book.ban(mallory, hours(1), 'operator', hours(1_000))
    now.book.tick(0, hours(500))
    expect(now.book.bans()[0]!.until).equal(hours(501))
  })

  it('static and protected peers are never banned for their score; the operator may ban them', () => {
    const now = new Ticking({ staticPeers: [alice], protected: [bob] })
    for (const peer of [alice, bob, mallory]) now.gossip.set(peer, -20)
    for (let k = 0; k < 99; k++) now.report(alice, 'failure', 9).report(bob, 'failure', 9).pass(seconds(10))
    expect(now.book.bans().map(({ peer }) => peer)).deep.equal([mallory])
    now.book.ban(alice, undefined, 'moved away', now.now)
    expect(now.book.refuses({ direction: 'outbound', peer: alice })).equal('banned')
  })

  it('who is protected while banned for score is free at once', () => {
    const now = new Ticking()
    now.gossip.set(mallory, -9)
    now.pass(seconds(50))
    expect(now.book.protect(mallory)).deep.equal([{ type: 'banLifted', peer: mallory, why: 'lifted' }])
    expect(now.book.refuses({ direction: 'inbound', peer: mallory })).equal(undefined)
  })

  it('H22: records are bounded; who is neither good nor bad is forgotten first', () => {
    const now = new Ticking({ maxRecords: 50 })
    now.report(mallory, 'failure', 4).report(alice, 'accepted', 20)
    for (let k = 0; k < 500; k++) now.report(peerId(`passer ${k}`), k % 2 === 0 ? 'accepted' : 'failure')
    expect([now.reputation(mallory), now.book.standings().length]).deep.equal([-4, 50])
  })

  it('H22: bans are bounded; the ban for score that ends first gives way, never the operator\'s', () => {
    const now = new Ticking({ maxBans: 3 })
    now.gossip.set(mallory, -9)
    now.pass(seconds(50))
    for (const peer of [alice, bob]) now.book.ban(peer, hours(9), 'operator', now.now)
    const { changes } = now.book.ban(peerId('fourth'), undefined, 'operator', now.now)
    expect(changes.map(({ type, peer }) => [type, peer])).deep.equal([['banLifted', mallory], ['banned', peerId('fourth')]])
    expect(() => now.book.ban(peerId('fifth'), undefined, 'operator', now.now)).to.throw(ReputationError).include({ code: 'too_many_bans', limit: 3 })
  })

  it('tells all peers with a record, the worst first', () => {
    const now = new Ticking().report(alice, 'accepted').report(mallory, 'failure', 3).report(bob, 'failure')
    expect(now.book.standings().map(({ peer }) => peer)).deep.equal([mallory, bob, alice])
  })
})

describe('reputation: options', () => {
  it('are the weights of SPEC §8, changed field by field', () => {
    expect(spec()).include(specRules)
    expect(spec({ banForMs: 5, decay: undefined as unknown as number })).include({ ...specRules, banForMs: 5 })
    const now = new Ticking({ failure: 2, failuresPerWindow: 3 }).report(mallory, 'failure', 2)
    expect(now.reputation(mallory)).equal(-3)
  })

  const bad: readonly [ReputationOptions, unknown][] = [
    [{ decay: 1 }, 1], [{ decay: 0 }, 0], [{ failure: -1 }, -1], [{ acceptance: NaN }, NaN], [{ failuresPerWindow: 0.5 }, 0.5],
    [{ notAskedAt: 0 }, 0], [{ greylistAt: -0.5 }, -0.5], [{ banAt: -1 }, -1], [{ banAt: -11 }, -11], [{ tickMs: 0 }, 0],
    [{ banForMs: Infinity }, Infinity], [{ maxRecords: 1.5 }, 1.5], [{ maxBans: 0 }, 0], [{ most: '10' as unknown as number }, '10'],
    [{ backend: 'geth' as 'reth' }, 'geth'],
  ]
  for (const [options, value] of bad) {
    it(`bad_config: ${Object.keys(options)[0]} ${String(value)}`, () => {
      let thrown: unknown
      try { spec(options) } catch (error) { thrown = error }
      expect(thrown).instanceof(ReputationError).include({ code: 'bad_config' })
      expect((thrown as ReputationError).value).deep.equal(value)
    })
  }

  for (const forMs of [0, -1, NaN, Infinity]) {
    it(`bad_duration: a ban for ${forMs} ms`, () => {
      expect(() => new Ticking().book.ban(mallory, forMs, 'operator', 0)).to.throw(ReputationError).include({ code: 'bad_duration' })
    })
  }
})
