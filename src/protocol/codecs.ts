// Imported file by file: the library's index loads twice as many files at every start.
import { BooleanType } from '@chainsafe/ssz/lib/type/boolean.js'
import { ByteListType } from '@chainsafe/ssz/lib/type/byteList.js'
import { ByteVectorType } from '@chainsafe/ssz/lib/type/byteVector.js'
import { ContainerType } from '@chainsafe/ssz/lib/type/container.js'
import { ListCompositeType } from '@chainsafe/ssz/lib/type/listComposite.js'
import { UintBigintType, UintNumberType } from '@chainsafe/ssz/lib/type/uint.js'
import {
  badValue, checkBoolAt, checkBoolean, checkByteList, checkBytes, checkCount, checkObject, checkOffset, checkSize, checkUint256,
  checkUint32,
  codec, type Codec,
} from './codec.js'
import type {
  GetCommitmentsByNumberRequest, GetCommitmentsByNumberResponse, GetHeadRequest, GetRawTxListRequest, GetRawTxListResponse,
  PreconfCommitment, PreconfHead, Preconfirmation, RawTxListGossip, SignedCommitment,
} from './values.js'
import {
  ADDRESS_SIZE, COMMITMENT_SIZE, COMMITMENTS_REQUEST_SIZE, HASH_SIZE, HEAD_REQUEST_SIZE, HEAD_SIZE, MAX_COMMITMENTS,
  MAX_TXLIST_BYTES, OFFSETS, PAGE_HEADER_SIZE, PRECONFIRMATION_SIZE, SIGNATURE_SIZE, SIGNED_COMMITMENT_SIZE, TXLIST_HEADER_SIZE,
  TXLIST_REQUEST_SIZE,
} from './layout.js'
import { checkPage } from './page.js'

const bool = new BooleanType()
const uint32 = new UintNumberType(4)
const uint256 = new UintBigintType(32)
const address = new ByteVectorType(ADDRESS_SIZE)
const hash = new ByteVectorType(HASH_SIZE)
const txList = new ByteListType(MAX_TXLIST_BYTES)

const preconfirmationType = new ContainerType({
  eop: bool,
  blockNumber: uint256,
  timestamp: uint256,
  gasLimit: uint256,
  coinbase: address,
  anchorBlockNumber: uint256,
  rawTxListHash: hash,
  parentPreconfirmationHash: hash,
  submissionWindowEnd: uint256,
  proverAuth: address,
  proposalId: uint256,
})
const commitmentType = new ContainerType({ preconf: preconfirmationType, slasherAddress: address })
const signedCommitmentType = new ContainerType({ commitment: commitmentType, signature: new ByteVectorType(SIGNATURE_SIZE) })
const signedCommitmentsType = new ListCompositeType(signedCommitmentType, MAX_COMMITMENTS)

export const PreconfirmationCodec: Codec<Preconfirmation> = codec<Preconfirmation>({
  name: 'Preconfirmation',
  maxSize: PRECONFIRMATION_SIZE,
  type: preconfirmationType,
  checkBytes(bytes) {
    checkSize('Preconfirmation', bytes, PRECONFIRMATION_SIZE)
    checkBoolAt('Preconfirmation', bytes, OFFSETS.eop)
  },
  checkValue: checkPreconfirmation,
})

function checkPreconfirmation(value: Preconfirmation, path: string): void {
  checkBoolean(value.eop, path, 'eop')
  checkUint256(value.blockNumber, path, 'blockNumber')
  checkUint256(value.timestamp, path, 'timestamp')
  checkUint256(value.gasLimit, path, 'gasLimit')
  checkBytes(value.coinbase, ADDRESS_SIZE, path, 'coinbase')
  checkUint256(value.anchorBlockNumber, path, 'anchorBlockNumber')
  checkBytes(value.rawTxListHash, HASH_SIZE, path, 'rawTxListHash')
  checkBytes(value.parentPreconfirmationHash, HASH_SIZE, path, 'parentPreconfirmationHash')
  checkUint256(value.submissionWindowEnd, path, 'submissionWindowEnd')
  checkBytes(value.proverAuth, ADDRESS_SIZE, path, 'proverAuth')
  checkUint256(value.proposalId, path, 'proposalId')
}

export const PreconfCommitmentCodec: Codec<PreconfCommitment> = codec<PreconfCommitment>({
  name: 'PreconfCommitment',
  maxSize: COMMITMENT_SIZE,
  type: commitmentType,
  checkBytes(bytes) {
    checkSize('PreconfCommitment', bytes, COMMITMENT_SIZE)
    checkBoolAt('PreconfCommitment', bytes, OFFSETS.eop)
  },
  checkValue: checkCommitmentValue,
})

function checkCommitmentValue(value: PreconfCommitment, path: string): void {
  checkObject(value.preconf, `${path}.preconf`)
  checkPreconfirmation(value.preconf, `${path}.preconf`)
  checkBytes(value.slasherAddress, ADDRESS_SIZE, path, 'slasherAddress')
}

export const SignedCommitmentCodec: Codec<SignedCommitment> = codec<SignedCommitment>({
  name: 'SignedCommitment',
  maxSize: SIGNED_COMMITMENT_SIZE,
  type: signedCommitmentType,
  checkBytes(bytes) {
    checkSize('SignedCommitment', bytes, SIGNED_COMMITMENT_SIZE)
    checkBoolAt('SignedCommitment', bytes, OFFSETS.eop)
  },
  checkValue: checkSignedCommitment,
})

function checkSignedCommitment(value: SignedCommitment, path: string): void {
  checkObject(value.commitment, `${path}.commitment`)
  checkCommitmentValue(value.commitment, `${path}.commitment`)
  checkBytes(value.signature, SIGNATURE_SIZE, path, 'signature')
}

/** The gossip message and the response have one form. */
function txListCodec(name: string): Codec<RawTxListGossip> {
  return codec<RawTxListGossip>({
    name,
    maxSize: TXLIST_HEADER_SIZE + MAX_TXLIST_BYTES,
    type: new ContainerType({ rawTxListHash: hash, txlist: txList }),
    checkBytes(bytes) {
      checkOffset(name, bytes, TXLIST_HEADER_SIZE)
      checkCount(`${name}.txlist`, bytes.length - TXLIST_HEADER_SIZE, MAX_TXLIST_BYTES)
    },
    checkValue(value, path) {
      checkBytes(value.rawTxListHash, HASH_SIZE, path, 'rawTxListHash')
      checkByteList(value.txlist, MAX_TXLIST_BYTES, path, 'txlist')
    },
  })
}

export const RawTxListGossipCodec: Codec<RawTxListGossip> = txListCodec('RawTxListGossip')
export const GetRawTxListResponseCodec: Codec<GetRawTxListResponse> = txListCodec('GetRawTxListResponse')

export const PreconfHeadCodec: Codec<PreconfHead> = codec<PreconfHead>({
  name: 'PreconfHead',
  maxSize: HEAD_SIZE,
  type: new ContainerType({ blockNumber: uint256, submissionWindowEnd: uint256 }),
  checkBytes(bytes) { checkSize('PreconfHead', bytes, HEAD_SIZE) },
  checkValue(value, path) {
    checkUint256(value.blockNumber, path, 'blockNumber')
    checkUint256(value.submissionWindowEnd, path, 'submissionWindowEnd')
  },
})

/** Written out here: the library knows no list whose limit is zero. */
export const GetHeadRequestCodec: Codec<GetHeadRequest> = codec<GetHeadRequest>({
  name: 'GetHeadRequest',
  maxSize: HEAD_REQUEST_SIZE,
  type: {
    serialize: () => new Uint8Array([HEAD_REQUEST_SIZE, 0, 0, 0]),
    deserialize: () => ({ reserved: new Uint8Array(0) }),
  },
  checkBytes(bytes) {
    checkOffset('GetHeadRequest', bytes, HEAD_REQUEST_SIZE)
    checkCount('GetHeadRequest.reserved', bytes.length - HEAD_REQUEST_SIZE, 0)
  },
  checkValue(value, path) { checkByteList(value.reserved, 0, path, 'reserved') },
})

export const GetCommitmentsByNumberRequestCodec: Codec<GetCommitmentsByNumberRequest> = codec<GetCommitmentsByNumberRequest>({
  name: 'GetCommitmentsByNumberRequest',
  maxSize: COMMITMENTS_REQUEST_SIZE,
  type: new ContainerType({ startBlockNumber: uint256, maxCount: uint32 }),
  checkBytes(bytes) { checkSize('GetCommitmentsByNumberRequest', bytes, COMMITMENTS_REQUEST_SIZE) },
  checkValue(value, path) {
    checkUint256(value.startBlockNumber, path, 'startBlockNumber')
    checkUint32(value.maxCount, path, 'maxCount')
  },
})

const pageType = new ContainerType({ commitments: signedCommitmentsType })

export const GetCommitmentsByNumberResponseCodec: Codec<GetCommitmentsByNumberResponse> = codec<GetCommitmentsByNumberResponse>({
  name: 'GetCommitmentsByNumberResponse',
  maxSize: PAGE_HEADER_SIZE + SIGNED_COMMITMENT_SIZE * MAX_COMMITMENTS,
  type: {
    serialize: (value) => pageType.serialize({ commitments: value.commitments as SignedCommitment[] }),
    deserialize: (bytes) => pageType.deserialize(bytes),
  },
  checkBytes: checkPage,
  checkValue(value, path) {
    const { commitments } = value
    if (!Array.isArray(commitments)) throw badValue(`${path}.commitments`, 'an array', commitments)
    checkCount(`${path}.commitments`, commitments.length, MAX_COMMITMENTS)
    for (let i = 0; i < commitments.length; i++) {
      const field = `${path}.commitments[${i}]`
      checkObject(commitments[i], field)
      checkSignedCommitment(commitments[i] as SignedCommitment, field)
    }
  },
})

export const GetRawTxListRequestCodec: Codec<GetRawTxListRequest> = codec<GetRawTxListRequest>({
  name: 'GetRawTxListRequest',
  maxSize: TXLIST_REQUEST_SIZE,
  type: new ContainerType({ rawTxListHash: hash }),
  checkBytes(bytes) { checkSize('GetRawTxListRequest', bytes, TXLIST_REQUEST_SIZE) },
  checkValue(value, path) { checkBytes(value.rawTxListHash, HASH_SIZE, path, 'rawTxListHash') },
})

/** Each container's codec by its name in SPEC §3. */
export const codecs = {
  Preconfirmation: PreconfirmationCodec,
  PreconfCommitment: PreconfCommitmentCodec,
  SignedCommitment: SignedCommitmentCodec,
  RawTxListGossip: RawTxListGossipCodec,
  PreconfHead: PreconfHeadCodec,
  GetHeadRequest: GetHeadRequestCodec,
  GetCommitmentsByNumberRequest: GetCommitmentsByNumberRequestCodec,
  GetCommitmentsByNumberResponse: GetCommitmentsByNumberResponseCodec,
  GetRawTxListRequest: GetRawTxListRequestCodec,
  GetRawTxListResponse: GetRawTxListResponseCodec,
} as const

export type ContainerName = keyof typeof codecs
