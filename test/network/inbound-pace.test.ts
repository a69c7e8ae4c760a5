import type { PeerId } from '@libp2p/interface'
import { expect } from 'chai'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import type { GossipsubInternals, Rpc } from '../../src/actors/network/gossip/gossipsub-internals.js'
import { InboundPace } from '../../src/actors/network/gossip/pacing.js'
import { installInboundPipeline } from '../../src/actors/network/gossip/inbound-pipeline.js'
import { PartialRpcs } from '../../src/actors/network/gossip/partial-rpcs.js'

const turn = () => new Promise(resolve => { setImmediate(resolve) })
const rpc = (count: number): Rpc => ({ messages: Array.from({ length: count }, () => ({ topic: 't' })) })

/** gossipsub's reading loop, in which a message takes 3 ms, and streams that can be paused. */
function setUp() {
  const clock = new ManualClock()
  const handled: string[] = []
  const streams = new Map<string, { rawStream: { readStatus: string; log: string[]; pause(): void; resume(): void; abort(): void } }>()
  const gossipsub = {
    streamsInbound: streams,
    createInboundStream: () => undefined, pipePeerReadStream: () => undefined, decodeRpc: () => undefined, handlePeerReadStreamError: () => undefined,
    score: { rejectInvalidMessage: () => undefined },
    async handleReceivedMessage(from: PeerId) { clock.advance(3); handled.push(from.toString()) },
    async handleReceivedRpc(from: PeerId, { messages }: Rpc) { for (const message of messages) await internals.handleReceivedMessage(from, message) },
  }
  const internals = gossipsub as unknown as GossipsubInternals
  const pace = new InboundPace(internals, clock)
  installInboundPipeline({
    gossipsub: internals, topics: new Map([['t', 'commitments']]), pace, stages: [],
    partial: new PartialRpcs({ clock, maxBytes: 1, withinMs: 1, stuck: () => undefined }),
    malformed: () => undefined, broken: () => undefined, badAuthor: () => undefined,
  })
  const peer = (name: string, onResume: () => void = () => undefined) => {
    const stream = {
      readStatus: 'readable', log: [] as string[],
      pause() { stream.readStatus = 'paused'; stream.log.push('pause') },
      resume() { onResume(); stream.readStatus = 'readable'; stream.log.push('resume') },
      abort() { stream.log.push('abort') },
    }
    streams.set(name, { rawStream: stream })
    const id = { toString: () => name } as PeerId
    return { stream, rpcs: async (...rpcs: Rpc[]) => { for (const each of rpcs) await internals.handleReceivedRpc(id, each) } }
  }
  return { handled, pace, peer }
}

describe('network: inbound pace', () => {
  it('H19: handles a slice of a flood in a turn of the loop, whether it comes in one RPC or in many', async () => {
    for (const flood of [[rpc(7)], Array.from({ length: 7 }, () => rpc(1))]) {
      const { handled, pace, peer } = setUp()
      const { rpcs, stream } = peer('p')
      const all = rpcs(...flood)
      const counts: number[] = []
      for (let i = 0; i < 4; i++) { counts.push(handled.length); await turn() }
      await all
      expect(handled.length).to.equal(7)
      // three messages are more than 8 ms
      expect(counts.every((count, i) => count <= 3 * (i + 1)), counts.join()).to.equal(true)
      expect(stream.log[0]).to.equal('pause')
      await turn()
      expect(stream.log.at(-1)).to.equal('resume')
      expect(pace.paused).to.equal(0)
    }
  })

  it('leaves who sends little alone', async () => {
    const { handled, peer } = setUp()
    const { rpcs, stream } = peer('p')
    for (let i = 0; i < 5; i++) { await rpcs(rpc(1)); await turn() }
    expect(handled.length).to.equal(5)
    expect(stream.log).to.deep.equal([])
  })

  it('gets a message of everybody in, in every turn', async () => {
    const { handled, peer } = setUp()
    const [flood, honest] = [peer('flood'), peer('honest')]
    const flooding = flood.rpcs(rpc(30))
    await turn()
    const speaking = honest.rpcs(rpc(2))
    for (let i = 0; i < 3; i++) await turn()
    expect(handled.filter(from => from === 'honest').length).to.equal(2)
    expect(handled.length).to.be.below(20)
    await Promise.all([flooding, speaking])
  })

  it('survives a connection that closes while its stream is paused', async () => {
    const { pace, peer } = setUp()
    const { rpcs, stream } = peer('p', () => { throw new Error('Cannot write to a stream that is closed') })
    await rpcs(rpc(7))
    await turn()
    expect(stream.log.at(-1)).to.equal('abort')
    expect(pace.paused).to.equal(0)
  })
})
