/**
 * The baseline: a thread that holds its messages, and on each `go` does with them what the rules of SPEC §6 ask, straight with the
 * libraries. No pool, no mailbox, no batches. Writes finding, signer and hash of each, as the validator does.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { createKeccak } from 'hash-wasm'
import secp256k1 from 'secp256k1/bindings.js'
import { DEFAULT_DOMAIN } from '../../src/protocol/index.js'

export interface BareData { readonly kind: 'commitments' | 'txLists'; readonly items: readonly Uint8Array[] }

const { kind, items } = workerData as BareData
const records = new Uint8Array(items.length * 53)
const keccak = await createKeccak(256)
// n / 2, big-endian: s above it is high.
const HALF = Buffer.from('7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0', 'hex')

function hash(...parts: Uint8Array[]): Uint8Array {
  keccak.init()
  for (const part of parts) keccak.update(part)
  return keccak.digest('binary')
}

function checkCommitment(bytes: Uint8Array, at: number): boolean {
  const v = bytes[381]!
  if (bytes.length !== 382 || bytes[0]! > 1 || v > 3) return false
  if (bytes[0] === 0 && bytes.subarray(149, 181).every(byte => byte === 0)) return false
  let key: Uint8Array
  try {
    key = secp256k1.ecdsaRecover(bytes.subarray(317, 381), v, hash(DEFAULT_DOMAIN, bytes.subarray(0, 317)), false, new Uint8Array(65))
  } catch {
    return false
  }
  if (HALF.compare(bytes, 349, 381) < 0) return false
  records.set(hash(key.subarray(1)).subarray(12), at + 1)
  records.set(hash(bytes.subarray(0, 297)), at + 21)
  records[at] = 1
  return true
}

function checkTxList(bytes: Uint8Array, at: number): boolean {
  if (bytes[32] !== 36 || bytes[33] !== 0 || bytes[34] !== 0 || bytes[35] !== 0) return false
  const found = hash(bytes.subarray(36))
  for (let index = 0; index < 32; index++) if (found[index] !== bytes[index]) return false
  records.set(found, at + 21)
  records[at] = 1
  return true
}

const check = kind === 'commitments' ? checkCommitment : checkTxList

parentPort!.on('message', (times: number) => {
  let valid = 0
  for (let time = 0; time < times; time++) items.forEach((bytes, index) => { if (check(bytes, index * 53)) valid++ })
  parentPort!.postMessage(valid)
})
parentPort!.postMessage(0)
