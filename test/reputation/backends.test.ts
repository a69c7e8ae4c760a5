import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { hours, seconds } from '../../src/actors/kernel/index.js'
import type { PeerKey } from '../../src/protocol/peer-key.js'
import type { Finding, ReputationBackend } from '../../src/actors/reputation/index.js'
import { Ticking, alice, bob, mallory, room, trent } from './support.js'

const key = (fill: number) => new Uint8Array(64).fill(fill)
const hex = (fill: number) => Buffer.from(key(fill)).toString('hex')
const from = (peer: PeerKey) => ({ direction: 'inbound', peer } as const)

/** Breaks the rules until it is banned. */
const banned = (now: Ticking, peer: PeerKey): Ticking => {
  for (let k = 0; k < 9; k++) now.report(peer, 'failure', 4).pass(seconds(10))
  return now
}
const rethNow = (keys: ReadonlyMap<PeerKey, Uint8Array> = new Map()) => new Ticking({ backend: 'reth' }, seconds(10), peer => keys.get(peer))

interface Client {
  nameOf(peer: PeerKey): string
  readonly reputations: ReadonlyMap<string, number>
  /** Why, by name. */
  readonly bans: ReadonlyMap<string, string>
  hear(name: string, finding: Finding): void
}

/** Shares scores and bans with an execution client, which has its own name for each peer. */
class SharedWithClient implements ReputationBackend {
  readonly name = 'client'
  constructor(private readonly client: Client) {}
  keyOf(peer: PeerKey) { return this.client.nameOf(peer) }
  reputation(key: string, ours: number) { return Math.min(ours, this.client.reputations.get(key) ?? ours) }
  bannedElsewhere(key: string) { return this.client.bans.get(key) }
  note(key: string, finding: Finding) { this.client.hear(key, finding) }
}

describe('reputation backends', () => {
  it('local: a peer is its peer id, whatever is learned of its keys', () => {
    const now = new Ticking()
    for (const peer of [mallory, trent]) now.changes.push(...now.book.learned(peer, key(1), 0))
    banned(now, mallory)
    expect([mallory, trent].map(peer => now.book.refuses(from(peer)))).deep.equal(['banned', undefined])
  })

  it('reth: peers with one secp256k1 identity key have one score; without a key the peer id is it', () => {
    const now = rethNow(new Map([[mallory, key(1)], [trent, key(1)]])).report(mallory, 'failure', 2).report(alice, 'failure')
    expect([mallory, trent, alice, bob].map(peer => now.reputation(peer))).deep.equal([-2, -2, -1, 0])
  })

  it('reth: a ban holds for the next peer id whose ENR has the same key, and that one is sent away when it is connected', () => {
    const now = rethNow()
    now.book.learned(mallory, key(1), now.now)
    banned(now, mallory)
    expect(now.book.refuses(from(trent))).equal(undefined)
    const left = now.book.bans()[0]!.until - now.now
    expect(now.book.learned(trent, key(1), now.now)).deep.equal([{ type: 'banned', peer: trent, forMs: left, reason: 'score' }])
    expect(now.book.refuses(from(trent))).equal('banned')
    expect(now.book.learned(trent, key(1), now.now)).deep.equal([])
    expect(now.book.bans().map(({ peer }) => peer)).deep.equal([mallory, trent])

    expect(now.book.lift(trent).map(({ type, peer }) => [type, peer])).deep.equal([['banLifted', mallory], ['banLifted', trent]])
    expect([mallory, trent].map(peer => now.book.refuses(from(peer)))).deep.equal([undefined, undefined])
  })

  it('reth: the ban is mirrored to the peer id, and holds after a restart though no key is known', () => {
    const now = rethNow()
    now.book.learned(mallory, key(1), now.now)
    banned(now, mallory)
    const again = rethNow()
    again.book.restore(now.book.kept(now.now), now.now)
    expect(again.book.refuses(from(mallory))).equal('banned')
    const local = new Ticking()
    local.book.restore(now.book.kept(now.now), now.now)
    expect(local.book.refuses(from(mallory))).equal('banned')
  })

  it('reth: what was scored by peer id goes along when the key is learned', () => {
    const now = rethNow().report(mallory, 'failure', 3)
    now.book.learned(mallory, key(1), now.now)
    expect(now.reputation(mallory)).equal(-3)
    now.book.learned(trent, key(1), now.now)
    expect(now.reputation(trent)).equal(-3)
    expect(now.book.kept(0).scores.scores).deep.equal([{ key: hex(1), peer: mallory, reputation: -3 }])
  })

  it('reth: a stranger\'s ENR that names an honest peer does it no harm', () => {
    const now = rethNow().report(alice, 'accepted', 20)
    now.book.learned(bob, key(2), now.now) // bob's own
    now.book.learned(mallory, key(1), now.now)
    for (const victim of [alice, bob]) now.book.learned(victim, key(1), now.now)
    now.gossip.set(mallory, -9)
    now.pass(seconds(60))
    for (const victim of [alice, bob]) now.book.learned(victim, key(1), now.now)
    expect([mallory, alice, bob].map(peer => now.book.refuses(from(peer)))).deep.equal(['banned', undefined, undefined])
  })

  it('reth: an identity\'s own key counts, not what an ENR says; a key of another length counts for nothing', () => {
    const now = rethNow(new Map([[mallory, key(1)]])).report(mallory, 'failure')
    now.book.learned(mallory, key(2), now.now)
    now.book.learned(alice, new Uint8Array(33), now.now)
    now.report(alice, 'failure')
    expect(now.book.kept(0).scores.scores.map(({ key }) => key)).members([hex(1), alice])
  })

  it('reth: who is connected under another id of the banned key goes too', () => {
    const now = rethNow(new Map([[mallory, key(1)], [trent, key(1)]]))
    now.gossip.set(mallory, -9).set(trent, 2)
    now.pass(seconds(50))
    expect(now.said('banned').map(({ peer }) => peer).sort()).deep.equal([mallory, trent].sort())
  })

  it('reth: a protected peer is out of the ban of its key, others of that key are not', () => {
    const now = rethNow(new Map([[mallory, key(1)], [alice, key(1)]]))
    now.gossip.set(mallory, -9).set(alice, 1)
    now.pass(seconds(50))
    expect(now.book.protect(alice)).deep.equal([{ type: 'banLifted', peer: alice, why: 'lifted' }])
    expect([mallory, alice].map(peer => now.book.refuses(from(peer)))).deep.equal(['banned', undefined])
    expect(now.book.bans().map(({ peer }) => peer)).deep.equal([mallory])
  })

  it('reth: nor does a protected peer join the ban of another whose ENR names the same key later', () => {
    const now = rethNow()
    now.book.learned(alice, key(1), now.now)
    now.book.protect(alice)
    now.gossip.set(mallory, -9)
    now.pass(seconds(50))
    expect(now.book.learned(mallory, key(1), now.now)).deep.equal([])
    expect([mallory, alice].map(peer => now.book.refuses(from(peer)))).deep.equal(['banned', undefined])
    expect(now.book.kept(now.now).bans.flatMap(({ peers }) => peers)).deep.equal([mallory])
  })

  it('by the actor: what discovery has learned is acted upon', async () => {
    const { peers, view, connections, events, answer, settle, stop } = await room({ backend: 'reth' })
    void peers.learned(mallory, key(1))
    await answer(peers.ban(mallory, hours(1), 'spam', seconds(5)))
    void peers.learned(trent, key(1))
    await settle()
    events.expect('banned', { peer: trent, reason: 'spam' })
    connections.expect('expel', { peer: trent })
    expect(view.refuses(from(trent))).equal('banned')
    await stop()
  })
})

describe('an application\'s own reputation backend', () => {
  const nameOf = (peer: PeerKey) => peer.slice(0, 12)
  const client = () => ({
    nameOf,
    reputations: new Map<string, number>(),
    bans: new Map<string, string>(),
    heard: [] as string[],
    hear(name: string, { type }: Finding) { this.heard.push(`${name} ${type}`) },
  })

  it('is shown in docs/reputation.md as it is compiled and tested here', () => {
    const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')
    const [shown] = /class SharedWithClient[^]*?\n}\n/.exec(read('docs/reputation.md')) ?? []
    expect(shown).a('string')
    expect(read('test/reputation/backends.test.ts')).contain(shown)
  })

  it('has its own key, its own say in scores and bans, and hears what is found here', () => {
    const other = client()
    const now = new Ticking({ backend: new SharedWithClient(other), staticPeers: [bob] })
    now.report(mallory, 'accepted', 20)
    expect([now.reputation(mallory), now.book.mayAsk(mallory)]).deep.equal([1, true])
    other.reputations.set(nameOf(mallory), -3)
    expect([now.reputation(mallory), now.book.mayAsk(mallory), now.book.greylisted(mallory)]).deep.equal([-3, false, true])

    other.bans.set(nameOf(alice), 'spam').set(nameOf(bob), 'spam')
    expect([alice, bob].map(peer => now.book.refuses(from(peer)))).deep.equal(['banned', undefined])
    expect(now.book.mayAsk(alice)).equal(false)

    other.heard.length = 0
    banned(now, trent)
    now.book.lift(trent)
    expect(new Set(other.heard)).deep.equal(new Set(['outcome', 'banned', 'banLifted'].map(type => `${nameOf(trent)} ${type}`)))
  })

  it('may ban by a reputation that is all its own', () => {
    const backend: ReputationBackend = { name: 'own', keyOf: peer => peer, reputation: key => key === mallory ? -7 : 3 }
    const now = new Ticking({ backend })
    now.gossip.set(mallory, 1).set(alice, 1)
    now.pass(seconds(50))
    expect(now.said('banned').map(({ peer }) => peer)).deep.equal([mallory])
    expect(now.reputation(alice)).equal(3)
  })

  it('who is banned elsewhere while connected is sent away at the next tick', async () => {
    const other = client()
    const { clock, peers, connections, settle, stop } = await room({ backend: new SharedWithClient(other) })
    void peers.gossipScores(new Map([[mallory, 1]]))
    other.bans.set(nameOf(mallory), 'spam')
    clock.advance(seconds(10))
    await settle()
    connections.expect('expel', { peer: mallory })
    await stop()
  })

  it('does no harm when it throws, or answers nonsense', async () => {
    const broken = (answer: () => never) => ({ name: 'broken', keyOf: answer, reputation: answer, bannedElsewhere: answer, note: answer })
    for (const backend of [broken(() => { throw new Error('broken') }), broken(() => NaN as never)]) {
      const { peers, view, answer, stop } = await room({ backend })
      void peers.report(mallory, 'failure')
      expect(await answer(peers.standing(mallory, seconds(5)))).include({ peer: mallory, reputation: -1 })
      expect(view.mayAsk(mallory)).equal(false)
      expect(view.refuses(from(mallory))).equal(undefined)
      await stop()
    }
  })
})
