import { OFFSETS, SIGNED_COMMITMENT_SIZE } from '../../src/protocol/index.js'
import { chainOf } from './blocks.js'
import type { Topic } from './wire.js'

/** What a flood is made of. */
export const ATTACKS = ['rejects', 'unknownWindows', 'highS', 'unreferencedTxLists'] as const
export type Attack = typeof ATTACKS[number]

/** The order of secp256k1's group. */
const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n
const STRANGER = new Uint8Array(32).fill(9)
/** Before the schedule begins. */
const UNKNOWN_WINDOW = 1_600_000_000
const TXLIST_BYTES = 200

/** Different messages of one kind, each valid as far as its sender can make it so; others for another `salt`, from 1 on: 0 is the honest chain's. */
export async function attackMessages(attack: Attack, count: number, salt = 1): Promise<{ readonly topic: Topic; readonly messages: readonly Uint8Array[] }> {
  switch (attack) {
    case 'rejects': return { topic: 'commitments', messages: (await chainOf({ key: STRANGER, salt })).next(count) }
    case 'unknownWindows': return { topic: 'commitments', messages: (await chainOf({ key: STRANGER, salt, window: UNKNOWN_WINDOW })).next(count) }
    case 'highS': return { topic: 'commitments', messages: (await chainOf({ salt })).next(count).map(highS) }
    case 'unreferencedTxLists': return { topic: 'txLists', messages: Array.from({ length: count }, (_, at) => txList(at, salt)) }
  }
}

/** The same signature in its other form: s → n − s, the parity of v flipped. */
export function highS(commitment: Uint8Array): Uint8Array {
  const mangled = commitment.slice()
  const s = Buffer.from(mangled.buffer, OFFSETS.signature + 32, 32)
  s.write((ORDER - BigInt(`0x${s.toString('hex')}`)).toString(16).padStart(64, '0'), 'hex')
  mangled[SIGNED_COMMITMENT_SIZE - 1]! ^= 1
  return mangled
}

function txList(at: number, salt: number): Uint8Array {
  const bytes = new Uint8Array(TXLIST_BYTES).fill(0xf0)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, at)
  view.setUint32(4, salt)
  return bytes
}
