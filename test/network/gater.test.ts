import { expect } from 'chai'
import fc from 'fast-check'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import { Gater } from '../../src/actors/network/connections/gater.js'
import type { GateQuestion } from '../../src/actors/network/connections/gater.js'
import { NetworkError, defaultConnections, defaultRedial, gaterPresets, networkConfig, neutralStanding } from '../../src/actors/network/index.js'
import type { GaterRules } from '../../src/actors/network/index.js'
import { MAX_REFUSED_PEERS, RefusedPeers } from '../../src/actors/network/connections/refused-peers.js'

const NONE = { inbound: 0, outbound: 0, of: () => 0, from: () => 0 }

function setUp({ rules = {}, counts = NONE, ...overrides }: Partial<Omit<ConstructorParameters<typeof Gater>[0], 'rules'>> & { rules?: Partial<GaterRules> } = {}) {
  const clock = new ManualClock()
  const denied: Record<string, number> = {}
  const gater = new Gater({
    clock, counts, denied, rules: { ...gaterPresets.recommended, ...rules }, limits: defaultConnections, standing: neutralStanding, gate: undefined,
    isStatic: () => false, exemptSubnets: [], ...overrides,
  })
  return { clock, denied, gater }
}

describe('network: gater', () => {
  it('H17: every hook of libp2p asks the same predicate, with all that is known by then', () => {
    const asked: GateQuestion[] = []
    const { denied, gater } = setUp({ gate: question => { asked.push(question); return 'no' } })
    const peer = { toString: () => 'p' }
    const address = { toString: () => '/ip4/10.0.0.1/tcp/1/p2p/p' }
    const wire = { remoteAddr: address }
    const answers = Object.entries(gater.hooks())
      .filter(([name]) => name.startsWith('deny'))
      .map(([name, hook]) => (hook as (...args: unknown[]) => boolean)(...(
        name === 'denyDialPeer' ? [peer] : name === 'denyDialMultiaddr' ? [address] : name === 'denyInboundConnection' ? [wire] : [peer, wire])))
    expect(answers).to.deep.equal(Array(8).fill(true))
    expect(denied).to.deep.equal({ no: 8 })
    const text = address.toString()
    expect(asked).to.deep.equal([
      { direction: 'outbound', peer: 'p', address: undefined },
      { direction: 'outbound', peer: undefined, address: text },
      { direction: 'outbound', peer: 'p', address: text },
      { direction: 'outbound', peer: 'p', address: text },
      { direction: 'outbound', peer: 'p', address: text },
      { direction: 'inbound', peer: undefined, address: text },
      { direction: 'inbound', peer: 'p', address: text },
      { direction: 'inbound', peer: 'p', address: text },
    ])
  })

  /** Each rule: what it speaks against, with which reason. */
  const cases: ReadonlyArray<{ rule: keyof GaterRules; reason: string; attempt: (rules: Partial<GaterRules>) => string | undefined }> = [
    { rule: 'peerId', reason: 'no_peer_id', attempt: rules => setUp({ rules }).gater.beginDial(undefined) },
    {
      rule: 'alreadyDialling', reason: 'already_dialling',
      attempt: rules => {
        const { gater } = setUp({ rules })
        gater.beginDial('p')
        return gater.beginDial('p')
      },
    },
    {
      rule: 'redialLimit', reason: 'redial_limit',
      attempt: rules => {
        const { gater } = setUp({ rules: { ...rules, redials: 3 } })
        for (let i = 0; i < 3; i++) { gater.beginDial('p'); gater.endDial('p') }
        return gater.beginDial('p')
      },
    },
    {
      rule: 'lists', reason: 'banned',
      attempt: rules => setUp({ rules, standing: { ...neutralStanding, refuses: ({ peer }) => peer === 'p' ? 'banned' : undefined } }).gater.ask({ direction: 'inbound', peer: 'p' }),
    },
    { rule: 'limits', reason: 'too_many_inbound', attempt: rules => setUp({ rules, counts: { inbound: 110, outbound: 0, of: () => 0, from: () => 0 } }).gater.ask({ direction: 'inbound' }) },
  ]

  for (const { attempt, reason, rule } of cases) {
    it(`rule ${rule}: ${reason}; off, alone, it says nothing`, () => {
      expect(attempt({})).to.equal(reason)
      expect(attempt({ [rule]: false })).to.equal(undefined)
      for (const other of cases) if (other.rule !== rule) expect(attempt({ [other.rule]: false }), `without ${other.rule}`).to.equal(reason)
      expect(attempt(gaterPresets.open)).to.equal(undefined)
    })
  }

  it('knows the limits of SPEC §8', () => {
    const ask = (counts: { readonly inbound: number; readonly outbound: number; readonly of: () => number; readonly from: () => number }, question: GateQuestion) => setUp({ counts }).gater.ask(question)
    expect(ask({ inbound: 110, outbound: 0, of: () => 0, from: () => 0 }, { direction: 'outbound' })).to.equal(undefined)
    expect(ask({ inbound: 0, outbound: 110, of: () => 0, from: () => 0 }, { direction: 'outbound' })).to.equal('too_many_outbound')
    expect(ask({ inbound: 110, outbound: 110, of: () => 0, from: () => 0 }, { direction: 'outbound' })).to.equal('too_many_connections')
    expect(ask({ inbound: 4, outbound: 0, of: () => 4, from: () => 0 }, { direction: 'inbound', peer: 'p' })).to.equal('too_many_of_peer')
    const { gater, denied } = setUp()
    for (let i = 0; i < 40; i++) expect(gater.beginDial(`p${i}`)).to.equal(undefined)
    expect(gater.beginDial('p40')).to.equal('too_many_dials')
    expect(denied).to.deep.equal({ too_many_dials: 1 })
  })

  it('notices that a connection is one too many only when it has opened', () => {
    const counts = { inbound: 110, outbound: 0, of: () => 1, from: () => 0 }
    const { denied, gater } = setUp({ counts })
    expect(gater.isOver('inbound', 'p', '/memory/a')).to.equal(false)
    counts.inbound = 111
    expect(gater.isOver('inbound', 'p', '/memory/a')).to.equal(true)
    expect(gater.isOver('outbound', 'p', '/memory/a')).to.equal(false)
    expect(denied).to.deep.equal({ too_many_inbound: 1 })
    expect(setUp({ counts, rules: { limits: false } }).gater.isOver('inbound', 'p', '/memory/a')).to.equal(false)
  })

  it('H71: eight inbound of an address, thirty-two of its subnet; static, protected and exempt ones come in all the same', () => {
    const from = (counts: Readonly<Record<string, number>>, overrides: object = {}) => setUp({ counts: { ...NONE, from: (origin: string) => counts[origin] ?? 0 }, ...overrides }).gater
    const question = { direction: 'inbound', peer: 'p', address: '/ip4/10.0.0.1/tcp/1' } as const
    expect(from({ '10.0.0.1': 7, '10.0.0.0/24': 31 }).ask(question)).to.equal(undefined)
    expect(from({ '10.0.0.1': 8 }).ask(question)).to.equal('too_many_of_address')
    expect(from({ '10.0.0.0/24': 32 }).ask(question)).to.equal('too_many_of_subnet')
    expect(from({ '2001:db8:0:0::/64': 8 }).ask({ ...question, address: '/ip6/2001:db8::7/tcp/1' })).to.equal('too_many_of_address')
    // nobody is known to be behind it yet; and our own choice
    expect(from({ '10.0.0.1': 8 }).ask({ ...question, peer: undefined })).to.equal(undefined)
    expect(from({ '10.0.0.1': 8 }).ask({ ...question, direction: 'outbound' })).to.equal(undefined)
    expect(from({ '10.0.0.1': 8 }, { isStatic: () => true }).ask(question)).to.equal(undefined)
    expect(from({ '10.0.0.1': 8 }, { exemptSubnets: ['10.0.0.0/8'] }).ask(question)).to.equal(undefined)
    expect(from({ '10.0.0.1': 8 }, { rules: { limits: false } }).ask(question)).to.equal(undefined)
    // it counts itself by then
    expect(from({ '10.0.0.1': 8 }).isOver('inbound', 'p', question.address)).to.equal(false)
    expect(from({ '10.0.0.1': 9 }).isOver('inbound', 'p', question.address)).to.equal(true)
  })

  it('protected and static peers skip the redial limit, and no other rule', () => {
    const { gater } = setUp({
      rules: { redials: 1 }, isStatic: peer => peer === 'static', standing: { ...neutralStanding, isProtected: peer => peer === 'protected' },
    })
    for (const peer of ['static', 'protected']) {
      for (let i = 0; i < 5; i++) { expect(gater.beginDial(peer)).to.equal(undefined); gater.endDial(peer) }
      gater.beginDial(peer)
      expect(gater.beginDial(peer)).to.equal('already_dialling')
    }
    const listed = setUp({ standing: { ...neutralStanding, isProtected: () => true, refuses: () => 'blocked' } })
    expect(listed.gater.beginDial('p')).to.equal('blocked')
  })

  it('lets a peer be dialled again when the period is over, and forgets it', () => {
    const { clock, gater } = setUp()
    for (let i = 0; i < 32; i++) { expect(gater.beginDial('p')).to.equal(undefined); gater.endDial('p') }
    expect(gater.beginDial('p')).to.equal('redial_limit')
    clock.advance(600_000)
    gater.sweep()
    expect(gater.beginDial('p')).to.equal(undefined)
  })

  it('H29: the redial limit leaves room for the backoff of a static peer, at any jitter', () => {
    fc.assert(fc.property(fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })), chances => {
      const { clock, gater } = setUp()
      for (let failures = 0, at = 0; at < 1_800_000; failures++) {
        if (gater.beginDial('p') !== undefined) return false
        gater.endDial('p')
        const full = Math.min(defaultRedial.maxMs, defaultRedial.firstMs * defaultRedial.factor ** failures)
        const delay = full * (1 - defaultRedial.jitter * chances.next().value)
        clock.advance(delay)
        at += delay
      }
      return true
    }), { numRuns: 50 })
  })

  it('keeps who was pruned out while there is little room', () => {
    const counts = { inbound: 99, outbound: 0, of: () => 0, from: () => 0 }
    const { clock, gater } = setUp({ counts })
    gater.pruned('p')
    expect(gater.ask({ direction: 'inbound', peer: 'p' })).to.equal('pruned_recently')
    expect(gater.ask({ direction: 'inbound', peer: 'q' })).to.equal(undefined)
    counts.inbound = 98
    expect(gater.ask({ direction: 'inbound', peer: 'p' })).to.equal(undefined)
    counts.inbound = 99
    clock.advance(600_000)
    expect(gater.ask({ direction: 'inbound', peer: 'p' })).to.equal(undefined)
  })

  it('is configured by preset or rule by rule, and refuses what is no rule', () => {
    expect(networkConfig().gater).to.deep.equal(gaterPresets.recommended)
    expect(networkConfig({ gater: 'open' }).gater).to.deep.equal(gaterPresets.open)
    expect(networkConfig({ gater: { redialLimit: false } }).gater).to.deep.equal({ ...gaterPresets.recommended, redialLimit: false })
    for (const gater of [{ redials: 0 }, { lists: 'yes' }, { nothing: true }, 'strict']) {
      expect(() => networkConfig({ gater: gater as never }), JSON.stringify(gater)).to.throw(NetworkError).with.property('code', 'bad_config')
    }
  })
})

describe('network: refusals', () => {
  it('H41: outlive a restart by the wall clock, whatever the monotonic one says', () => {
    const refusals = new RefusedPeers(7_200_000)
    refusals.add('p', '/memory/p', 1_000)
    refusals.add('q', '/memory/q', 5_000)
    const text = refusals.text(5_000, 1_800_000_000_000)
    const after = new RefusedPeers(7_200_000)
    after.restore(text, 50, 1_800_003_600_000)
    expect(after.until('p', 50)).to.equal(50 + 7_200_000 - 3_600_000 - 4_000)
    expect(after.active(50)).to.deep.equal([{ peer: 'p', address: '/memory/p' }, { peer: 'q', address: '/memory/q' }])
    const later = new RefusedPeers(7_200_000)
    later.restore(text, 50, 1_800_007_199_000)
    expect(later.active(50).map(({ peer }) => peer)).to.deep.equal(['q'])
  })

  it('H41: a clock that was set back does not make them longer, and damaged text makes none', () => {
    const refusals = new RefusedPeers(7_200_000)
    refusals.restore(JSON.stringify([['p', 9e15, '/memory/p']]), 0, 1_000)
    expect(refusals.until('p', 0)).to.equal(7_200_000)
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), text => {
      const damaged = new RefusedPeers(1_000)
      damaged.restore(text, 0, 0)
      return damaged.active(0).length <= MAX_REFUSED_PEERS
    }))
    refusals.restore('[["p"], ["q", "soon", "x"], [1, 2, 3], null, ["r", null, "x"]]', 0, 0)
    expect(refusals.active(0).map(({ peer }) => peer)).to.deep.equal(['p'])
  })

  it('H22, H41: are bounded, the oldest gives way', () => {
    const refusals = new RefusedPeers(7_200_000)
    for (let i = 0; i <= MAX_REFUSED_PEERS; i++) refusals.add(`p${i}`, 'a', i)
    expect(refusals.active(2_000).length).to.equal(MAX_REFUSED_PEERS)
    expect(refusals.until('p0', 2_000)).to.equal(undefined)
  })
})
