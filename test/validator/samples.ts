/** Real messages for the tests of this room: signed commitments and txlists of the vectors, and what is to be found of them. */
import { readFileSync } from 'node:fs'
import { OFFSETS, TXLIST_HEADER_SIZE, fromHex } from '../../src/protocol/index.js'

interface ChainVectors { readonly commitments: readonly { readonly ssz: string; readonly txlist: string | null }[] }
interface SigningVectors {
  readonly valid: readonly { readonly ssz: string; readonly address: string; readonly preconfirmationHash: string }[]
  readonly mutated: readonly { readonly name: string; readonly ssz: string; readonly recovered: string | null; readonly signer: string }[]
}
interface TxListVectors {
  readonly hashes: readonly { readonly name: string; readonly txlist: string; readonly hash: string }[]
}

const read = (file: string): unknown => JSON.parse(readFileSync(new URL(`../../../test/vectors/data/${file}`, import.meta.url), 'utf8'))

export const signing = read('signing.json') as SigningVectors
const chain = read('chain.json') as ChainVectors
const txLists = read('txlists.json') as TxListVectors

/** Linked commitments with valid signatures, 382 bytes each. */
export const commitments: readonly Uint8Array[] = chain.commitments.map(({ ssz }) => fromHex(ssz))

/** `count` commitments, all valid, going round the vectors. */
export function someCommitments(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => commitments[index % commitments.length]!.slice())
}

/** A txlist message: its hash, the offset of the list, the list. */
export function txListMessage(hash: Uint8Array, txList: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(TXLIST_HEADER_SIZE + txList.length)
  bytes.set(hash, 0)
  bytes[32] = TXLIST_HEADER_SIZE
  bytes.set(txList, TXLIST_HEADER_SIZE)
  return bytes
}

/** Valid txlist messages. */
export const txListMessages: readonly Uint8Array[] = txLists.hashes.map(({ hash, txlist }) => txListMessage(fromHex(hash), fromHex(txlist)))

/** A copy with one byte changed. */
export function withByte(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = bytes.slice()
  copy[at] = value
  return copy
}

export const POISON_MARK: readonly number[] = [0xde, 0xad, 0xfe, 0xed]
export const POISON_AT = OFFSETS.proverAuth
/** How `workers/poison.ts` dies of a commitment. */
export type Poison = 'exit' | 'throw' | 'memory' | 'originals' | 'block' | 'loop'
export const POISONS: readonly Poison[] = ['exit', 'throw', 'memory', 'originals', 'block', 'loop']

/** A commitment that kills the thread of `workers/poison.ts` that gets it. */
export function poisoned(bytes: Uint8Array, how: Poison): Uint8Array {
  const copy = bytes.slice()
  copy.set([...POISON_MARK, POISONS.indexOf(how)], POISON_AT)
  return copy
}
