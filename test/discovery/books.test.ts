import { expect } from 'chai'
import fc from 'fast-check'
import { seededRandom } from '../../src/actors/kernel/index.js'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import { recommended } from '../../src/actors/discovery/index.js'
import { ipFromText } from '../../src/actors/discovery/ip.js'
import { KnownPeers } from '../../src/actors/discovery/known-peers.js'
import { PacketLimit } from '../../src/actors/discovery/packet-limit.js'
import { Targets } from '../../src/actors/discovery/targets.js'
import type { Target } from '../../src/actors/discovery/targets.js'
import { AddressVotes } from '../../src/actors/discovery/external-address-votes.js'

const nobody = (): boolean => false

describe('whom to dial', () => {
  const retry = { firstMs: 1_000, maxMs: 8_000, namedMaxMs: 2_000, factor: 2, jitter: 0.5 }
  const book = (max = 100, perNetwork = 2): Targets => new Targets({ max, perNetwork, retry }, seededRandom(1))
  const target = (key: string, more: Partial<Target> = {}): Target => ({ key, peer: `peer-${key}`, addresses: [`/a/${key}`, `/b/${key}`], ips: [], seq: 1n, rank: 'found', ...more })

  it('whom we knew, then whom the operator named, then the rest; those that failed last', () => {
    const targets = book()
    for (const each of [target('f'), target('n', { rank: 'named' }), target('k', { rank: 'known' }), target('x', { rank: 'known' })]) targets.add(each, 0)
    expect(targets.next(0, nobody)?.key).to.equal('k')
    targets.failed('k', 0)
    expect([1, 2, 3, 4].map(() => targets.next(5_000, nobody)?.key)).to.deep.equal(['x', 'n', 'f', 'k'])
    expect(targets.next(5_000, nobody)).to.equal(undefined)
    expect(targets.dialling).to.equal(4)
  })

  it('waits longer after each failure, at most so long, and tries its addresses in turn', () => {
    const targets = book()
    targets.add(target('a'), 0)
    const waits: number[] = []
    for (let now = 0, n = 0; n < 8; n++) {
      expect(targets.next(now, nobody)?.key).to.equal('a')
      expect(targets.addressOf('a')).to.equal(n % 2 === 0 ? '/a/a' : '/b/a')
      targets.failed('a', now)
      const from = now
      while (targets.next(now, nobody) === undefined) now += 10
      targets.reset()
      waits.push(now - from)
    }
    waits.forEach((wait, i) => { expect(wait).to.be.within(Math.min(8_000, 1_000 * 2 ** i) / 2, Math.min(8_000, 1_000 * 2 ** i) + 10) })
    targets.next(1e6, nobody)
    targets.failed('a', 1e6, 500_000)
    expect(targets.next(1e6 + 499_999, nobody)).to.equal(undefined)
  })

  it('two records that claim one peer are not dialled at once, and one that is wrong does not keep the other back', () => {
    const targets = book()
    targets.add(target('liar', { peer: 'p' }), 0)
    targets.add(target('honest', { peer: 'p' }), 0)
    expect(targets.next(0, nobody)?.key).to.equal('liar')
    expect(targets.next(0, nobody)).to.equal(undefined)
    targets.failed('liar', 0)
    expect(targets.next(0, nobody)?.key).to.equal('honest')
  })

  it('takes a newer record of a node, never an older one', () => {
    const targets = book()
    targets.add(target('a', { seq: 2n }), 0)
    targets.add(target('a', { seq: 1n, addresses: ['/old'] }), 0)
    expect(targets.get('a')?.addresses[0]).to.equal('/a/a')
    targets.add(target('a', { seq: 3n, addresses: ['/new'] }), 0)
    expect(targets.get('a')?.addresses[0]).to.equal('/new')
  })

  it('H22: is bounded, in all and by network; only what has failed gives way', () => {
    const targets = book(4, 2)
    const at = (n: number): Partial<Target> => ({ ips: [ipFromText(`1.2.3.${n}`)!] })
    expect([1, 2, 3].map(n => targets.add(target(`n${n}`, at(n)), 0))).to.deep.equal([true, true, false])
    targets.next(0, nobody)
    targets.failed('n1', 0)
    expect(targets.add(target('n3', at(3)), 0)).to.equal(true)
    expect(targets.get('n1')).to.equal(undefined)
    expect(['a', 'b', 'c'].map(key => targets.add(target(key), 0))).to.deep.equal([true, true, false])
    expect(targets.add(target('named', { rank: 'named' }), 0)).to.equal(true)
    expect(targets.size).to.equal(5)
  })
})

describe('votes for our address', () => {
  const rules = { voters: 5, share: 2 / 3, forMs: 300_000 }
  const voter = (n: number, host = 1) => ipFromText(`1.${n >> 8}.${n & 255}.${host}`)!
  const here = { ip: ipFromText('5.6.7.8')!, port: 9001 }
  const there = { ip: ipFromText('6.6.6.6')!, port: 9001 }

  it('five networks that agree tell it, four do not', () => {
    const votes = new AddressVotes(rules)
    expect([0, 1, 2, 3, 4].map(n => votes.add(voter(n), here, 0) !== undefined)).to.deep.equal([false, false, false, false, true])
  })

  it('a network has one vote, however many nodes it holds', () => {
    const votes = new AddressVotes(rules)
    for (let host = 1; host < 250; host++) expect(votes.add(voter(0, host), there, 0)).to.equal(undefined)
  })

  it('property: who holds less than two thirds of the networks that vote cannot move it', () => {
    fc.assert(fc.property(fc.integer({ min: 3, max: 60 }), fc.array(fc.nat(200), { maxLength: 400 }), (honest, order) => {
      const votes = new AddressVotes(rules)
      for (let n = 0; n < honest; n++) votes.add(voter(n), here, 0)
      // the hostile ones vote again and again, at most twice as many networks as the honest ones, less one
      for (const n of order) expect(votes.add(voter(1_000 + n % (2 * honest - 1)), there, 1)).to.equal(undefined)
    }), { numRuns: 50 })
  })

  it('old votes do not count; a port is a part of it', () => {
    const votes = new AddressVotes(rules)
    for (const n of [0, 1, 2, 3]) votes.add(voter(n), here, 0)
    expect(votes.has(voter(0), 299_999)).to.equal(true)
    expect(votes.has(voter(0), 300_000)).to.equal(false)
    expect(votes.add(voter(4), here, 300_000)).to.equal(undefined)
    for (const n of [5, 6, 7]) expect(votes.add(voter(n), { ...here, port: n }, 300_000)).to.equal(undefined)
  })
})

describe('H23: known peers', () => {
  const address = (n: number): string => `/ip4/1.2.3.4/tcp/${n}/p2p/peer-${n}`

  it('come back in the order of their success, as many as there is room for', () => {
    const known = new KnownPeers(3)
    for (const n of [1, 2, 3, 4, 2]) known.succeeded(`peer-${n}`, { address: address(n) })
    known.succeeded('peer-2', { record: 'enr:x' })
    expect(known.all().map(({ peer }) => peer)).to.deep.equal(['peer-2', 'peer-4', 'peer-3'])
    const again = new KnownPeers(3)
    expect(again.restore(known.toText())).to.equal(0)
    expect(again.all()).to.deep.equal(known.all())
    expect(again.get('peer-2')).to.deep.equal({ peer: 'peer-2', address: address(2), record: 'enr:x' })
    const smaller = new KnownPeers(1)
    smaller.restore(known.toText())
    expect(smaller.all().map(({ peer }) => peer)).to.deep.equal(['peer-2'])
  })

  it('a peer without an address is none', () => {
    const known = new KnownPeers(3)
    known.succeeded('p', { record: 'enr:x' })
    expect(known.all()).to.deep.equal([])
  })

  it('property: whatever the store has, what is no known peer is left out', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json(), fc.array(fc.dictionary(fc.constantFrom('peer', 'address', 'record'), fc.jsonValue())).map(value => JSON.stringify(value))), text => {
      const known = new KnownPeers(3)
      known.restore(text)
      for (const { peer, address: at } of known.all()) expect(at.endsWith(`/p2p/${peer}`)).to.equal(true)
    }))
  })
})

describe('packets', () => {
  it('above a rate are dropped, by network and in all; time brings the allowance back, and nobody is banned', () => {
    const clock = new ManualClock()
    const limit = new PacketLimit({ perSender: 10, burst: 20, total: 100, totalBurst: 50 }, clock)
    const from = (address: string, n: number): number => Array.from({ length: n }, () => limit.allows(address)).filter(Boolean).length
    expect(from('1.2.3.4', 30)).to.equal(20)
    expect(from('1.2.3.5', 30), 'the same network').to.equal(0)
    expect(from('1.2.4.4', 30)).to.equal(20)
    expect(from('9.2.4.4', 30), 'of all').to.equal(10)
    expect(limit.dropped).to.equal(70)
    clock.advance(1_000)
    expect(from('1.2.3.4', 30)).to.equal(10)
    clock.advance(100_000)
    expect(from('1.2.3.4', 30)).to.equal(20)
    expect(recommended.packets.burst, 'a lookup').to.be.above(120)
  })

  it('forged sources use up what strangers may bring, and nothing of those whom we talk with', () => {
    const clock = new ManualClock()
    const limit = new PacketLimit(recommended.packets, clock)
    limit.talksWith('5.5.5.5')
    let friend = 0
    for (let ms = 0; ms < 60_000; ms += 10) {
      clock.advance(10)
      for (let n = 0; n < 10; n++) limit.allows(`${1 + (ms >> 16)}.${(ms >> 8) & 255}.${ms & 255}.${n}`)
      // others of its network, too
      limit.allows(`5.5.5.${ms % 5}`)
      if (ms % 100 === 0) friend += Number(limit.allows('5.5.5.5'))
    }
    expect(friend, 'ten a second').to.equal(600)
  })

  it('who we talked with long ago is a stranger again, and so is who is forgotten', () => {
    const clock = new ManualClock()
    const limit = new PacketLimit({ perSender: 1, burst: 1, total: 1, totalBurst: 1 }, clock)
    limit.talksWith('5.5.5.5')
    expect(limit.allows('6.6.6.6')).to.equal(true)
    expect(limit.allows('5.5.5.5')).to.equal(true)
    clock.advance(600_000)
    expect(limit.allows('6.6.6.6')).to.equal(true)
    expect(limit.allows('5.5.5.5')).to.equal(false)
    for (let n = 0; n < 2_000; n++) limit.talksWith(`7.${n >> 8}.${n & 255}.1`)
    clock.advance(1_000)
    expect(limit.allows('6.6.6.6')).to.equal(true)
    expect(limit.allows('7.0.0.1')).to.equal(false)
  })

  it('H22: senders that nobody can count are bounded', () => {
    const limit = new PacketLimit({ perSender: 10, burst: 1, total: 1e6, totalBurst: 1e6 }, new ManualClock())
    for (let n = 0; n < 10_000; n++) limit.allows(`1.${n >> 8}.${n & 255}.1`)
    // those in the middle were forgotten: they may again
    expect(limit.allows('1.0.0.1')).to.equal(true)
    expect(limit.allows(`1.${9_999 >> 8}.${9_999 & 255}.1`)).to.equal(false)
  })
})
