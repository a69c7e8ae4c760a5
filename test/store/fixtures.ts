import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CommitmentPut, Standing } from '../../src/actors/store/database.js'
import { OFFSETS, SIGNED_COMMITMENT_SIZE } from '../../src/protocol/layout.js'

export interface Fields {
  readonly height: bigint
  /** Tells commitments of one height apart. */
  readonly variant?: number
  readonly window?: bigint
  readonly handover?: boolean
  readonly standing?: Standing
  readonly txList?: Uint8Array
  readonly signer?: Uint8Array
}

export const signerOf = (number: number): Uint8Array => new Uint8Array(20).fill(number)

/** 32 bytes that stand for a keccak256. */
export const hashOf = (...parts: readonly (string | Uint8Array)[]): Uint8Array => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return new Uint8Array(hash.digest())
}

function writeUint256(to: Uint8Array, offset: number, value: bigint): void {
  for (let at = 0, left = value; at < 32; at++, left >>= 8n) to[offset + at] = Number(left & 0xffn)
}

/** A commitment as the store takes it: the fields that it reads are in the SSZ, the rest is filled with the variant. */
export function commitment(fields: Fields): CommitmentPut {
  const { height, variant = 0, window = 1_000n, handover = false, standing = 'canonical', txList, signer = signerOf(1) } = fields
  const ssz = new Uint8Array(SIGNED_COMMITMENT_SIZE).fill(variant + 1)
  ssz[OFFSETS.eop] = handover ? 1 : 0
  writeUint256(ssz, OFFSETS.blockNumber, height)
  writeUint256(ssz, OFFSETS.submissionWindowEnd, window)
  const named = txList === undefined ? hashOf('txlist', height.toString(), String(variant)) : hashOf(txList)
  ssz.set(handover ? new Uint8Array(32) : named, OFFSETS.rawTxListHash)
  return { hash: hashOf(ssz), signer, ssz, standing }
}

export const blocks = (from: bigint, count: number): CommitmentPut[] =>
  Array.from({ length: count }, (_, at) => commitment({ height: from + BigInt(at) }))

export const hex = (bytes: Uint8Array | undefined): string => bytes === undefined ? 'none' : Buffer.from(bytes).toString('hex')

/** The SSZ of each, one after the other. */
export const concat = (puts: readonly CommitmentPut[]): string => puts.map(({ ssz }) => hex(ssz)).join('')

export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'store-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** What a promise rejected with. */
export async function failureOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}
