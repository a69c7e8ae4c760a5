import fc from 'fast-check'
import type {
  Codec, codecs, ContainerName, PreconfCommitment, Preconfirmation, RawTxListGossip, SignedCommitment,
} from '../../src/protocol/index.js'

export const anyBytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength, size: 'max' })
export const exactBytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length })

/** Small ones, ones around 2^53 and 2^64, and any of 256 bits. */
export const uint256: fc.Arbitrary<bigint> = fc.oneof(
  fc.bigInt({ min: 0n, max: 1n << 40n }), fc.bigInt({ min: (1n << 53n) - 2n, max: (1n << 53n) + 2n }),
  fc.bigInt({ min: (1n << 64n) - 2n, max: (1n << 64n) + 2n }), fc.bigInt({ min: 0n, max: (1n << 256n) - 1n }),
)

/** A record whose prototype is that of an object literal, as decoding makes it. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true })
}

export const preconfirmation: fc.Arbitrary<Preconfirmation> = record<Preconfirmation>({
  eop: fc.boolean(),
  blockNumber: uint256,
  timestamp: uint256,
  gasLimit: uint256,
  coinbase: exactBytes(20),
  anchorBlockNumber: uint256,
  rawTxListHash: exactBytes(32),
  parentPreconfirmationHash: exactBytes(32),
  submissionWindowEnd: uint256,
  proverAuth: exactBytes(20),
  proposalId: uint256,
})

export const preconfCommitment: fc.Arbitrary<PreconfCommitment> = record<PreconfCommitment>({
  preconf: preconfirmation, slasherAddress: exactBytes(20),
})

export const signedCommitment: fc.Arbitrary<SignedCommitment> = record<SignedCommitment>({
  commitment: preconfCommitment, signature: exactBytes(65),
})

const txList: fc.Arbitrary<RawTxListGossip> = record<RawTxListGossip>({ rawTxListHash: exactBytes(32), txlist: anyBytes(3_000) })

type ValueOf<K extends ContainerName> = ReturnType<typeof codecs[K]['decode']>

/** Any value of each container. */
export const values: { readonly [K in ContainerName]: fc.Arbitrary<ValueOf<K>> } = {
  Preconfirmation: preconfirmation,
  PreconfCommitment: preconfCommitment,
  SignedCommitment: signedCommitment,
  RawTxListGossip: txList,
  PreconfHead: record({ blockNumber: uint256, submissionWindowEnd: uint256 }),
  GetHeadRequest: record({ reserved: fc.constant(new Uint8Array(0)) }),
  GetCommitmentsByNumberRequest: record({ startBlockNumber: uint256, maxCount: fc.integer({ min: 0, max: 0xffff_ffff }) }),
  GetCommitmentsByNumberResponse: record({ commitments: fc.array(signedCommitment, { maxLength: 6 }) }),
  GetRawTxListRequest: record({ rawTxListHash: exactBytes(32) }),
  GetRawTxListResponse: txList,
}

/** What a hostile peer makes of good bytes: cut, longer, a few bytes changed (the first ones and offsets more often). */
export function mutated(good: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const change = fc.record({
    at: fc.oneof(fc.constantFrom(0, 1, 4, 32, 33, 34, 35, 297, 349, 381), fc.nat()),
    value: fc.integer({ min: 0, max: 255 }),
  })
  return fc.record({
    good,
    changes: fc.array(change, { maxLength: 4 }),
    length: fc.option(fc.oneof(fc.integer({ min: -4, max: 4 }), fc.integer({ min: -400, max: 400 }))),
  }).map(({ good: bytes, changes, length }) => {
    const out = new Uint8Array(Math.max(0, bytes.length + (length ?? 0)))
    out.set(bytes.subarray(0, out.length))
    for (const { at, value } of changes) if (out.length > 0) out[at % out.length] = value
    return out
  })
}

/** Encodings of a container, good and spoilt, and bytes that have nothing to do with it. */
export function hostileBytes(codec: Codec<unknown>, value: fc.Arbitrary<unknown>): fc.Arbitrary<Uint8Array> {
  return fc.oneof(mutated(value.map((v) => codec.encode(v))), anyBytes(1_000), exactBytes(Math.min(codec.maxSize, 4_000)))
}
