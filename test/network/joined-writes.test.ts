import { Socket } from 'node:net'
import { Writable } from 'node:stream'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { StreamMuxer, StreamMuxerFactory } from '@libp2p/interface'
import { expect } from 'chai'
import { Uint8ArrayList } from 'uint8arraylist'
import type { GossipsubInternals, Rpc } from '../../src/actors/network/gossip/gossipsub-internals.js'
import { joinWrites } from '../../src/actors/network/performance/joined-writes.js'
import { mendedYamux } from '../../src/actors/network/muxer.js'
import { itOverTcp } from '../support/transport.js'
import { until } from '../support/until.js'
import { commitment } from './harness.js'
import { rawPeer, stopRawPeers, topics } from './raw-peer.js'

type Bytes = Uint8Array | Uint8ArrayList

/** A muxer over a connection that only records. */
function recorded() {
  const written: string[] = []
  const closed: string[] = []
  const state = { room: true, fails: false }
  const connection = { writeStatus: 'writable', close: async () => { closed.push('closed') } }
  const muxer = {
    send(bytes: Bytes): boolean {
      if (state.fails || connection.writeStatus !== 'writable') throw new Error('closed')
      written.push(Buffer.from(bytes.subarray()).toString('latin1'))
      return state.room
    },
  }
  joinWrites(muxer as unknown as StreamMuxer, connection)
  return { muxer, connection, written, closed, state, send: (text: string) => muxer.send(Buffer.from(text, 'latin1')) }
}

describe('network: joined writes', () => {
  it('the first leaves at once, what follows in the same go together, in its order', async () => {
    const { send, written } = recorded()
    for (const text of ['a', 'b', 'c']) expect(send(text)).to.equal(true)
    expect(written).to.deep.equal(['a'])
    await Promise.resolve()
    expect(written).to.deep.equal(['a', 'bc'])
    send('d')
    expect(written).to.deep.equal(['a', 'bc', 'd'])
  })

  it('frames of many parts too', async () => {
    const { muxer, written } = recorded()
    for (const [one, two] of ['ab', 'cd', 'ef'] as unknown as Array<[string, string]>) muxer.send(new Uint8ArrayList(Buffer.from(one), Buffer.from(two)))
    await Promise.resolve()
    expect(written).to.deep.equal(['ab', 'cdef'])
  })

  it('enough does not wait, and tells whether there is room for more', async () => {
    const { send, written, state } = recorded()
    const half = 'x'.repeat(20_000)
    expect(send('first')).to.equal(true)
    expect(send(half)).to.equal(true)
    state.room = false
    expect(send(half)).to.equal(false)
    expect(written).to.deep.equal(['first', half + half])
    await Promise.resolve()
    expect(written).to.have.length(2)
    expect(send('alone')).to.equal(false)
  })

  it('a connection that closes takes along what waits', async () => {
    const { send, connection, written, closed } = recorded()
    send('first')
    send('last')
    const closing = connection.close()
    expect(written).to.deep.equal(['first', 'last'])
    await closing
    expect(closed).to.deep.equal(['closed'])
  })

  it('to send on a closed connection throws as before; one that fails later drops what waits', async () => {
    const { send, connection, written, state } = recorded()
    send('first')
    send('lost')
    state.fails = true
    await Promise.resolve()
    expect(() => send('late')).to.throw('closed')
    await Promise.resolve()
    state.fails = false
    send('next')
    send('more')
    await Promise.resolve()
    expect(written).to.deep.equal(['first', 'next', 'more'])
    connection.writeStatus = 'closed'
    expect(() => send('late')).to.throw('closed')
  })

  describe('with the libraries, over TCP', () => {
    afterEach(stopRawPeers)

    const COUNT = 30

    /** Writes to sockets while so many messages go from one peer to another in one go. */
    async function writes(muxer: () => StreamMuxerFactory): Promise<number> {
      const [from, to] = await Promise.all([rawPeer('tcp', { gossip: true, muxer }), rawPeer('tcp', { gossip: true, muxer })])
      await from.dial(to.address)
      const internals = from.pubsub as unknown as GossipsubInternals
      await until(() => internals.getMeshPeers(topics.commitments).includes(to.peerId), 'in mesh')
      const ready: Rpc[] = []
      const send = internals.sendRpc.bind(internals)
      internals.sendRpc = (peer, rpc) => { if (rpc.messages.length > 0) ready.push(rpc); return rpc.messages.length > 0 || send(peer, rpc) }
      for (let n = 1; n <= COUNT; n++) await from.pubsub?.publish(topics.commitments, commitment(n))
      let count = 0
      Object.defineProperty(Socket.prototype, 'write', {
        configurable: true,
        value(this: Socket, ...args: Parameters<Writable['write']>): boolean {
          count++
          return Writable.prototype.write.apply(this, args)
        },
      })
      try {
        for (const rpc of ready) send(to.peerId, rpc)
        await until(() => to.got.length === COUNT, 'all')
      } finally {
        Reflect.deleteProperty(Socket.prototype, 'write')
      }
      return count
    }

    itOverTcp('a burst takes few writes', async () => {
      expect(await writes(mendedYamux())).to.be.below(COUNT)
    })

    itOverTcp('the plain libraries still take two a frame: once this fails the work-around can go', async () => {
      expect(await writes(yamux())).to.be.at.least(COUNT * 2)
    })
  })
})
