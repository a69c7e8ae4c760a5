import { expect } from 'chai'
import { ManualClock } from '../../src/actors/kernel/testing/index.js'
import { NetworkError, defaultRedial } from '../../src/actors/network/index.js'
import { ReconnectQueue } from '../../src/actors/network/connections/reconnect-queue.js'

const PEER = '12D3KooWEhyxoc4pATtS7iJkJ8DL2AfyhPhaFBJDDNNrcf4RJwk4'
const ADDRESS = `/ip4/127.0.0.1/tcp/1/p2p/${PEER}`

function setUp({ random = 0, addresses = [ADDRESS] }: { random?: number; addresses?: string[] } = {}) {
  const clock = new ManualClock()
  const world = { connected: false, reachable: false, refusedUntil: undefined as number | undefined, dials: [] as number[], addresses: 0, reason: 'unreachable', told: [] as Array<string | undefined> }
  const start = clock.monotonic()
  const statics = new ReconnectQueue({
    clock, random: () => random, policy: defaultRedial,
    isConnected: () => world.connected,
    told: ({ reason }) => { world.told.push(reason) },
    refusedUntil: () => world.refusedUntil,
    async dial(targets) {
      world.dials.push(clock.monotonic() - start)
      world.addresses = targets.length
      if (!world.reachable) throw new Error(world.reason)
      world.connected = true
    },
  }, addresses)
  const advance = async (ms: number): Promise<void> => {
    await new Promise(setImmediate)
    for (let left = ms; left > 0; left -= 100) { clock.advance(Math.min(100, left)); await new Promise(setImmediate) }
  }
  return { advance, clock, statics, world }
}

describe('network: static peers', () => {
  it('H29: are dialled again for ever, each time later, up to a cap', async () => {
    const { advance, statics, world } = setUp()
    statics.start()
    await advance(400_000)
    expect(world.dials.slice(0, 8)).to.deep.equal([0, 1_000, 3_000, 7_000, 15_000, 31_000, 63_000, 123_000])
    expect(world.dials.at(-1)).to.equal(363_000)
    statics.stop()
    await advance(200_000)
    expect(world.dials.at(-1)).to.equal(363_000)
  })

  it('spreads the delays by chance', async () => {
    const { advance, statics, world } = setUp({ random: 0.999 })
    statics.start()
    await advance(1_000)
    expect(world.dials[1]).to.be.closeTo(500, 1)
  })

  it('are dialled again when their connection closes, from the first delay if it was there for long', async () => {
    const { advance, statics, world } = setUp()
    statics.start()
    await advance(8_000)
    world.reachable = true
    await advance(8_000)
    expect(world.connected).to.equal(true)
    const before = world.dials.length
    world.connected = false
    statics.settled(PEER)
    statics.disconnected(PEER)
    await advance(1_000)
    expect(world.dials.length).to.equal(before + 1)
  })

  it('H41: are left alone for hours after they have closed on us', async () => {
    const { advance, clock, statics, world } = setUp()
    world.reachable = true
    statics.start()
    await advance(100)
    world.connected = false
    world.refusedUntil = clock.monotonic() + 7_200_000
    statics.disconnected(PEER)
    await advance(3_600_000)
    expect(world.dials.length).to.equal(1)
    await advance(3_700_000)
    expect(world.dials.length).to.equal(2)
  })

  it('H80: that one cannot be reached is told once, with the reason, and again when that changes; and that it is reached', async () => {
    const { advance, clock, statics, world } = setUp()
    statics.start()
    await advance(60_000)
    expect(world.dials.length).to.be.above(4)
    expect(world.told).to.deep.equal(['unreachable'])
    expect(statics.troubles).to.deep.equal([{ peer: PEER, addresses: [ADDRESS], reason: 'unreachable' }])
    // a number in it does not make it another
    for (const reason of ['refused after 12 ms', 'refused after 13 ms', 'no such host']) { world.reason = reason; await advance(120_000) }
    expect(world.told).to.deep.equal(['unreachable', 'refused after 12 ms', 'no such host'])
    world.reachable = true
    await advance(120_000)
    expect(world.told.at(-1)).to.equal(undefined)
    expect(statics.troubles).to.deep.equal([])
    world.connected = false
    world.refusedUntil = clock.monotonic() + 7_200_000
    statics.disconnected(PEER)
    expect(statics.troubles[0]?.reason).to.include('banned us')
    statics.connected(PEER)
    expect(statics.troubles).to.deep.equal([])
  })

  it('tries all addresses of a peer together', async () => {
    const { statics, world } = setUp({ addresses: [ADDRESS, `/ip4/127.0.0.1/tcp/2/p2p/${PEER}`] })
    statics.start()
    expect(world.dials.length).to.equal(1)
    expect(world.addresses).to.equal(2)
  })

  it('must name their peer', () => {
    expect(() => setUp({ addresses: ['/ip4/127.0.0.1/tcp/1'] })).to.throw(NetworkError).with.property('code', 'peer_id_missing')
    expect(() => setUp({ addresses: ['localhost:1'] })).to.throw(NetworkError).with.property('code', 'bad_address')
  })
})
