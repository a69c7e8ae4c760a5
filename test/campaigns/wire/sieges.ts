import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { RPC } from '@libp2p/gossipsub/message'
import { attackMessages } from '../../../bench/net/attacks.js'
import type { Attack } from '../../../bench/net/attacks.js'
import { DEFAULT_CHAIN_ID, encodeFrame, protocolsOf, topicsOf } from '../../../src/protocol/index.js'
import { createAuthors, envelopes } from '../../network/envelopes.js'
import { Attacker, rawSocket, tell } from './attacker.js'
import { HEADER, YAMUX, field, line, prefixed, yamuxFrame } from './encode.js'
import { moves } from './moves.js'
import type { Move } from './moves.js'

/** A move that is made again and again; where it holds something, it holds it until then. */
export interface Siege extends Move { readonly until: number }

const topics = topicsOf(DEFAULT_CHAIN_ID)
const protocols = protocolsOf(DEFAULT_CHAIN_ID)
/** What one attacker holds, it holds for so long, ms. */
const HOLD = 10_000
const hold = async (until: number, attacker?: Attacker): Promise<void> => {
  for (const end = Math.min(until, performance.now() + HOLD); performance.now() < end && attacker?.isConnected !== false;) await sleep(100)
}

async function as({ from, target }: Siege, how: (attacker: Attacker) => Promise<void>): Promise<void> {
  const attacker = await Attacker.connect(target, from)
  try { await how(attacker) } finally { await attacker.stop() }
}

const SUBSCRIBED = prefixed(Buffer.concat([topics.commitments, topics.txLists].map(topic => field(1, Buffer.concat([Buffer.from([8, 1]), field(2, topic)])))))
const GRAFTED = prefixed(field(3, Buffer.concat([topics.commitments, topics.txLists].map(topic => field(3, field(1, topic))))))

/** Messages of one kind under a new identity that signs them, as its own. */
async function flood(siege: Siege, attack: Attack): Promise<void> {
  const { signed } = await author()
  const { topic, messages } = await attackMessages(attack, 60, siege.chance.between(1, 255))
  const made = await Promise.all(messages.map(async data => prefixed(field(2, await signed(topics[topic], data)))))
  await as(siege, async attacker => {
    const stream = await attacker.open('/meshsub/1.1.0')
    tell(stream, SUBSCRIBED)
    for (const message of made) {
      if (!tell(stream, message)) return
      await sleep(20)
    }
  })
}

/** An author of the right form. */
async function author(): Promise<{ signed: (topic: string, data: Uint8Array) => Promise<Uint8Array> }> {
  const ed25519 = await generateKeyPair('Ed25519')
  return {
    async signed(topic, data) {
      const fields = { from: ed25519.publicKey.toMultihash().bytes, data, seqno: createHash('sha256').update(data).digest().subarray(0, 8), topic }
      return RPC.Message.encode({ ...fields, signature: await ed25519.sign(Buffer.concat([Buffer.from('libp2p-pubsub:'), RPC.Message.encode(fields)])) })
    },
  }
}

/** Raw snappy that is a txlist of 36 bytes and declares 10 MiB. */
const BOMB = Buffer.concat([Buffer.from([0x80, 0x80, 0x80, 0x05]), Buffer.alloc(28, 0xfe), Buffer.from([36, 0, 0, 0]), Buffer.alloc(8_000, 0xfe)])

export const sieges = {
  /** H63 */
  declaredLength: siege => as(siege, async attacker => {
    attacker.frames(yamuxFrame(YAMUX.data, YAMUX.syn, 10_001, 0x12c00000, Buffer.alloc(60_000)))
    for (let at = 0; at < 50 && attacker.isConnected; at++) { attacker.frames(Buffer.alloc(60_000)); await sleep(20) }
  }),
  /** H64 */
  proposals: async ({ from, target }) => {
    const socket = await rawSocket(target, from)
    socket.write(HEADER)
    for (let at = 0; at < 20 && !socket.destroyed; at++) { socket.write(Buffer.concat(Array.from({ length: 2_000 }, () => line('na')))); await sleep(20) }
    socket.destroy()
  },
  streamProposals: siege => moves.negotiation(siege),
  /** H65 */
  emptyFrames: siege => as(siege, async attacker => {
    for (let at = 0; at < 50 && attacker.isConnected; at++) {
      attacker.frames(...Array.from({ length: 500 }, (_, n) => [yamuxFrame(YAMUX.window, YAMUX.syn, 10_001 + 1_000 * at + 2 * n, 0), yamuxFrame(YAMUX.window, YAMUX.rst, 10_001 + 1_000 * at + 2 * n, 0)]).flat())
      await sleep(20)
    }
  }),
  pings: siege => as(siege, async attacker => {
    for (let at = 0; at < 100 && attacker.isConnected; at++) { attacker.frames(...Array.from({ length: 500 }, (_, n) => yamuxFrame(YAMUX.ping, YAMUX.syn, 0, n))); await sleep(20) }
  }),
  /** H66 */
  envelopes: siege => as(siege, async attacker => {
    const authors = await createAuthors()
    const stream = await attacker.open('/meshsub/1.1.0')
    tell(stream, SUBSCRIBED)
    for (const each of envelopes) {
      const list = siege.chance.bytes(64)
      const data = Buffer.concat([list.subarray(0, 32), Buffer.from([36, 0, 0, 0]), list])
      if (!tell(stream, prefixed(field(2, await each.make(authors, { data, topic: topics.txLists, seqno: siege.chance.bytes(8) }))))) return
      await sleep(10)
    }
  }),
  /** H68: in the mesh, and reads nothing. */
  mute: siege => as(siege, async attacker => {
    const stream = await attacker.open('/meshsub/1.1.0')
    tell(stream, SUBSCRIBED)
    tell(stream, GRAFTED)
    stream.pause()
    await hold(siege.until, attacker)
  }),
  /** H69: requests that do not end, and answers that nobody reads. */
  streams: siege => as(siege, async attacker => {
    for (let at = 0; at < 60; at++) {
      const stream = await attacker.open(protocols.commitments)
      if (at % 2 === 0) { tell(stream, encodeFrame(Buffer.alloc(36, 1))); stream.pause() }
    }
    await hold(siege.until, attacker)
  }),
  requests: siege => moves.requests(siege),
  /** H70 */
  silent: async ({ from, target, until }) => {
    const sockets = await Promise.all(Array.from({ length: 8 }, async () => rawSocket(target, from)))
    for (const end = Math.min(until, performance.now() + HOLD); performance.now() < end && sockets.some(({ destroyed }) => !destroyed);) await sleep(100)
    for (const socket of sockets) socket.destroy()
  },
  /** H71: identities that only sit there, in the mesh. */
  identities: async siege => {
    const all = await Promise.allSettled(Array.from({ length: 4 }, async () => as(siege, async attacker => {
      const stream = await attacker.open('/meshsub/1.1.0')
      tell(stream, SUBSCRIBED)
      tell(stream, GRAFTED)
      await hold(siege.until, attacker)
    })))
    if (all.every(({ status }) => status === 'rejected')) throw new Error('none was let in')
  },
  /** H72 */
  bombs: siege => as(siege, async attacker => {
    const { signed } = await author()
    const stream = await attacker.open('/meshsub/1.1.0')
    for (let at = 0; at < 40; at++) {
      BOMB.writeUInt32LE(siege.chance.int(2 ** 31), BOMB.length - 8)
      if (!tell(stream, prefixed(field(2, await signed(topics.txLists, Buffer.from(BOMB)))))) return
      await sleep(20)
    }
  }),
  emptyFields: siege => as(siege, async attacker => {
    const stream = await attacker.open('/meshsub/1.1.0')
    const rpc = prefixed(Buffer.concat(Array.from({ length: 200_000 }, () => field(3, new Uint8Array(0)))))
    for (let at = 0; at < 10; at++) { if (!tell(stream, rpc)) return; await sleep(100) }
  }),
  /** H85, and what earns no penalty (H18). */
  foreignSigners: siege => flood(siege, 'rejects'),
  unknownWindows: siege => flood(siege, 'unknownWindows'),
  unreferencedTxLists: siege => flood(siege, 'unreferencedTxLists'),
  gossip: siege => moves.gossip(siege),
  identify: siege => moves.services(siege),
  noise: siege => moves.noNoise(siege),
  discovery: siege => moves.discovery(siege),
} as const satisfies Record<string, (siege: Siege) => Promise<void>>
export type SiegeName = keyof typeof sieges
