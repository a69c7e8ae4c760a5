import { createHash } from 'node:crypto'
import { connect as connectTo } from 'node:net'
import type { Socket } from 'node:net'
import { expect } from 'chai'
import type { GossipsubInternals, Rpc } from '../../src/actors/network/gossip/gossipsub-internals.js'
import type { Clock } from '../../src/actors/kernel/index.js'
import { defaultGossip, newPrivateKey } from '../../src/actors/network/index.js'
import { scheduleFromSigners } from '../../src/index.js'
import { OFFSETS, loadCrypto, txListHash } from '../../src/protocol/index.js'
import { commitment, txList } from '../network/harness.js'
import { rawPeer, topics } from '../network/raw-peer.js'
import type { RawPeer } from '../network/raw-peer.js'
import { every } from '../support/every.js'
import { fastClock } from '../support/fast-clock.js'
import { memoryBack, memoryUsed } from '../support/memory.js'
import { ChainMaker, KEY, SIGNER, TIP, TestNet } from '../support/nodes.js'
import type { TestNode } from '../support/nodes.js'
import { realTransports } from '../support/transport.js'
import { until } from '../support/until.js'

const PER_SECOND = 2_000
/** The victim's clock runs faster than ours by this: a ban takes a minute and a half at least. The attacker is as much slower to it. */
const FASTER = 24
/** By the victim's clock, which looks every 10 s: 20 s until a flood is one, 20 s until the reputation is below −5, more than 30 s there; the rest is slack. */
const BANNED_WITHIN_MS = 120_000

/** A second of the victim's clock is so much shorter than one of ours: so is what may be brought in it, and what its thread can do. */
const scaled = Object.fromEntries(Object.entries(defaultGossip)
  .map(([option, value]) => [option, /^budget(Messages|Bytes|Controls)$|^surplus/.test(option) ? value / FASTER : value])) as Partial<typeof defaultGossip>

const internals = ({ pubsub }: RawPeer) => pubsub as unknown as GossipsubInternals
const pause = (ms: number) => new Promise(resolve => { setTimeout(resolve, ms) })
const known = scheduleFromSigners([SIGNER])
const WINDOW = BigInt(Math.ceil(Date.now() / 1_000) + 3_000)

/** Messages of a raw peer with its signature, unsent. */
async function signed(peer: RawPeer, payloads: ReadonlyArray<{ readonly topic: string; readonly data: Uint8Array }>): Promise<Rpc['messages']> {
  const gossipsub = internals(peer)
  const send = gossipsub.sendRpc.bind(gossipsub)
  const taken: Rpc['messages'] = []
  gossipsub.sendRpc = (to, rpc) => { taken.push(...rpc.messages); return rpc.messages.length > 0 || send(to, rpc) }
  for (const { data, topic } of payloads) await peer.pubsub?.publish(topic, data)
  gossipsub.sendRpc = send
  return taken
}

/** A commitment from whose signature somebody can be recovered. */
function someones(n: number, { highS = false, window = WINDOW }: { highS?: boolean; window?: bigint } = {}): Uint8Array {
  const bytes = commitment(n)
  bytes[OFFSETS.rawTxListHash] = 1
  new DataView(bytes.buffer).setBigUint64(OFFSETS.submissionWindowEnd, window, true)
  bytes.set(createHash('sha256').update(`r${n}`).digest().fill(0x7f, 0, 1), OFFSETS.signature)
  bytes.set(createHash('sha256').update(`s${n}`).digest().fill(highS ? 0x9f : 0x3f, 0, 1), OFFSETS.signature + 32)
  return bytes
}

interface Attack {
  readonly name: string
  /** Whole RPCs, sent one after the other and again from the first, so many a second. */
  rpcs(peer: RawPeer): Promise<readonly Rpc[]>
  readonly perSecond: number
}

/** Enough for 40 s of the victim's clock: what comes again is a copy, which costs it next to nothing. */
const COUNT = 12_000
const rpcsOf = (messages: Rpc['messages']): Rpc[] => Array.from({ length: messages.length / 20 }, (_, n) => ({ subscriptions: [], messages: messages.slice(20 * n, 20 * n + 20) }))
const commitments = (make: (n: number) => Uint8Array) => async (peer: RawPeer) =>
  rpcsOf(await signed(peer, Array.from({ length: COUNT }, (_, n) => ({ topic: topics.commitments, data: make(n) }))))

const attacks: readonly Attack[] = [
  { name: 'commitments of windows that nobody knows', rpcs: commitments(n => someones(n, { window: WINDOW + 300n })), perSecond: PER_SECOND / 20 },
  { name: 'high-S copies', rpcs: commitments(n => someones(n, { highS: true })), perSecond: PER_SECOND / 20 },
  { name: 'commitments of somebody who is not elected', rpcs: commitments(n => someones(n)), perSecond: PER_SECOND / 20 },
  {
    name: 'txlists that nobody names',
    async rpcs(peer) {
      const crypto = await loadCrypto()
      return rpcsOf(await signed(peer, Array.from({ length: COUNT }, (_, n) => {
        const data = txList(n, 600)
        data.set(txListHash(crypto, data.subarray(36)), 0)
        return { topic: topics.txLists, data }
      })))
    },
    perSecond: PER_SECOND / 20,
  },
  {
    name: 'subscriptions to 64 topics each time',
    rpcs: async () => [{ messages: [], subscriptions: Array.from({ length: 64 }, (_, n) => ({ subscribe: true, topic: `topic ${n}` })) }],
    perSecond: 200,
  },
]

/** Sends until it is told to stop, so many in a second of its own, which are `FASTER` of the victim's: a slow machine slows both. */
function flood(peer: RawPeer, victim: string, rpcs: readonly Rpc[], perSecond: number, clock: Clock): { stop(): void; readonly sent: number } {
  const began = clock.monotonic()
  let sent = 0
  const stop = every(10, () => {
    const due = (clock.monotonic() - began) / 1_000 / FASTER * perSecond
    while (sent < due) internals(peer).sendRpc(victim, rpcs[sent++ % rpcs.length] as Rpc)
  })
  return { stop, get sent() { return sent } }
}

const describeReal = realTransports ? describe : describe.skip

describeReal('network: attacks on a whole node', function () {
  this.timeout(300_000)
  let net: TestNet
  beforeEach(() => { net = new TestNet('tcp') })

  async function victimAndFriend(): Promise<{ victim: TestNode; honest: TestNode; address: string; blocks: ChainMaker; clock: Clock }> {
    const clock = fastClock(FASTER)
    const victim = await net.start({
      clock, discovery: false, schedule: (window, options) => window <= WINDOW ? known(window, options) : 'unknown',
      network: { gossip: scaled },
    })
    const honest = await net.start({ discovery: false, signing: { key: KEY, unprotected: true } }, [victim])
    await Promise.all([victim.meshed(), honest.meshed()])
    clock.hurry()
    return { victim, honest, clock, address: (await victim.service.listenAddresses())[0] ?? '', blocks: await ChainMaker.create(WINDOW) }
  }

  /** A block and its txlist every 250 ms, until told to stop: which is the last. */
  function publishing(honest: TestNode, blocks: ChainMaker): { stop(): Promise<bigint> } {
    let running = true
    let last = TIP
    const done = (async () => {
      while (running) {
        const { commitment: block, txList: transactions } = blocks.block({ txListBytes: 5_000 })
        await honest.service.publishTxList(transactions)
        await honest.service.publishCommitment(block)
        last = block.preconf.blockNumber
        await pause(250)
      }
    })()
    // `stop` tells of it. Nobody calls that in a test that has failed, which ends the node under this loop.
    done.catch(() => undefined)
    return { stop: async () => { running = false; await done; return last } }
  }

  for (const attack of attacks) {
    it(`${attack.name}: the attacker is limited, then banned; honest blocks arrive in full; memory returns`, async () => {
      const { address, blocks, clock, honest, victim } = await victimAndFriend()
      const mallory = await rawPeer('tcp', { gossip: { maxOutboundBufferSize: 256 * 1024 * 1024 } })
      await mallory.dial(address)
      await until(() => [topics.commitments, topics.txLists].every(topic => internals(mallory).getMeshPeers(topic).includes(victim.service.peerId)), 'in its meshes')
      const rpcs = await attack.rpcs(mallory)
      const before = memoryUsed()
      const work = publishing(honest, blocks)
      const started = clock.monotonic()
      const attacking = flood(mallory, victim.service.peerId, rpcs, attack.perSecond, clock)
      try {
        const { forMs } = await victim.said('banned', ({ peer }) => peer === mallory.peerId, 240_000)
        expect(clock.monotonic() - started, 'ms to the ban').to.be.below(BANNED_WITHIN_MS)
        expect(forMs).to.equal(3_600_000)
        await until(() => mallory.node.getConnections().length === 0, 'disconnected')
        const { network } = await victim.service.figures()
        expect(network?.violations.gossip_flood, 'floods').to.be.at.least(1)
        const through = network?.gossip.received.commitments ?? 0
        expect(through, 'of what was sent').to.be.below(attacking.sent * 20 / 2)
      } finally {
        attacking.stop()
      }
      await pause(500)
      const last = await work.stop()
      await victim.headIs(last)
      expect(victim.of('banned').map(({ peer }) => peer)).to.deep.equal([mallory.peerId])
      expect(honest.of('banned')).to.deep.equal([])
      await mallory.dial(address).catch(() => undefined)
      await until(() => mallory.node.getConnections().length === 0, 'refused')
      expect((await victim.service.peers()).some(({ peer, connections }) => peer === mallory.peerId && connections > 0)).to.equal(false)
      await memoryBack(before)
    })
  }

  it('rejects from rotating identities: each is heard for a moment, honest blocks arrive in full', async () => {
    const { address, blocks, clock, honest, victim } = await victimAndFriend()
    const work = publishing(honest, blocks)
    const used: string[] = []
    for (let n = 0; n < 6; n++) {
      const mallory = await rawPeer('tcp', { gossip: true, privateKey: newPrivateKey(), listen: false })
      used.push(mallory.peerId)
      await mallory.dial(address)
      await until(() => [topics.commitments, topics.txLists].every(topic => internals(mallory).getMeshPeers(topic).includes(victim.service.peerId)), 'in its meshes')
      const messages = await signed(mallory, Array.from({ length: 1_000 }, (_, i) => ({ topic: topics.commitments, data: someones(10_000 * (n + 1) + i) })))
      const attacking = flood(mallory, victim.service.peerId, rpcsOf(messages), PER_SECOND / 20, clock)
      await until(async () => (await victim.service.access.standing(mallory.peerId)).reputation < -1, 'its reputation is gone')
      attacking.stop()
      await mallory.node.stop()
    }
    const last = await work.stop()
    await victim.headIs(last)
    const { network } = await victim.service.figures()
    expect(network?.gossip.refused.commitments.overloaded).to.equal(0)
    expect(victim.of('banned').every(({ peer }) => used.includes(peer))).to.equal(true)
  })

  it('connection flood: who is there stays and is heard, the limits hold, and a newcomer gets in when it is over', async () => {
    const { address, blocks, honest, victim } = await victimAndFriend()
    const before = memoryUsed()
    const work = publishing(honest, blocks)
    const port = Number(/tcp\/(\d+)/.exec(address)?.[1])
    const sockets = new Set<Socket>()
    let dialled = 0
    const stop = every(50, () => {
      for (let i = 0; i < 20; i++, dialled++) {
        const socket = connectTo(port, '127.0.0.1')
        sockets.add(socket)
        socket.on('error', () => undefined)
        socket.on('close', () => { sockets.delete(socket) })
      }
    })
    let most = 0
    const pending = async (): Promise<number> => {
      const { pendingInbound = 0 } = (await victim.service.figures()).network?.now ?? {}
      most = Math.max(most, pendingInbound)
      return pendingInbound
    }
    await until(async () => { await pending(); return dialled >= 1_600 }, 'dialled')
    stop()
    await until(async () => await pending() === 0, 'closed at the door, or once they were late')
    expect(most, 'pending at once').to.be.above(0).and.below(120)
    // One that the system dropped before it was accepted, because it had too many of them, hears of that when it writes.
    await until(() => { for (const socket of sockets) socket.write('x'); return sockets.size === 0 }, 'closed', 60_000, 1_000)
    const last = await work.stop()
    await victim.headIs(last)
    expect((await victim.service.peers()).map(({ peer }) => peer)).to.deep.equal([honest.service.peerId])
    const newcomer = await net.start({ discovery: false, signing: { key: KEY, unprotected: true } }, [victim])
    await newcomer.meshed()
    await memoryBack(before)
  })
})
