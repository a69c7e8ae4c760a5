import { expect } from 'chai'
import { boundary } from '../../src/actors/kernel/index.js'
import type { CallsOf } from '../../src/actors/kernel/index.js'
import { echoEvery } from '../../src/actors/kernel/testing/index.js'
import type { BatchAlarm, Check, Greet, WorkerData } from '../../src/actors/validator/serve.js'

/** Everything that crosses between the validator and a thread of its pool. A task that is missing here does not compile. */
export const poolBoundary = boundary<CallsOf<{ readonly greet: Greet; readonly check: Check }> & { readonly workerData: WorkerData; readonly alarm: BatchAlarm }>({
  workerData: { direction: 'in', sample: () => ({ entry: '', rules: { domain: new Uint8Array(32).fill(1), slasher: new Uint8Array(20).fill(2) }, crypto: { recover: 'libauth', keccak: undefined }, batch: { enabled: true, sampleEvery: 64, signers: 16 }, board: new SharedArrayBuffer(8) }) },
  'greet.args': { direction: 'in', sample: () => [] },
  'greet.result': { direction: 'out', sample: () => ({ threadId: 3, recover: 'secp256k1', keccak: 'hash-wasm', degraded: true, warnings: ['it did not load'], batchOff: 'no SIMD' }) },
  alarm: {
    direction: 'out', sample: () => ({
      type: 'batchAlarm', evidence: {
        digest: new Uint8Array(32).fill(3), signature: new Uint8Array(64).fill(4), v: 1, expected: new Uint8Array(20).fill(5),
        publicKey: new Uint8Array(64).fill(6), recovered: undefined, what: 'signer',
      },
    }),
  },
  'check.args': { direction: 'in', sample: () => [new Uint8Array([1, 2, 3]).buffer] },
  'check.result': { direction: 'out', sample: () => new Uint8Array([4, 5, 6]).buffer },
})

describe('the boundary of the validator\'s threads', () => {
  it('everything that crosses it arrives as it left', async () => {
    expect(await echoEvery(poolBoundary)).to.have.length(6)
  })
})
