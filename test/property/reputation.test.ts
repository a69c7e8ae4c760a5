import { expect } from 'chai'
import fc from 'fast-check'
import { minutes, seconds } from '../../src/actors/kernel/index.js'
import type { Outcome } from '../../src/actors/reputation/index.js'
import type { Kept, Section } from '../../src/actors/reputation/book.js'
import { decode, encode } from '../../src/actors/reputation/saved.js'
import { Ticking, alice, bob, mallory, peerId, trent } from '../reputation/support.js'
import { samples } from '../support/samples.js'

/** Small, so that a run costs little. */
const SMALL = { maxRecords: 64, maxKeys: 64 }
/** When the first tick comes after the start of what is watched. */
const phase = fc.integer({ min: 1, max: 10_000 })
/** What a peer had earned before, between neutral and the best. */
const earlier = fc.double({ min: 0, max: 10, noNaN: true })

function from(reputation: number, firstTick: number): Ticking {
  const now = new Ticking(SMALL, firstTick)
  const { bans, lists } = now.book.kept(0)
  now.book.restore({ bans, lists, scores: { at: 0, scores: [{ key: mallory, peer: mallory, reputation }] } }, 0)
  return now
}

describe('property: reputation', () => {
  describe('H06: no honest behaviour is banned', () => {
    /**
     * Requests to an honest peer (SPEC §8, §10): it is asked only while it may be, at most 7 are under way at a time (2 pages, 4 txlists
     * and a head, as sync asks), each is over within 15 s. Which of them fail, and when, chance decides: all, for as long as it likes.
     */
    const request = fc.record({ pauseMs: fc.nat(2_000), takesMs: fc.integer({ min: 1, max: 15_000 }), fails: fc.boolean() })
    const behaviour = fc.oneof(
      fc.array(request, { maxLength: 400, size: 'max' }),
      // a loss of contact: everything fails at its deadline
      fc.array(fc.record({ pauseMs: fc.nat(500), takesMs: fc.integer({ min: 9_000, max: 15_000 }), fails: fc.constant(true) }), { maxLength: 400, size: 'max' }),
    )

    const ask = (now: Ticking, requests: readonly { readonly pauseMs: number; readonly takesMs: number; readonly fails: boolean }[]): void => {
      let underWay: { readonly endsAt: number; readonly outcome: Outcome }[] = []
      const passTo = (at: number): void => {
        for (const { endsAt, outcome } of underWay.filter(each => each.endsAt <= at).sort((a, b) => a.endsAt - b.endsAt)) {
          now.pass(endsAt - now.now).report(mallory, outcome)
        }
        underWay = underWay.filter(({ endsAt }) => endsAt > at)
        now.pass(at - now.now)
      }
      for (const { pauseMs, takesMs, fails } of requests) {
        passTo(now.now + pauseMs)
        while (!now.book.mayAsk(mallory) || underWay.length >= 7) passTo(now.now + 500)
        underWay.push({ endsAt: now.now + takesMs, outcome: fails ? 'failure' : 'accepted' })
      }
      passTo(now.now + minutes(2))
    }

    it('a peer that is asked as SPEC §8 says, and fails as often as it may', () => {
      fc.assert(fc.property(phase, fc.double({ min: -1, minExcluded: true, max: 10, noNaN: true }), behaviour, (firstTick, reputation, requests) => {
        const now = from(reputation, firstTick)
        ask(now, requests)
        expect(now.said('banned')).deep.equal([])
      }), { numRuns: samples(150) })
    })

    it('seven failures after the last moment at which a peer could be asked, however they fall within 15 s and between the ticks', () => {
      const splits = [0, 1, 2, 3, 4].flatMap(a => [0, 1, 2, 3, 4].flatMap(b => [0, 1, 2, 3, 4].map(c => [a, b, c, 7 - a - b - c] as const)))
      for (const split of splits.filter(([, , , last]) => last >= 0 && last <= 4)) {
        for (const reputation of [-0.999, -0.9, -0.5, 0]) {
          const now = from(reputation, 2)
          for (const [index, at] of [1, 3, 10_001, 10_003].entries()) now.pass(at - now.now).report(mallory, 'failure', split[index])
          now.pass(minutes(2))
          expect(now.said('banned'), `${reputation}, ${split.join('+')}`).deep.equal([])
        }
      }
    })

    it('a peer in good standing of whom contact is lost while any number of requests is under way', () => {
      const failures = fc.array(fc.nat(15_000), { maxLength: 40, size: 'max' })
      const before = fc.double({ min: -0.25, max: 10, noNaN: true })
      fc.assert(fc.property(phase, before, fc.array(failures, { minLength: 1, maxLength: 4 }), (firstTick, reputation, losses) => {
        const now = from(reputation, firstTick)
        for (const loss of losses) {
          const start = now.now
          for (const at of loss.toSorted((a, b) => a - b)) now.pass(start + at - now.now).report(mallory, 'failure')
          now.pass(minutes(8)) // it is quiet, and then all is well again
        }
        expect(now.said('banned')).deep.equal([])
      }), { numRuns: samples(300) })
    })

    it('a peer whose gossip score is never at −5 or below for more than 30 s', () => {
      const stretch = fc.record({ samples: fc.integer({ min: 1, max: 4 }), bad: fc.double({ min: -100, max: -5, noNaN: true }), good: fc.double({ min: -4.99, max: 50, noNaN: true }) })
      fc.assert(fc.property(fc.array(stretch, { maxLength: 30, size: 'max' }), stretches => {
        const now = new Ticking(SMALL)
        for (const { samples, bad, good } of stretches) {
          now.gossip.set(mallory, bad)
          now.pass(samples * seconds(10))
          now.gossip.set(mallory, good)
          now.pass(seconds(10))
        }
        expect(now.said('banned')).deep.equal([])
      }), { numRuns: samples(200) })
    })
  })

  describe('any sustained attack is banned within a stated time (docs/reputation.md)', () => {
    /** Failures no further apart than this; what else it does, and what it was before, is its own choice. */
    const attack = (failuresPer10s: number, others: fc.Arbitrary<number>, before: fc.Arbitrary<number>, within: number) => {
      const apart = Math.floor(10_000 / failuresPer10s)
      const steps = fc.array(fc.record({ afterMs: fc.integer({ min: 1, max: apart }), accepted: others }), { minLength: 400, maxLength: 400 })
      fc.assert(fc.property(phase, before, steps, (firstTick, reputation, moves) => {
        const now = from(reputation, firstTick)
        for (let turn = 0; now.now < within && now.said('banned').length === 0; turn++) {
          const { afterMs, accepted } = moves[turn % moves.length]!
          now.report(mallory, 'failure').report(mallory, 'accepted', accepted).pass(afterMs)
        }
        expect(now.said('banned').map(({ peer }) => peer), `after ${now.now} ms`).deep.equal([mallory])
      }), { numRuns: 60 })
    }

    it('four failures in any 10 s, by a stranger: 80 s', () => attack(4, fc.constant(0), fc.constant(0), seconds(80)))
    it('four failures in any 10 s, whatever else it does and did: 120 s', () => attack(4, fc.nat(5), earlier, seconds(120)))
    it('two failures in any 10 s, whatever else it does and did: 220 s', () => attack(2, fc.nat(9), earlier, seconds(220)))
    it('one failure in any 10 s and nothing else, whatever it did: 210 s', () => attack(1, fc.constant(0), earlier, seconds(210)))

    it('a gossip score of −5 or below: 60 s', () => {
      fc.assert(fc.property(phase, earlier, fc.array(fc.double({ min: -1_000, max: -5, noNaN: true }), { minLength: 6, maxLength: 6 }), (firstTick, reputation, scores) => {
        const now = from(reputation, firstTick)
        for (const score of scores) {
          now.gossip.set(mallory, score)
          now.pass(seconds(10))
        }
        expect(now.said('banned').length).equal(1)
      }), { numRuns: samples(100) })
    })
  })

  describe('whatever happens', () => {
    const peers = [alice, bob, mallory, trent, ...Array.from({ length: 8 }, (_, k) => peerId(`peer ${k}`))]
    const peer = fc.constantFrom(...peers)
    const rule = fc.oneof(peer, fc.constantFrom('10.0.0.0/8', '1.2.3.4', '2001:db8::/32', '::ffff:10.0.0.1'))
    const step = fc.oneof(
      fc.record({ do: fc.constant('report' as const), peer, outcome: fc.constantFrom<Outcome>('accepted', 'failure'), times: fc.integer({ min: 1, max: 9 }) }),
      fc.record({ do: fc.constant('gossip' as const), scores: fc.array(fc.tuple(peer, fc.double({ min: -20, max: 20, noNaN: true })), { maxLength: 6 }) }),
      fc.record({ do: fc.constant('learned' as const), peer, key: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ do: fc.constant('ban' as const), peer, forMs: fc.integer({ min: 1, max: 600_000 }) }),
      fc.record({ do: fc.constantFrom('lift' as const, 'protect' as const, 'unprotect' as const), peer }),
      fc.record({ do: fc.constantFrom('block' as const, 'unblock' as const), rule }),
      fc.record({ do: fc.constant('pass' as const), ms: fc.nat(120_000) }),
    )
    type Step = typeof step extends fc.Arbitrary<infer T> ? T : never
    const life = (now: Ticking, steps: readonly Step[]): void => {
      for (const each of steps) {
        switch (each.do) {
          case 'report': now.report(each.peer, each.outcome, each.times); break
          case 'gossip': for (const [peer, score] of each.scores) now.gossip.set(peer, score); break
          case 'learned': now.changes.push(...now.book.learned(each.peer, new Uint8Array(64).fill(each.key), now.now)); break
          case 'ban': {
            try { now.changes.push(...now.book.ban(each.peer, each.forMs, 'operator', now.now).changes) } catch (error) {
              expect(error).include({ code: 'too_many_bans' })
            }
            break
          }
          case 'lift': now.changes.push(...now.book.lift(each.peer)); break
          case 'protect': now.changes.push(...now.book.protect(each.peer)); break
          case 'unprotect': now.book.unprotect(each.peer); break
          case 'block': now.book.block(each.rule); break
          case 'unblock': now.book.unblock(each.rule); break
          case 'pass': now.pass(each.ms); break
        }
      }
    }
    const backend = fc.constantFrom('local' as const, 'reth' as const)
    const addresses = ['/ip4/10.0.0.1/tcp/1', '/ip6/::ffff:10.0.0.1/tcp/1', '/ip4/1.2.3.4/tcp/1', '/ip6/2001:db8::1/tcp/1', '/memory/1']

    it('what is asked at once agrees with what is told, and all stays within its bounds', () => {
      fc.assert(fc.property(backend, fc.array(step, { maxLength: 120, size: 'max' }), (backend, steps) => {
        const now = new Ticking({ ...SMALL, backend, maxBans: 6, maxRecords: 8 })
        life(now, steps)
        const { book } = now
        const lists = book.lists()
        for (const each of peers) {
          const { reputation, ban, protected: isProtected } = book.standing(each)
          const question = { direction: 'outbound', peer: each } as const
          expect(book.appScore(each)).equal(reputation).within(-10, 10)
          expect(book.mayAsk(each)).equal(reputation > -1 && ban === undefined)
          expect(book.greylisted(each)).equal(reputation <= -2)
          expect(book.isProtected(each)).equal(isProtected).equal(lists.protected.includes(each))
          expect(book.refuses(question)).equal(ban !== undefined ? 'banned' : lists.blocked.includes(each) ? 'blocked_peer' : undefined)
          if (isProtected) expect(ban?.reason).not.equal('score')
          expect(book.score(each)).at.most(reputation)
        }
        expect(book.kept(now.now).scores.scores.length).at.most(8)
        expect(book.kept(now.now).bans.length).at.most(6)
      }), { numRuns: samples(300) })
    })

    it('each ban that is told is over before it is told again, and what stands is what was told', () => {
      fc.assert(fc.property(fc.array(step.filter(each => each.do !== 'ban' && each.do !== 'learned'), { maxLength: 120, size: 'max' }), steps => {
        const now = new Ticking(SMALL)
        life(now, steps)
        const stands = new Set<string>()
        for (const change of now.changes) {
          if (change.type === 'banned') { expect(stands.has(change.peer)).equal(false); stands.add(change.peer) }
          if (change.type === 'banLifted') expect(stands.delete(change.peer)).equal(true)
        }
        expect(now.book.bans().map(({ peer }) => peer)).members([...stands])
      }), { numRuns: samples(200) })
    })

    it('H23: what is written and read again stands as before', () => {
      fc.assert(fc.property(backend, fc.array(step, { maxLength: 120, size: 'max' }), (backend, steps) => {
        const config = { ...SMALL, backend, blocked: ['192.0.2.0/24'] }
        const now = new Ticking(config)
        life(now, steps)
        now.pass(seconds(10) - now.now % seconds(10)) // what is over has ended
        const kept = now.book.kept(now.now)
        const reread = <S extends Section>(section: S): Kept[S] => {
          const { value, lost } = decode(section, encode(section, kept))
          expect(lost).equal(0)
          return value
        }
        const again = new Ticking(config)
        const { changes, lost } = again.book.restore({ bans: reread('bans'), lists: reread('lists'), scores: reread('scores') }, now.now)
        expect([changes, lost]).deep.equal([[], []])

        expect(again.book.bans()).have.deep.members([...now.book.bans()])
        expect(again.book.lists().blocked).members([...now.book.lists().blocked])
        expect(again.book.lists().protected).members([...now.book.lists().protected])
        for (const each of peers) {
          if (backend === 'local') expect(again.reputation(each)).closeTo(now.reputation(each), 0.05)
          expect(again.book.refuses({ direction: 'inbound', peer: each }) ?? 'free').equal(now.book.refuses({ direction: 'inbound', peer: each }) ?? 'free')
        }
        for (const address of addresses) {
          expect(again.book.refuses({ direction: 'inbound', address })).equal(now.book.refuses({ direction: 'inbound', address }))
        }
      }), { numRuns: samples(200) })
    })

    it('H14: any text in the store gives what can be read of it, and never throws', () => {
      const text = fc.oneof(fc.string(), fc.json(), fc.json().map(json => `{"version":1,"at":0,"bans":${json},"blocked":${json},"protected":${json},"scores":${json}}`))
      fc.assert(fc.property(fc.constantFrom<Section>('bans', 'lists', 'scores'), text, (section, text) => {
        const { value } = decode(section, text)
        expect(() => encode(section, { ...new Ticking(SMALL).book.kept(0), [section]: value })).not.to.throw()
      }), { numRuns: samples(300) })
    })
  })
})
