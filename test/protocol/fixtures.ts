import { expect } from 'chai'
import {
  fromHex, loadCrypto, PreconfCommitmentCodec, ProtocolError, SignedCommitmentCodec, signerFromKey, signingHash, DEFAULT_DOMAIN,
  type Crypto, type PreconfCommitment, type Preconfirmation, type ProtocolErrorCode, type SignedCommitment,
} from '../../src/protocol/index.js'

/** Loaded once for all test files; hashing and recovery have no state between calls. */
export const crypto: Crypto = await loadCrypto()

export const privateKey = fromHex('0e2ff7b64a482872f99d43831647dae3707c855494d828722c9cada815d2bfaa')
export const signer = signerFromKey(privateKey)
export const slasher = fromHex('e6142d62036dc95bacc70b9e56061c7a0c66d6e5')

export function preconfirmation(changes: Partial<Preconfirmation> = {}): Preconfirmation {
  return {
    eop: false,
    blockNumber: 1_000_000n,
    timestamp: 1_800_000_000n,
    gasLimit: 240_000_000n,
    coinbase: new Uint8Array(20).fill(1),
    anchorBlockNumber: 20_000_000n,
    rawTxListHash: new Uint8Array(32).fill(2),
    parentPreconfirmationHash: new Uint8Array(32).fill(3),
    submissionWindowEnd: 1_800_000_384n,
    proverAuth: new Uint8Array(20).fill(4),
    proposalId: 7n,
    ...changes,
  }
}

export function commitment(changes: Partial<Preconfirmation> = {}, slasherAddress = slasher): PreconfCommitment {
  return { preconf: preconfirmation(changes), slasherAddress }
}

export function sign(value: PreconfCommitment, domain = DEFAULT_DOMAIN): SignedCommitment {
  return { commitment: value, signature: signer(signingHash(crypto, domain, PreconfCommitmentCodec.encode(value))) }
}

/** 382 bytes, signed by `signer`. */
export function signedBytes(changes: Partial<Preconfirmation> = {}, slasherAddress = slasher): Uint8Array {
  return SignedCommitmentCodec.encode(sign(commitment(changes, slasherAddress)))
}

/** A txlist message under its own hash, or under another one. */
export function txListMessage(txList: Uint8Array, hash = crypto.keccak256(txList)): Uint8Array {
  const message = new Uint8Array(36 + txList.length)
  message.set(hash)
  message[32] = 36
  message.set(txList, 36)
  return message
}

export function withByte(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = new Uint8Array(bytes)
  copy[at] = value
  return copy
}

/** The ProtocolError that `run` throws; fails where it throws none, something else, or one with another code. */
export function refusal(run: () => unknown, code?: ProtocolErrorCode): ProtocolError {
  let thrown: unknown
  try {
    run()
  } catch (error) {
    thrown = error
  }
  expect(thrown).to.be.instanceOf(ProtocolError)
  const error = thrown as ProtocolError
  if (code !== undefined) expect(error.code).to.equal(code)
  return error
}

/** The same for a promise. */
export async function asyncRefusal(promise: Promise<unknown>, code: ProtocolErrorCode): Promise<ProtocolError> {
  const thrown = await promise.then(() => undefined, (error: unknown) => error)
  return refusal(() => { throw thrown as Error }, code)
}

/** Bytes by which the memory of array buffers grew while `run` ran: garbage counts until it is collected. */
export function allocatedBy(run: () => void): number {
  const before = process.memoryUsage().arrayBuffers
  run()
  return process.memoryUsage().arrayBuffers - before
}
