import { createSocket } from 'node:dgram'
import { setTimeout as sleep } from 'node:timers/promises'
import { DEFAULT_CHAIN_ID, encodeFrame, protocolsOf } from '../../../src/protocol/index.js'
import { Attacker, rawSocket, tell } from './attacker.js'
import type { Target } from './attacker.js'
import type { Chance } from './chance.js'
import { HEADER, YAMUX, field, intField, line, prefixed, varint, yamuxFrame } from './encode.js'
import type { GossipRpcs } from './gossip-rpc.js'

export interface Move {
  readonly chance: Chance
  readonly target: Target
  /** The loopback address that it comes from. */
  readonly from: string
  readonly rpcs: GossipRpcs
}

const protocols = protocolsOf(DEFAULT_CHAIN_ID)
const NAMES: readonly string[] = ['/noise', '/yamux/1.0.0', '/meshsub/1.1.0', '/meshsub/1.2.0', '/ipfs/id/1.0.0', '/ipfs/id/push/1.0.0', '/ipfs/ping/1.0.0', protocols.head, protocols.commitments, protocols.txList, 'na', 'ls', '']

function proposal(chance: Chance): Buffer {
  switch (chance.int(6)) {
    case 0: return HEADER
    case 1: return line(chance.pick(NAMES))
    case 2: return Buffer.concat(chance.some(400, () => line('na')))
    case 3: return Buffer.concat([varint(chance.number()), chance.bytes(chance.int(60))])
    case 4: return Buffer.concat(chance.some(100, () => line(`/x/${chance.int(1_000)}`)))
    default: return chance.bytes(chance.int(200))
  }
}

/** Before noise: anything, in any pieces, and then gone, ended, or silent for a moment. */
async function beforeNoise({ chance, from, target }: Move): Promise<void> {
  const socket = await rawSocket(target, from)
  const begins = chance.yes(0.6) ? [HEADER, ...chance.yes(0.5) ? [line('/noise')] : []] : []
  for (const bytes of [...begins, ...chance.some(20, () => proposal(chance))]) {
    if (socket.destroyed) return
    socket.write(chance.yes(0.2) ? chance.mutated(bytes) : bytes)
    if (chance.yes(0.3)) await sleep(chance.int(20))
  }
  await sleep(chance.int(300))
  if (chance.yes()) socket.end()
  socket.destroy()
}

/** Noise is chosen, and what follows is none. */
async function noNoise({ chance, from, target }: Move): Promise<void> {
  const socket = await rawSocket(target, from)
  socket.write(Buffer.concat([HEADER, line('/noise')]))
  for (let more = chance.between(1, 6); more > 0 && !socket.destroyed; more--) {
    const body = chance.bytes(chance.pick([0, 32, 48, 96, 300]))
    const length = Buffer.alloc(2)
    length.writeUInt16BE(chance.yes(0.7) ? body.length : chance.int(65_536))
    socket.write(Buffer.concat([length, body]))
    await sleep(chance.int(30))
  }
  socket.destroy()
}

/** yamux frames of all types, flags, lengths and orders. */
async function frames({ chance, from, target }: Move): Promise<void> {
  const attacker = await Attacker.connect(target, from)
  try {
    const ids = Array.from({ length: 6 }, () => chance.pick([0, 2 * chance.int(40) + 1, 2 * chance.int(40) + 2, chance.number()]))
    const repeats = chance.yes(0.2) ? chance.between(100, 3_000) : 1
    for (const frame of chance.some(60, () => {
      const body = chance.bytes(chance.pick([0, 0, 1, 20, 200]))
      return yamuxFrame(chance.pick([0, 0, 1, 1, 2, 3, chance.int(256)]), chance.pick([0, YAMUX.syn, YAMUX.ack, YAMUX.fin, YAMUX.rst, chance.int(65_536)]), chance.pick(ids),
        chance.yes(0.7) ? body.length : chance.number(), body, chance.yes(0.02) ? chance.int(256) : 0)
    })) attacker.frames(...Array.from({ length: repeats }, () => frame))
    await sleep(chance.int(300))
  } finally {
    await attacker.stop()
  }
}

/** Streams that negotiate for ever. */
async function negotiation({ chance, from, target }: Move): Promise<void> {
  const attacker = await Attacker.connect(target, from)
  try {
    for (let id = 1_001; id < 1_001 + 2 * chance.between(1, 12); id += 2) {
      const bytes = Buffer.concat([HEADER, ...chance.some(30, () => proposal(chance))])
      attacker.frames(yamuxFrame(YAMUX.data, YAMUX.syn, id, bytes.length, bytes), ...chance.yes(0.3) ? [yamuxFrame(YAMUX.data, YAMUX.fin, id, 0)] : [])
    }
    await sleep(chance.int(400))
  } finally {
    await attacker.stop()
  }
}

/** What identify and ping take. */
async function services({ chance, from, target }: Move): Promise<void> {
  const attacker = await Attacker.connect(target, from)
  try {
    for (let more = chance.between(1, 6); more > 0; more--) {
      const protocol = chance.pick(['/ipfs/ping/1.0.0', '/ipfs/id/1.0.0', '/ipfs/id/push/1.0.0'])
      // one that the node does not speak is a move too
      const stream = await attacker.open(protocol).catch(() => undefined)
      if (stream === undefined) continue
      if (protocol === '/ipfs/ping/1.0.0') {
        for (const each of chance.some(200, () => chance.bytes(chance.pick([1, 31, 32, 33, 1_000])))) tell(stream, each)
      } else {
        const identify = Buffer.concat([
          ...chance.some(3_000, () => field(2, chance.bytes(chance.int(30)))), ...chance.some(2_000, () => field(3, chance.pick(NAMES))), field(1, chance.bytes(36)), field(4, chance.bytes(8)),
          field(5, 'preconf-p2p/0.1'), field(6, chance.yes() ? 'preconfirmation-p2p/9' : 'x'.repeat(chance.int(3_000))), ...chance.yes(0.3) ? [field(8, chance.bytes(200))] : [], intField(chance.int(30), chance.number()),
        ])
        tell(stream, chance.yes(0.7) ? prefixed(identify) : chance.mutated(prefixed(identify)))
      }
      if (chance.yes()) await stream.close({ signal: AbortSignal.timeout(1_000) }).catch(() => undefined)
      else stream.abort(new Error('gone'))
    }
    await sleep(chance.int(200))
  } finally {
    await attacker.stop()
  }
}

/** Gossip, field by field, in frames that may lie about their length. */
async function gossip({ chance, from, rpcs, target }: Move): Promise<void> {
  const attacker = await Attacker.connect(target, from)
  try {
    const stream = await attacker.open(chance.pick(['/meshsub/1.1.0', '/meshsub/1.2.0', '/meshsub/1.0.0']))
    for (let more = chance.between(1, 12); more > 0; more--) {
      const rpc = await rpcs.rpc()
      const bytes = chance.yes(0.9) ? prefixed(rpc) : Buffer.concat([varint(chance.number()), rpc])
      const times = chance.yes(0.1) ? chance.between(10, 100) : 1
      for (let at = 0; at < times; at++) if (!tell(stream, bytes)) return
      await sleep(chance.int(30))
    }
    await sleep(chance.int(300))
  } finally {
    await attacker.stop()
  }
}

function requestOf(chance: Chance, kind: keyof typeof protocols): Buffer {
  const page = Buffer.alloc(36)
  page.writeUInt32LE(chance.number(), 0)
  page.writeUInt32LE(chance.number(), 32)
  return kind === 'head' ? Buffer.from([4, 0, 0, 0]) : kind === 'commitments' ? page : chance.bytes(32)
}

/** The three protocols: whole requests, broken ones, slow ones, and answers that nobody reads. */
async function requests({ chance, from, target }: Move): Promise<void> {
  const attacker = await Attacker.connect(target, from)
  try {
    for (let more = chance.between(1, 40); more > 0; more--) {
      const kind = chance.pick(Object.keys(protocols) as Array<keyof typeof protocols>)
      const stream = await attacker.open(protocols[kind])
      const whole = Buffer.from(encodeFrame(requestOf(chance, kind)))
      const bytes = chance.pick([() => whole, () => whole, () => chance.mutated(whole), () => Buffer.concat([varint(chance.number()), chance.bytes(chance.int(600))]), () => Buffer.concat([whole, whole])])()
      const cut = chance.yes(0.2) ? chance.int(bytes.length + 1) : bytes.length
      tell(stream, bytes.subarray(0, cut))
      if (cut < bytes.length) { await sleep(chance.int(50)); tell(stream, bytes.subarray(cut)) }
      switch (chance.int(4)) {
        case 0: stream.abort(new Error('gone')); break
        case 1: break
        case 2: stream.pause(); break
        default: stream.close({ signal: AbortSignal.timeout(2_000) }).catch(() => undefined)
      }
    }
    await sleep(chance.int(300))
  } finally {
    await attacker.stop()
  }
}

/** discv5: packets in its form with anything in them, and packets that are none. */
async function discovery({ chance, from, target }: Move): Promise<void> {
  const { discovery: at } = target
  if (at === undefined) return
  const { PacketType, encodePacket } = await import('@chainsafe/discv5/packet')
  const socket = createSocket('udp4')
  socket.on('error', () => undefined)
  await new Promise<void>(resolve => { socket.bind(0, from, resolve) })
  for (let more = chance.between(1, 60); more > 0; more--) {
    const authdata = chance.bytes(chance.pick([0, 24, 32, 34, 131, 300]))
    const header = {
      protocolId: 'discv5', version: chance.yes(0.9) ? 1 : chance.int(65_536), flag: chance.pick([PacketType.Message, PacketType.WhoAreYou, PacketType.Handshake, chance.int(256)]),
      nonce: chance.bytes(12), authdataSize: chance.yes(0.9) ? authdata.length : chance.int(65_536), authdata,
    }
    const packet = { maskingIv: chance.bytes(16), header, message: chance.bytes(chance.int(1_100)) }
    const bytes = chance.yes(0.8) ? encodePacket(at.nodeId, packet) : chance.bytes(chance.int(1_400))
    socket.send(chance.yes(0.2) ? chance.mutated(bytes) : bytes, at.port, '127.0.0.1', () => undefined)
    if (chance.yes(0.3)) await sleep(chance.int(10))
  }
  await sleep(5)
  socket.close()
}

export const moves = { beforeNoise, noNoise, frames, negotiation, services, gossip, requests, discovery } as const
export type MoveName = keyof typeof moves
