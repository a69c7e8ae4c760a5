import { expect } from 'chai'
import { hours, minutes, seconds, silentLogger, supervisor } from '../../src/actors/kernel/index.js'
import type { Message, Port } from '../../src/actors/kernel/index.js'
import { testKit } from '../../src/actors/kernel/testing/index.js'
import { reputation, ReputationError, StandingView } from '../../src/actors/reputation/index.js'
import { Reputation } from '../../src/actors/reputation/ingress.js'
import { damagedNameOf, nameOf } from '../../src/actors/reputation/saved.js'
import { STORE_CHILD, Store, store } from '../../src/actors/store/index.js'
import { started } from '../setup/registry.js'
import { inFolder } from '../store/fixtures.js'
import { TestStore, alice, bob, fail, mallory, room, trent } from './support.js'

const SOON = seconds(5)
const from = (peer: string) => ({ direction: 'inbound', peer } as const)

/** Store and room as in a node: in real time, since the store lives in a thread, and the room stops before it. */
async function onDisk(dataDir: string) {
  const root = supervisor('test', { log: silentLogger })
  const nowhere: Port<Message> = { send: () => 'ok' }
  const kept = new Store(root.child('store', store({ chain: nowhere, answers: nowhere, events: nowhere }, { dataDir, chainId: 167_000n }), STORE_CHILD))
  const view = new StandingView()
  const peers = new Reputation(root.child('reputation', () => reputation({ store: kept, events: nowhere, connections: nowhere, view }, { blocked: ['192.0.2.1'] })))
  started(() => root.stop())
  await root.start()
  return { peers, view, stop: () => root.stop() }
}

describe('reputation: what is kept', () => {
  it('H23: bans, lists and scores survive a restart, in the node\'s own database', async () => {
    await inFolder(async dataDir => {
      const before = await onDisk(dataDir)
      await before.peers.ban(mallory, hours(2), 'spam', SOON)
      await before.peers.block('10.0.0.0/8', SOON)
      await before.peers.protect(bob, SOON)
      fail(before.peers, alice, { times: 3 })
      const bans = await before.peers.bans(SOON)
      await before.stop()

      const after = await onDisk(dataDir)
      expect(await after.peers.bans(SOON)).deep.equal(bans)
      expect(await after.peers.lists(SOON)).deep.equal({ blocked: ['192.0.2.1', '10.0.0.0/8'], protected: [bob], allowed: [] })
      expect(after.view.appScore(alice)).closeTo(-3, 1)
      await after.stop()
    })
  })

  it('H23: what an ask has resolved for is there after a crash of the process, without a stop', async () => {
    const disk = new TestStore()
    const { peers, answer } = await room({}, { store: disk })
    await answer(peers.ban(mallory, undefined, 'spam', SOON))
    const { view, stop } = await room({}, { store: disk })
    expect(view.refuses(from(mallory))).equal('banned')
    await stop()
  })

  it('a ban goes on running while the node is down, and scores go on decaying', async () => {
    const disk = new TestStore()
    const before = await room({}, { store: disk })
    await before.answer(before.peers.ban(mallory, minutes(10), 'spam', SOON))
    await before.answer(before.peers.ban(trent, hours(2), 'spam', SOON))
    fail(before.peers, alice, { times: 4 })
    await before.settle()
    await before.stop()

    const kit = testKit()
    kit.clock.jump(before.clock.now() + seconds(50) - kit.clock.now())
    const soon = await room({ kit }, { store: disk })
    expect(soon.view.appScore(alice)).closeTo(-4 * 0.9 ** 5, 0.001)
    expect(soon.view.refuses(from(mallory))).equal('banned')
    kit.clock.jump(hours(1))
    const later = await room({ kit }, { store: disk })
    expect([mallory, trent].map(peer => later.view.refuses(from(peer)))).deep.equal([undefined, 'banned'])
    later.connections.expect('forgetScore', { peer: mallory })
    later.events.expect('banLifted', { peer: mallory, why: 'expired' })
    await kit.stop()
  })

  it('the configuration\'s word holds again at each start', async () => {
    const disk = new TestStore()
    const config = { blocked: ['10.0.0.0/8'], protected: [alice] }
    const before = await room(config, { store: disk })
    await before.answer(before.peers.unblock('10.0.0.0/8', SOON))
    await before.answer(before.peers.unprotect(alice, SOON))
    await before.answer(before.peers.block(mallory, SOON))
    expect(await before.answer(before.peers.lists(SOON))).deep.equal({ blocked: [mallory], protected: [], allowed: [] })
    await before.stop()
    const after = await room(config, { store: disk })
    expect(await after.answer(after.peers.lists(SOON))).deep.equal({ blocked: ['10.0.0.0/8', mallory], protected: [alice], allowed: [] })
    await after.stop()
  })

  it('who has become static is free of a kept ban for score, not of the operator\'s', async () => {
    const disk = new TestStore()
    const before = await room({}, { store: disk })
    for (let tick = 0; tick < 6; tick++) { void before.peers.gossipScores(new Map([[alice, -9]])); before.clock.advance(seconds(10)) }
    await before.answer(before.peers.ban(bob, undefined, 'spam', SOON))
    expect([alice, bob].map(peer => before.view.refuses(from(peer)))).deep.equal(['banned', 'banned'])
    await before.stop()
    const { view, stop } = await room({ staticPeers: [alice, bob] }, { store: disk })
    expect([alice, bob].map(peer => view.refuses(from(peer)))).deep.equal([undefined, 'banned'])
    await stop()
  })

  it('H33: a ban holds while the store fails; the asker is told that it is not on disk, and it is written later', async () => {
    const { store: disk, view, peers, answer, advance, stop } = await room()
    const cause = new Error('disk_full')
    disk.failing = cause
    const error = await answer(peers.ban(mallory, undefined, 'spam', SOON)).catch((error: unknown) => error)
    expect(error).instanceof(ReputationError).include({ code: 'not_durable', value: mallory, cause })
    expect(view.refuses(from(mallory))).equal('banned')
    const again = await answer(peers.block('10.0.0.0/8', SOON)).catch((error: unknown) => error)
    expect(again).include({ code: 'not_durable', value: '10.0.0.0/8' })

    await advance(minutes(1))
    expect(disk.writes).lessThan(20)
    disk.failing = undefined
    await advance(seconds(30))
    expect(disk.values.get(nameOf('bans'))).contain(mallory)
    expect(disk.values.get(nameOf('lists'))).contain('10.0.0.0/8')
    await stop()
  })

  it('an ask waits for the write that has its change, not for the one under way', async () => {
    const disk = new TestStore()
    const writes: (() => void)[] = []
    const slow = { meta: async () => undefined, setMeta: (name: string, value: string | null) => new Promise<void>(resolve => {
      writes.push(() => { void disk.setMeta(name, value).then(resolve) })
    }) } as unknown as Store
    const { peers, settle, stop } = await room({}, { store: slow })
    const done: string[] = []
    for (const rule of ['10.0.0.0/8', '1.2.3.4', '1.2.3.5']) void peers.block(rule, SOON).then(() => { done.push(rule) })
    await settle()
    expect([writes.length, done]).deep.equal([1, []])
    writes.shift()!()
    await settle()
    expect([writes.length, done]).deep.equal([1, ['10.0.0.0/8']])
    writes.shift()!()
    await settle()
    expect(done).deep.equal(['10.0.0.0/8', '1.2.3.4', '1.2.3.5'])
    expect(disk.values.get(nameOf('lists'))).contain('1.2.3.5')
    await stop()
  })

  it('many changes at once are few writes', async () => {
    const { store: disk, peers, answer, stop } = await room()
    await Promise.all(Array.from({ length: 500 }, (_, k) => answer(peers.block(`10.0.${k >> 8}.${k & 255}`, SOON))))
    expect(disk.writes).lessThan(20)
    expect(JSON.parse(disk.values.get(nameOf('lists'))!)).property('blocked').length(500)
    await stop()
  })

  it('scores are written once a minute and at the stop, and only when there are any', async () => {
    const { store: disk, peers, advance, stop } = await room()
    await advance(minutes(3))
    expect(disk.writes).equal(0)
    fail(peers, mallory, { times: 4 })
    await advance(minutes(1))
    expect(disk.writes).equal(1)
    await stop()
    expect(disk.writes).equal(2)
  })

  it('does not start without what is kept: a store that does not answer is a failed start', async () => {
    const disk = new TestStore()
    disk.failing = new Error('closed')
    expect(await room({}, { store: disk }).catch((error: unknown) => error)).equal(disk.failing)
  })

  it('H22: what a smaller bound leaves no room for is told; the operator\'s bans stay', async () => {
    const disk = new TestStore()
    const before = await room({}, { store: disk })
    for (let tick = 0; tick < 6; tick++) { void before.peers.gossipScores(new Map([[alice, -9], [trent, -9]])); before.clock.advance(seconds(10)) }
    await before.answer(before.peers.ban(bob, undefined, 'spam', SOON))
    await before.answer(before.peers.ban(mallory, undefined, 'spam', SOON))
    await before.stop()
    const { events, view, stop } = await room({ maxBans: 3 }, { store: disk })
    events.expect('standingDamaged', { what: 'bans', entries: 1 })
    expect([bob, mallory].map(peer => view.refuses(from(peer)))).deep.equal(['banned', 'banned'])
    await stop()
  })

  const damaged: readonly [what: 'bans' | 'lists' | 'scores', text: string, entries: number | 'all', left: boolean][] = [
    ['bans', '{"version":1,"bans":[', 'all', false],
    ['bans', '{"version":2,"bans":[]}', 'all', false],
    ['bans', '[]', 'all', false],
    ['lists', '{"version":1,"blocked":["10.0.0.0/8","10.0.0.0/99",7],"protected":[]}', 2, true],
    ['lists', '{"version":1,"blocked":["10.0.0.0/8"]}', 'all', true],
    ['scores', '{"version":1,"at":-1,"scores":[]}', 'all', false],
    ['scores', '{"version":1,"at":0,"scores":[{"key":"k","peer":"k","reputation":null}]}', 1, false],
  ]
  for (const [what, text, entries, left] of damaged) {
    it(`H23: damaged ${what} are told, put aside, and do not keep the node from starting: ${text}`, async () => {
      const disk = new TestStore()
      disk.values.set(nameOf(what), text)
      const { events, view, settle, stop } = await room({}, { store: disk })
      events.expect('standingDamaged', { what, entries })
      events.expectNone()
      expect(view.refuses({ direction: 'inbound', address: '/ip4/10.1.1.1/tcp/1' }) !== undefined).equal(left)
      await settle()
      await stop()
      expect(disk.values.get(damagedNameOf(what))).equal(text)
      const again = await room({}, { store: disk })
      again.events.expectNone()
      await again.stop()
    })
  }
})
