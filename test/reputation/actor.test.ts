import { expect } from 'chai'
import { DroppedError, hours, minutes, seconds } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { ReputationError, StandingView } from '../../src/actors/reputation/index.js'
import { nameOf } from '../../src/actors/reputation/saved.js'
import { TestStore, alice, bob, fail, mallory, room, trent } from './support.js'

const SOON = seconds(5)

describe('the reputation actor', () => {
  it('H06: a peer is banned only after more than 30 s at −5 or below', async () => {
    const { clock, events, connections, peers, settle, stop } = await room()

    for (let tick = 0; tick < 5; tick++) { fail(peers, mallory, { times: 9 }); clock.advance(seconds(10)) } // −3.6, −6.8, −9, −9, −9
    await settle()
    events.expect('greylisted', { peer: mallory })
    events.expectNone('banned')

    clock.advance(seconds(10))
    await settle()
    events.expect('banned', { peer: mallory, forMs: hours(1), reason: 'score' })
    connections.expect('expel', { peer: mallory, reason: 'score' })
    await stop()
  })

  it('H06: gossipsub\'s score counts as well, for those who earn nothing else', async () => {
    const { clock, events, peers, view, settle, stop } = await room()
    for (let tick = 0; tick < 5; tick++) { void peers.gossipScores(new Map([[mallory, -5], [alice, 3]])); clock.advance(seconds(10)) }
    await settle()
    events.expect('banned', { peer: mallory })
    events.expectNone()
    expect([view.score(mallory), view.score(alice), view.score(bob)]).deep.equal([-5, 0, 0])
    await stop()
  })

  it('H06: the ban ends after an hour, reputation and gossip score with it', async () => {
    const { clock, events, connections, peers, view, settle, stop } = await room()
    for (let tick = 0; tick < 6; tick++) { fail(peers, mallory, { times: 9 }); clock.advance(seconds(10)) }
    expect(view.refuses({ direction: 'inbound', peer: mallory })).equal('banned')

    clock.advance(hours(1))
    await settle()
    events.expect('banLifted', { peer: mallory, why: 'expired' })
    connections.expect('forgetScore', { peer: mallory })
    expect([view.refuses({ direction: 'inbound', peer: mallory }), view.appScore(mallory), view.mayAsk(mallory)]).deep.equal([undefined, 0, true])
    await stop()
  })

  it('H06: two nodes that lose each other for a minute do not ban each other, and two that did are friends again after an hour', async () => {
    const kit = testKit()
    const [one, other] = [await room({ kit }), await room({ kit })]
    const nodes = [{ ...one, sees: bob }, { ...other, sees: alice }]
    const exchange = (outcome: 'accepted' | 'failure', requests: number) => {
      for (const { peers, view, sees } of nodes) {
        // who is banned is neither asked nor heard, so nothing new is held against it
        if (view.refuses({ direction: 'outbound', peer: sees }) !== undefined) continue
        if (outcome === 'failure' && !view.mayAsk(sees)) continue
        for (let request = 0; request < requests; request++) void peers.report(sees, outcome)
      }
      kit.clock.advance(seconds(5))
    }

    for (let k = 0; k < 12; k++) exchange('accepted', 3)
    for (let k = 0; k < 12; k++) exchange('failure', 7) // a minute: all that is asked fails
    for (let k = 0; k < 60; k++) exchange('accepted', 3)
    await kit.settle()
    for (const { events } of nodes) events.expectNone('banned')

    for (let k = 0; k < 7; k++) { for (const { peers, sees } of nodes) void peers.gossipScores(new Map([[sees, -9]])); kit.clock.advance(seconds(10)) }
    await kit.settle()
    for (const { events, view, sees } of nodes) {
      events.expect('banned', { peer: sees })
      expect(view.refuses({ direction: 'inbound', peer: sees })).equal('banned')
    }

    kit.clock.advance(hours(1))
    for (let k = 0; k < 60; k++) exchange('accepted', 3)
    await kit.settle()
    for (const { events, view, sees } of nodes) {
      events.expectNone('banned')
      expect(view.refuses({ direction: 'inbound', peer: sees })).equal(undefined)
      expect(view.mayAsk(sees)).equal(true)
    }
    await kit.stop()
  })

  it('bans and lifts at the operator\'s word, and tells what stands', async () => {
    const { clock, events, connections, peers, answer, stop } = await room()
    const until = clock.now() + minutes(5)
    expect(await answer(peers.ban(mallory, minutes(5), 'spam', SOON))).deep.equal({ peer: mallory, reason: 'spam', until })
    expect(await answer(peers.bans(SOON))).deep.equal([{ peer: mallory, reason: 'spam', until }])
    expect((await answer(peers.standing(mallory, SOON))).ban).deep.equal({ peer: mallory, reason: 'spam', until })
    connections.expect('expel', { peer: mallory, reason: 'spam' })

    expect([await answer(peers.lift(mallory, SOON)), await answer(peers.lift(mallory, SOON))]).deep.equal([true, false])
    events.expect('banLifted', { peer: mallory, why: 'lifted' })
    connections.expect('forgetScore', { peer: mallory })
    expect(await answer(peers.bans(SOON))).deep.equal([])
    await stop()
  })

  it('has connections reviewed when a rule is added, and refuses from then on', async () => {
    const { connections, peers, view, answer, stop } = await room()
    await answer(peers.block('10.0.0.0/8', SOON))
    connections.expect('reviewConnections')
    expect(view.refuses({ direction: 'inbound', address: '/ip4/10.1.1.1/tcp/1' })).equal('blocked_address')
    await answer(peers.block('10.0.0.0/8', SOON))
    expect(await answer(peers.unblock('10.0.0.0/8', SOON))).equal(true)
    connections.expectNone()
    expect(view.refuses({ direction: 'inbound', address: '/ip4/10.1.1.1/tcp/1' })).equal(undefined)
    await stop()
  })

  it('H28: refuses what it cannot do with a typed error, and goes on', async () => {
    const { peers, answer, events, stop } = await room({ staticPeers: [alice] })
    const asks: Promise<unknown>[] = [
      peers.block('10.0.0.0/33', SOON), peers.unblock('nobody', SOON), peers.ban('nobody', undefined, '', SOON), peers.ban(bob, -1, '', SOON),
      peers.protect('nobody', SOON), peers.unprotect(alice, SOON),
    ]
    const refusals = await Promise.all(asks.map(asked => answer(asked).then(() => undefined, (error: unknown) => error as ReputationError)))
    expect(refusals.map(error => error?.code)).deep.equal(['bad_rule', 'bad_rule', 'bad_peer', 'bad_duration', 'bad_peer', 'static_peer'])
    for (const error of refusals) expect(error).instanceof(ReputationError)
    expect(await answer(peers.lists(SOON))).deep.equal({ blocked: [], protected: [alice], allowed: [] })
    events.expectNone()
    await stop()
  })

  it('tells a wrong configuration before it starts', async () => {
    const thrown = async (options: Parameters<typeof room>[0]) => room(options).then(() => undefined, (error: unknown) => (error as ReputationError).code)
    expect(await thrown({ blocked: ['10.0.0.0/99'] })).equal('bad_rule')
    expect(await thrown({ decay: 2 })).equal('bad_config')
  })

  it('tells network again what it had no room for, and whom it has not let go of', async () => {
    const { clock, connections, peers, answer, settle, stop } = await room()
    connections.feedback = 'rejected'
    await answer(peers.ban(mallory, undefined, 'spam', SOON))
    connections.expectNone()
    connections.feedback = 'ok'
    clock.advance(seconds(10))
    await settle()
    connections.expect('expel', { peer: mallory })
    connections.expectNone()

    void peers.gossipScores(new Map([[mallory, 0]]))
    clock.advance(seconds(10))
    await settle()
    connections.expect('expel', { peer: mallory })
    clock.advance(seconds(30))
    await settle()
    connections.expectNone()
    await stop()
  })

  it('drops the oldest reports when its mailbox is full, and says so to those who ask', async () => {
    const { peers, view, settle, stop } = await room()
    for (let report = 0; report < 4_096; report++) void peers.report(mallory, 'accepted')
    const asked = peers.ban(alice, undefined, '', SOON).catch((error: unknown) => error)
    expect(peers.report(bob, 'failure')).equal('backoff')
    await settle()
    expect(await asked).instanceof(DroppedError)
    expect([view.appScore(bob), view.appScore(mallory)]).deep.equal([-1, 1])
    await stop()
  })
})

describe('the view of reputation', () => {
  it('is neutral before the actor has started', () => {
    const view = new StandingView()
    expect([view.appScore(mallory), view.mayAsk(mallory), view.greylisted(mallory), view.isProtected(mallory), view.score(mallory)])
      .deep.equal([0, true, false, false, 0])
    expect(view.refuses({ direction: 'inbound', peer: mallory })).equal(undefined)
  })

  it('H23: tells of kept bans and lists as soon as the actor has started', async () => {
    const store = new TestStore()
    const before = await room({}, { store })
    await before.answer(before.peers.ban(mallory, undefined, 'spam', SOON))
    await before.answer(before.peers.block('10.0.0.0/8', SOON))
    await before.stop()
    const { view, stop } = await room({}, { store })
    expect(view.refuses({ direction: 'inbound', peer: mallory })).equal('banned')
    expect(view.refuses({ direction: 'inbound', address: '/ip4/10.1.1.1/tcp/1' })).equal('blocked_address')
    await stop()
  })

  it('between two incarnations answers as the last one did, and the next one goes on from there, with or without the store', async () => {
    const { clock, crash, ref, store, view, peers, answer, advance, stop } = await room()
    await answer(peers.ban(mallory, undefined, 'spam', SOON))
    await answer(peers.block('10.0.0.0/8', SOON))
    await answer(peers.protect(bob, SOON))
    fail(peers, alice, { times: 3 })
    clock.advance(0)
    store.failing = new Error('the disk is on fire')
    const seen = () => [
      view.refuses({ direction: 'inbound', peer: mallory }), view.refuses({ direction: 'inbound', address: '/ip4/10.1.1.1/tcp/1' }),
      view.appScore(alice), view.mayAsk(alice), view.greylisted(alice), view.isProtected(bob),
    ]
    const before = seen()
    expect(before).deep.equal(['banned', 'blocked_address', -3, false, true, true])

    crash(ref)
    expect(seen()).deep.equal(before)
    await advance(seconds(1))
    expect(seen()).deep.equal(before)
    fail(peers, trent)
    clock.advance(0)
    expect(view.appScore(trent)).equal(-1)

    store.values.clear()
    store.failing = undefined
    await advance(minutes(1))
    expect(store.values.get(nameOf('bans'))).contain(mallory)
    expect(store.values.get(nameOf('lists'))).contain('10.0.0.0/8')
    await stop()
  })
})
