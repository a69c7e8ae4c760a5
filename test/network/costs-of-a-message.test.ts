import crypto from 'node:crypto'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PrivateKey, StreamMuxerFactory } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect } from 'chai'
import fc from 'fast-check'
import { Uint8ArrayList } from 'uint8arraylist'
import type { GossipsubInternals } from '../../src/actors/network/gossip/gossipsub-internals.js'
import { mendedYamux } from '../../src/actors/network/muxer.js'
import { keepSigningKey } from '../../src/actors/network/performance/signing-key.js'
import { fewerWindowUpdates } from '../../src/actors/network/performance/window-updates.js'
import { describeTransports } from '../support/transport.js'
import { until } from '../support/until.js'
import { commitment, txList } from './harness.js'
import { WINDOW_UPDATE, observedYamux } from './observed-yamux.js'
import { rawPeer, stopRawPeers, topics } from './raw-peer.js'
import type { RawPeer } from './raw-peer.js'

type Muxer = () => StreamMuxerFactory
const COUNT = 60

describeTransports('network: what each message costs', transport => {
  afterEach(stopRawPeers)

  /** One that only sends, and one that only takes. */
  async function pair({ sender = yamux(), taker }: { readonly sender?: Muxer; readonly taker: Muxer }): Promise<readonly [RawPeer, RawPeer]> {
    const [from, to] = await Promise.all([rawPeer(transport, { gossip: { maxOutboundBufferSize: 20 * 1_024 * 1_024 }, muxer: sender }), rawPeer(transport, { gossip: true, muxer: taker })])
    await from.dial(to.address)
    const internals = from.pubsub as unknown as GossipsubInternals
    await until(() => [topics.commitments, topics.txLists].every(topic => internals.getMeshPeers(topic).includes(to.peerId)), 'in mesh')
    return [from, to]
  }

  /** One after the other, each in frames of its own. */
  async function send(from: RawPeer, to: RawPeer): Promise<void> {
    for (let n = 1; n <= COUNT; n++) {
      await from.pubsub?.publish(topics.commitments, commitment(n))
      await until(() => to.got.length === n, `message ${n}`)
    }
  }

  describe('window updates', () => {
    async function updatesOf(taker: Muxer, atLeast = 0): Promise<number> {
      let updates = 0
      const [from, to] = await pair({ sender: observedYamux(({ type, length }) => { if (type === WINDOW_UPDATE && length > 0) updates++ }), taker })
      const before = updates
      await send(from, to)
      await until(() => updates - before >= atLeast, `${atLeast} updates`)
      return updates - before
    }

    it('a few for many small messages', async () => {
      expect(await updatesOf(mendedYamux())).to.be.below(COUNT / 4)
    })

    it('the plain library still sends one a message: once this fails the work-around can go', async () => {
      expect(await updatesOf(yamux(), COUNT)).to.be.at.least(COUNT)
    })

    it('as much as ever gets through: more than any window, small and large in turn', async () => {
      const [from, to] = await pair({ taker: mendedYamux({ streamOptions: { maxStreamWindowSize: 256 * 1_024 } }) })
      for (let n = 1; n <= 4; n++) {
        await from.pubsub?.publish(topics.txLists, txList(n, 2_097_152))
        await from.pubsub?.publish(topics.commitments, commitment(n))
      }
      await until(() => to.got.length === 8, 'all')
    })
  })

  describe('reads that end with a frame', () => {
    /** Errors for a length that is not there, made while messages come in one at a time. */
    async function errorsOf(muxer: Muxer): Promise<number> {
      const [from, to] = await pair({ sender: muxer, taker: muxer })
      const plain = globalThis.RangeError
      let made = 0
      globalThis.RangeError = new Proxy(plain, {
        apply(target, self, args: [string]) { made++; return Reflect.apply<unknown, [string], RangeError>(target, self, args) },
      })
      try {
        await send(from, to)
      } finally {
        globalThis.RangeError = plain
      }
      return made
    }

    it('make no error', async () => {
      expect(await errorsOf(mendedYamux())).to.equal(0)
    })

    it('the plain library still makes one each: once this fails the work-around can go', async () => {
      expect(await errorsOf(yamux())).to.be.at.least(COUNT)
    })
  })
})

describe('network: window updates', () => {
  const INIT = 0, ESTABLISHED = 3, PAUSED = 5

  /** A stream whose updates fill its window up again, as yamux's do. */
  function streamWith(state: number, recvWindow: number) {
    const stream = {
      state, recvWindow, recvWindowCapacity: recvWindow, told: 0,
      sendWindowUpdate(): void { this.told++; this.recvWindowCapacity = this.recvWindow },
    }
    return fewerWindowUpdates(stream)
  }

  it('whatever carries a flag, or is held back, stays as it is', () => {
    for (const state of [INIT, PAUSED]) {
      const stream = streamWith(state, 262_144)
      stream.sendWindowUpdate()
      expect(stream.told, String(state)).to.equal(1)
    }
  })

  it('a sender never has less than half a window, nor waits for 32 KiB to be told of', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 1 << 24 }), fc.array(fc.integer({ min: 1, max: 1 << 17 }), { maxLength: 200 }), (window, frames) => {
      const stream = streamWith(ESTABLISHED, window)
      for (const frame of frames) {
        stream.recvWindowCapacity -= Math.min(frame, stream.recvWindowCapacity)
        stream.sendWindowUpdate()
        expect(stream.recvWindowCapacity).to.be.greaterThan(window - 32_768).and.at.least(window / 2)
      }
    }))
  })
})

describe('network: the signing key', () => {
  /** Keys that OpenSSL makes while so many messages are signed. */
  async function keysMadeBy(key: PrivateKey): Promise<number> {
    const { createPrivateKey } = crypto
    let made = 0
    crypto.createPrivateKey = (...args) => { made++; return createPrivateKey(...args) }
    try {
      for (let n = 0; n < 10; n++) await key.sign(Buffer.from([n]))
    } finally {
      crypto.createPrivateKey = createPrivateKey
    }
    return made
  }

  it('signs what the library signs, and is the same key in all else', async () => {
    for (const type of ['Ed25519', 'secp256k1'] as const) {
      const key = await generateKeyPair(type)
      const kept = keepSigningKey(key)
      expect(kept.type).to.equal(type)
      expect(kept.equals(key) && key.equals(kept)).to.equal(true)
      expect(peerIdFromPrivateKey(kept).equals(peerIdFromPrivateKey(key))).to.equal(true)
      const parts = new Uint8ArrayList(Buffer.from('in '), Buffer.from('parts')) as unknown as Uint8Array
      for (const message of [Buffer.alloc(0), Buffer.from('text'), parts]) {
        const signature = await kept.sign(message)
        expect(await key.publicKey.verify(message, signature), type).to.equal(true)
        if (type === 'Ed25519') expect(Buffer.from(signature).equals(await key.sign(message))).to.equal(true)
      }
    }
  })

  it('heeds the signal', async () => {
    const kept = keepSigningKey(await generateKeyPair('Ed25519'))
    expect(() => kept.sign(Buffer.from('text'), { signal: AbortSignal.abort(new Error('enough')) })).to.throw('enough')
  })

  it('is made once', async () => {
    expect(await keysMadeBy(keepSigningKey(await generateKeyPair('Ed25519')))).to.equal(0)
  })

  it('the plain library still makes one for each signature: once this fails the work-around can go', async () => {
    expect(await keysMadeBy(await generateKeyPair('Ed25519'))).to.equal(10)
  })
})
