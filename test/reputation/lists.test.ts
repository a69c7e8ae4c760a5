import { expect } from 'chai'
import { AddressRules, parseRule } from '../../src/actors/reputation/address-rules.js'
import { ReputationError } from '../../src/actors/reputation/index.js'
import type { Rule } from '../../src/actors/reputation/index.js'
import { Lists } from '../../src/actors/reputation/lists.js'
import { alice, bob, mallory } from './support.js'

const lists = (config: Partial<ConstructorParameters<typeof Lists>[0]> = {}) =>
  new Lists({ blocked: [], protected: [], staticPeers: [], allowed: [], maxRules: 100, ...config })
const inbound = (address: string) => ({ direction: 'inbound', address } as const)

describe('reputation: the operator\'s lists', () => {
  const blocks: readonly [rule: Rule, refused: readonly string[], free: readonly string[]][] = [
    ['1.2.3.4', ['/ip4/1.2.3.4/tcp/9000', '/ip6/::ffff:1.2.3.4/tcp/9000', '/ip6/::ffff:102:304/tcp/1'], ['/ip4/1.2.3.5/tcp/9000', '/ip6/::1.2.3.4/tcp/1']],
    ['10.0.0.0/8', ['/ip4/10.255.0.1/tcp/1', '/ip6/::ffff:10.0.0.1/tcp/1', '/ip6/0:0:0:0:0:ffff:0a01:0203/tcp/1'], ['/ip4/11.0.0.1/tcp/1']],
    ['10.1.2.3/8', ['/ip4/10.9.9.9/tcp/1'], ['/ip4/11.0.0.1/tcp/1']],
    ['::ffff:10.0.0.0/104', ['/ip4/10.1.1.1/tcp/1', '/ip6/::ffff:10.1.1.1/tcp/1'], ['/ip4/11.1.1.1/tcp/1']],
    ['::ffff:1.2.3.4', ['/ip4/1.2.3.4/tcp/1'], ['/ip4/1.2.3.5/tcp/1']],
    ['2001:DB8::/32', ['/ip6/2001:db8:1::5/tcp/9000'], ['/ip6/2001:db9::1/tcp/9000', '/ip4/32.1.13.184/tcp/1']],
    ['2001:db8::1', ['/ip6/2001:db8:0:0::1/tcp/9000/p2p/12D3'], ['/ip6/2001:db8::2/tcp/9000']],
    ['::/0', ['/ip6/2001:db8::1/tcp/1'], ['/ip4/1.2.3.4/tcp/1', '/ip6/::ffff:1.2.3.4/tcp/1']],
    ['0.0.0.0/0', ['/ip4/1.2.3.4/tcp/1', '/ip6/::ffff:1.2.3.4/tcp/1'], ['/ip6/2001:db8::1/tcp/1']],
    ['fe80::1', ['/ip6/fe80::1/tcp/1', '/ip6zone/eth0/ip6/fe80::1/tcp/1', '/ip6/fe80::1%eth0/tcp/1'], []],
  ]
  for (const [rule, refused, free] of blocks) {
    it(`${rule} refuses what it covers and nothing else`, () => {
      const { against } = { against: (address: string) => lists({ blocked: [rule] }).refuses(inbound(address)) }
      expect(refused.map(against)).deep.equal(refused.map(() => 'blocked_address'))
      expect(free.map(against)).deep.equal(free.map(() => undefined))
    })
  }

  it('a multiaddr without an IP address is not against any address rule; one that cannot be read is against all', () => {
    const rules = lists({ blocked: ['10.0.0.0/8'] })
    expect(['/memory/1', '/dns4/example.org/tcp/1', ''].map(address => rules.refuses(inbound(address)))).deep.equal([undefined, undefined, undefined])
    expect(rules.refuses(inbound('/ip4/10.0.0/tcp/1'))).equal('blocked_address')
    expect(new AddressRules([]).against('/ip4/10.0.0/tcp/1')).equal(false)
  })

  const malformed: readonly Rule[] = [
    '', 'mallory', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0/8', '010.0.0.1', '10.0.0.0/08', '10.0.0.0/-1', '300.1.1.1', '2001:db8::/129',
    '2001:db8::g', 'fe80::1%eth0', '/ip4/1.2.3.4', 'example.org', ' 1.2.3.4', '12D3KooW', 'bafzaajaiaejca4syrpdu6gdx4wsdnokxkprgzxf4wrstuc34gxw5k5jrag2so5gk',
  ]
  for (const rule of malformed) {
    it(`bad_rule: ${JSON.stringify(rule)}`, () => {
      expect(() => parseRule(rule)).to.throw(ReputationError).include({ code: 'bad_rule', value: rule })
      expect(() => lists({ blocked: [rule] })).to.throw(ReputationError)
    })
  }

  it('a rule is taken back in any spelling of its address, and is gone', () => {
    const rules = lists()
    expect([rules.block('2001:0DB8:0::/32'), rules.block('2001:db8::/32')]).deep.equal([true, false])
    expect(rules.describe().blocked).deep.equal(['2001:db8::/32'])
    expect(rules.refuses(inbound('/ip6/2001:db8::1/tcp/1'))).equal('blocked_address')
    expect([rules.unblock('2001:DB8::/32'), rules.unblock('2001:db8::/32')]).deep.equal([true, false])
    expect(rules.refuses(inbound('/ip6/2001:db8::1/tcp/1'))).equal(undefined)
  })

  it('a blocked peer is refused, protected or not', () => {
    const rules = lists({ blocked: [mallory, alice], protected: [alice] })
    expect([mallory, alice, bob].map(peer => rules.refuses({ direction: 'outbound', peer }))).deep.equal(['blocked_peer', 'blocked_peer', undefined])
  })

  it('with an allow list only its peers and the static ones may connect; before noise has proved who it is nobody is refused by it', () => {
    const rules = lists({ allowed: [alice], staticPeers: [bob], protected: [mallory] })
    expect([alice, bob, mallory].map(peer => rules.refuses({ direction: 'inbound', peer }))).deep.equal([undefined, undefined, 'not_allowed'])
    expect(rules.refuses(inbound('/ip4/1.2.3.4/tcp/1'))).equal(undefined)
  })

  it('H22: rules and protected peers are bounded', () => {
    const rules = lists({ maxRules: 2, blocked: ['10.0.0.0/8', '1.2.3.4'], protected: [alice, bob] })
    expect(() => rules.block('1.2.3.5')).to.throw(ReputationError).include({ code: 'too_many_rules', limit: 2, value: '1.2.3.5' })
    expect(() => rules.protect(mallory)).to.throw(ReputationError).include({ code: 'too_many_rules', limit: 2 })
    expect(rules.block('1.2.3.4')).equal(false)
  })

  it('what the configuration names needs no saving; what was withdrawn of it holds until it is read again', () => {
    const config = { blocked: ['10.0.0.0/8'], protected: [alice], staticPeers: [bob] }
    const rules = lists(config)
    rules.block(mallory)
    rules.unblock('10.0.0.0/8')
    rules.unprotect(alice)
    expect(rules.changes()).deep.equal({ blocked: [mallory], protected: [], withdrawn: { blocked: ['10.0.0.0/8'], protected: [alice] } })

    const restarted = lists(config)
    expect(restarted.restore(rules.changes())).deep.equal([])
    expect(restarted.describe()).deep.equal({ blocked: [mallory], protected: [bob], allowed: [] })

    rules.block('10.0.0.0/8')
    rules.protect(alice)
    expect(rules.changes()).deep.equal({ blocked: [mallory], protected: [], withdrawn: { blocked: [], protected: [] } })
  })

  it('static_peer: a static peer cannot be unprotected; bad_peer: what is no peer id is protected by nobody', () => {
    const rules = lists({ staticPeers: [bob] })
    expect(() => rules.unprotect(bob)).to.throw(ReputationError).include({ code: 'static_peer', value: bob })
    expect(() => rules.protect('bob')).to.throw(ReputationError).include({ code: 'bad_peer', value: 'bob' })
    expect(() => lists({ allowed: ['bob'] })).to.throw(ReputationError).include({ code: 'bad_peer', value: 'bob' })
  })

  it('asks each of 10,000 rules', () => {
    const blocked = Array.from({ length: 10_000 }, (_, k) => `10.${k >> 8}.${k & 255}.0/24`)
    const rules = lists({ maxRules: 10_000, blocked })
    expect(rules.refuses(inbound('/ip4/1.2.3.4/tcp/1'))).to.equal(undefined)
    for (const k of [0, 5_000, 9_999]) expect(rules.refuses(inbound(`/ip4/10.${k >> 8}.${k & 255}.7/tcp/1`)), `${k}`).to.be.a('string')
  })
})
