import { expect } from 'chai'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import type { GossipsubInternals, Rpc } from '../../src/actors/network/gossip/gossipsub-internals.js'
import { OutboundBuffers } from '../../src/actors/network/gossip/outbound-buffers.js'

const control = { graft: [] }
const LARGE = new Uint8Array(100_000)

function setUp(buffers: Record<string, number>, worthy: readonly string[] = []) {
  const clock = new ManualClock()
  const sent: Array<[string, number, boolean]> = []
  const backedOff: string[] = []
  const pruned: string[] = []
  let heldBack = 0
  const internals: GossipsubInternals = {
    streamsOutbound: new Map(Object.keys(buffers).map(peer => [peer, { rawStream: { get writeBufferLength() { return buffers[peer] } } }])),
    topics: new Map([['t', new Set(Object.keys(buffers))]]),
    mesh: new Map([['t', new Set(Object.keys(buffers))], ['u', new Set(Object.keys(buffers))]]),
    selectPeersToPublish: (topic: string) => ({ tosend: new Set(internals.mesh.get(topic)), tosendCount: {} }),
    addBackoff: (peer: string, topic: string) => { backedOff.push(`${peer} ${topic}`) },
    makePrune: async (_: string, topicID: string) => Promise.resolve({ topicID }),
    sendRpc: (peer: string, rpc: Rpc) => { sent.push([peer, rpc.messages.length, rpc.control !== undefined]); return true },
  } as unknown as GossipsubInternals
  const guard = new OutboundBuffers(internals, clock, { pauseOutboundBytes: 1_000_000, totalOutboundBytes: 3_000_000, heldBack: () => { heldBack++ }, prunedSilent: peer => { pruned.push(peer) }, worthy: () => worthy })
  return { backedOff, buffers, clock, guard, held: () => heldBack, internals, pruned, sent }
}

describe('network: outbound guard', () => {
  it('H35: gives no message to a full stream, but what else the RPC carries', () => {
    const { held, internals, sent } = setUp({ full: 1_000_000, room: 999_999 })
    expect(internals.sendRpc('full', { messages: [{ topic: 't', data: LARGE }], control })).to.equal(false)
    expect(internals.sendRpc('full', { messages: [{ topic: 't', data: LARGE }] })).to.equal(false)
    expect(internals.sendRpc('full', { messages: [], control })).to.equal(true)
    expect(internals.sendRpc('room', { messages: [{ topic: 't', data: LARGE }], control })).to.equal(true)
    expect(sent).to.deep.equal([['full', 0, true], ['full', 0, true], ['room', 1, true]])
    expect(held()).to.equal(2)
  })

  it('sends each message in an RPC of its own, the rest once', () => {
    const { internals, sent } = setUp({ p: 0 })
    expect(internals.sendRpc('p', { messages: [{ topic: 'a' }, { topic: 'b' }, { topic: 'c' }], control })).to.equal(true)
    expect(sent).to.deep.equal([['p', 1, true], ['p', 1, false], ['p', 1, false]])
  })

  it('bounds all buffers together, without starving who has little in its own', () => {
    const { internals } = setUp({ a: 900_000, b: 900_000, c: 900_000, d: 300_000, little: 100_000 })
    const send = (peer: string) => internals.sendRpc(peer, { messages: [{ topic: 't', data: LARGE }] })
    expect(['a', 'd', 'little'].map(send)).to.deep.equal([false, false, true])
  })

  const large = 2_000_000

  it('H68: publishing goes at once where anybody has room, and waits while nobody has', async () => {
    const { buffers, clock, guard } = setUp({ a: 2_000_000, b: 2_000_000, c: 2_000_000, d: 2_000_000, e: 0 })
    expect(await guard.ready('t', large, 0)).to.equal(true)
    buffers['e'] = 2_000_000
    let ready: boolean | undefined
    const waiting = guard.ready('t', large, 1_000).then(outcome => { ready = outcome })
    await new Promise(setImmediate)
    clock.advance(20)
    await new Promise(setImmediate)
    expect(ready).to.equal(undefined)
    buffers['c'] = 0
    clock.advance(20)
    await waiting
    expect(ready).to.equal(true)
    buffers['c'] = 2_000_000
    const late = guard.ready('t', large, 30)
    for (let i = 0; i < 5; i++) { clock.advance(10); await new Promise(setImmediate) }
    expect(await late).to.equal(false)
  })

  it('H68: nobody to send to is nobody to wait for', async () => {
    expect(await setUp({}).guard.ready('t', large, 0)).to.equal(true)
  })

  it('H68: static and proven peers outside the mesh get it too, and count as somebody with room', async () => {
    const { buffers, guard, internals } = setUp({ a: 2_000_000, kept: 0 }, ['kept'])
    internals.mesh.get('t')?.delete('kept')
    expect([...internals.selectPeersToPublish('t').tosend]).to.deep.equal(['a', 'kept'])
    expect(await guard.ready('t', large, 0)).to.equal(true)
    buffers['kept'] = 2_000_000
    expect(await guard.ready('t', large, 0)).to.equal(false)
  })

  it('H68: a commitment has room behind a txlist that waits', async () => {
    const { buffers, guard, held, internals } = setUp({ p: 1_500_000 })
    const send = (bytes: number) => internals.sendRpc('p', { messages: [{ topic: 't', data: new Uint8Array(bytes) }] })
    expect([send(65_537), send(600), held()]).to.deep.equal([false, true, 1])
    expect(await guard.ready('t', 600, 0)).to.equal(true)
    buffers['p'] = 3_000_000
    expect(send(600)).to.equal(false)
  })

  it('H68: who takes nothing for two seconds leaves the mesh; who takes a little stays', async () => {
    const { backedOff, buffers, clock, guard, internals, pruned, sent } = setUp({ silent: 300_000, slow: 900_000, idle: 0 })
    for (let n = 0; n < 9; n++) {
      buffers['slow'] = 900_000 - n * 1_000
      buffers['silent'] = 300_000 + n * 600
      guard.expire()
      expect(pruned, `look ${n}`).to.deep.equal(n < 8 ? [] : ['silent'])
      clock.advance(250)
    }
    await new Promise(setImmediate)
    expect([...internals.mesh.get('t')!]).to.deep.equal(['slow', 'idle'])
    expect(backedOff).to.deep.equal(['silent t', 'silent u'])
    expect(sent).to.deep.equal([['silent', 0, true], ['silent', 0, true]])
    guard.expire()
    expect(pruned).to.deep.equal(['silent'])
  })

  it('H68: a thread that stood still is not held against a peer', () => {
    const { clock, guard, pruned } = setUp({ p: 300_000 })
    for (let n = 0; n < 3; n++) { guard.expire(); clock.advance(5_000) }
    expect(pruned).to.deep.equal([])
  })

  it('names a peer that does not read, after three sweeps in a row', () => {
    const { buffers, guard } = setUp({ p: 2_000_000 })
    expect([guard.sweep(), guard.sweep()]).to.deep.equal([[], []])
    buffers['p'] = 0
    guard.sweep()
    buffers['p'] = 2_000_000
    expect([guard.sweep(), guard.sweep(), guard.sweep()]).to.deep.equal([[], [], ['p']])
  })
})
