import { expect } from 'chai'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import type { GossipsubInternals, Rpc } from '../../src/actors/network/gossip/gossipsub-internals.js'
import { OutboundGuard } from '../../src/actors/network/gossip/outbound-guard.js'

const control = { graft: [] }

function setUp(buffers: Record<string, number>) {
  const clock = new ManualClock()
  const sent: Array<[string, number, boolean]> = []
  let heldBack = 0
  const internals = {
    streamsOutbound: new Map(Object.keys(buffers).map(peer => [peer, { rawStream: { get writeBufferLength() { return buffers[peer] } } }])),
    getMeshPeers: () => Object.keys(buffers),
    sendRpc: (peer: string, rpc: Rpc) => { sent.push([peer, rpc.messages.length, rpc.control !== undefined]); return true },
  } as unknown as GossipsubInternals
  const guard = new OutboundGuard(internals, clock, { pauseOutboundBytes: 1_000_000, totalOutboundBytes: 3_000_000, heldBack: () => { heldBack++ } })
  return { buffers, clock, guard, held: () => heldBack, internals, sent }
}

describe('network: outbound guard', () => {
  it('H35: gives no message to a full stream, but what else the RPC carries', () => {
    const { held, internals, sent } = setUp({ full: 1_000_000, room: 999_999 })
    expect(internals.sendRpc('full', { messages: [{ topic: 't' }], control })).to.equal(false)
    expect(internals.sendRpc('full', { messages: [{ topic: 't' }] })).to.equal(false)
    expect(internals.sendRpc('full', { messages: [], control })).to.equal(true)
    expect(internals.sendRpc('room', { messages: [{ topic: 't' }], control })).to.equal(true)
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
    const send = (peer: string) => internals.sendRpc(peer, { messages: [{ topic: 't' }] })
    expect(['a', 'd', 'little'].map(send)).to.deep.equal([false, false, true])
  })

  it('H35: publishing waits while most of the mesh is full, and goes on when it drains', async () => {
    const { buffers, clock, guard } = setUp({ a: 2_000_000, b: 2_000_000, c: 0 })
    let ready: boolean | undefined
    const waiting = guard.ready('t', 1_000).then(outcome => { ready = outcome })
    await new Promise(setImmediate)
    clock.advance(20)
    await new Promise(setImmediate)
    expect(ready).to.equal(undefined)
    buffers['a'] = 0
    clock.advance(20)
    await waiting
    expect(ready).to.equal(true)
    buffers['a'] = 2_000_000
    const late = guard.ready('t', 30)
    for (let i = 0; i < 5; i++) { clock.advance(10); await new Promise(setImmediate) }
    expect(await late).to.equal(false)
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
