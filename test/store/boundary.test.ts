import { expect } from 'chai'
import { boundary } from '../../src/actors/kernel/index.js'
import type { CallsOf } from '../../src/actors/kernel/index.js'
import { echoEvery } from '../../src/actors/kernel/testing/index.js'
import { encodeBatch } from '../../src/actors/store/batch-codec.js'
import type { Evidence, OwnSigned, Stats } from '../../src/actors/store/database.js'
import { StoreError } from '../../src/actors/store/errors.js'
import type { ThreadApi } from '../../src/actors/store/thread-api.js'
import { commitment, hashOf, signerOf } from './fixtures.js'

const hash = hashOf('a hash')
const own: OwnSigned = { signer: signerOf(1), hash, ssz: new Uint8Array(382).fill(3) }
const page = new Uint8Array([1, 2, 3])
const stats: Stats = {
  commitments: 3, canonical: 2, lowest: 1n, highest: 2n ** 255n, txLists: 1, referencedBytes: 10, unreferencedBytes: 20, txListFloor: 0n, evidence: 1,
  evictedCommitments: 0, evictedTxLists: 0, evictedUnreferenced: 0, evictedEvidence: 0,
  signing: { closedUpTo: 9n, loss: { what: 'log', at: 1_800_000_000_000, closedUpTo: 9n } },
}
const evidence: Evidence = {
  kind: 'equivocation', reason: 'two for one height', signer: signerOf(2), blockNumber: 5n, submissionWindowEnd: 6n, messages: [own.ssz, own.ssz], seenAt: 1_800_000_000_000, sequence: 7,
}
const failed = { error: new StoreError('schema_newer', 'written by a newer version', { value: 9, limit: 1 }).toJSON() }

/** Everything that crosses between the store's actor and its thread (Comlink). A call that is missing here does not compile. */
export const storeBoundary = boundary<CallsOf<ThreadApi>>({
  'open.args': { direction: 'in', sample: () => [{ dataDir: 'data', token: '1.2.3', limits: { commitments: 10 }, chainId: 167_000n, tail: 1_024 }] },
  'open.result': { direction: 'out', sample: () => ({ ok: {
    durable: true, created: false, schema: 2, migratedFrom: 1, root: { first: 4n, parentHash: hash }, mark: 9n, gaps: [{ blockNumber: 5n, hash }], confirmedTip: { blockNumber: 4n, preconfirmationHash: hash }, headOverride: { blockNumber: 4n, submissionWindowEnd: 9n },
    tail: page, stats, droppedBytes: 0, loss: undefined, discarded: [{ kind: 'txList', hash, blockNumber: 5n }], unknownFiles: ['.DS_Store'],
  } }) },
  'commit.args': { direction: 'in', sample: () => [encodeBatch({ commitments: [commitment({ height: 5n })], rewindTo: 3n })] },
  'commit.result': { direction: 'out', sample: () => failed },
  'recordSigned.args': { direction: 'in', sample: () => [own] },
  'recordSigned.result': { direction: 'out', sample: () => ({ ok: { recorded: false, conflict: own } }) },
  'ownSigned.args': { direction: 'in', sample: () => [signerOf(1), 2n ** 64n] },
  'ownSigned.result': { direction: 'out', sample: () => ({ ok: [own, own] }) },
  'discard.args': { direction: 'in', sample: () => ['69aa', true] },
  'discard.result': { direction: 'out', sample: () => ({ ok: [{ kind: 'commitment', hash: undefined, blockNumber: 8n }] }) },
  'canonicalRange.args': { direction: 'in', sample: () => [1_000n, 256] },
  'canonicalRange.result': { direction: 'out', sample: () => ({ ok: page }) },
  'scan.args': { direction: 'in', sample: () => [1_000n, 64, hash] },
  'scan.result': { direction: 'out', sample: () => ({ ok: page }) },
  'tail.args': { direction: 'in', sample: () => [1_024] },
  'tail.result': { direction: 'out', sample: () => ({ ok: page }) },
  'beside.args': { direction: 'in', sample: () => [1_024] },
  'beside.result': { direction: 'out', sample: () => ({ ok: page }) },
  'blockAt.args': { direction: 'in', sample: () => [2n ** 63n] },
  'blockAt.result': { direction: 'out', sample: () => ({ ok: page }) },
  'chainRecord.args': { direction: 'in', sample: () => [] },
  'chainRecord.result': { direction: 'out', sample: () => ({ ok: { confirmedTip: { blockNumber: 4n }, headOverride: undefined, root: { first: 4n }, mark: 9n, gaps: [{ blockNumber: 5n, hash }] } }) },
  'rewinds.args': { direction: 'in', sample: () => [7] },
  'rewinds.result': { direction: 'out', sample: () => ({ ok: { store: '0102030405060708', last: 9, to: 4n, known: true } }) },
  'commitmentByHash.args': { direction: 'in', sample: () => [hash] },
  'commitmentByHash.result': { direction: 'out', sample: () => ({ ok: page }) },
  'txList.args': { direction: 'in', sample: () => [hash] },
  'txList.result': { direction: 'out', sample: () => ({ ok: new Uint8Array(100_000).fill(5) }) },
  'hasTxLists.args': { direction: 'in', sample: () => [new Uint8Array(64)] },
  'hasTxLists.result': { direction: 'out', sample: () => ({ ok: new Uint8Array([0, 1]) }) },
  'missingTxLists.args': { direction: 'in', sample: () => [0n, 64] },
  'missingTxLists.result': { direction: 'out', sample: () => ({ ok: { missing: [{ hash, blockNumber: 5n, signer: signerOf(1) }], next: undefined } }) },
  'evidence.args': { direction: 'in', sample: () => [0, 256] },
  'evidence.result': { direction: 'out', sample: () => ({ ok: [evidence] }) },
  'meta.args': { direction: 'in', sample: () => ['peers'] },
  'meta.result': { direction: 'out', sample: () => ({ ok: '{"a":1}' }) },
  'stats.args': { direction: 'in', sample: () => [] },
  'stats.result': { direction: 'out', sample: () => ({ ok: stats }) },
  'close.args': { direction: 'in', sample: () => [] },
  'close.result': { direction: 'out', sample: () => ({ ok: undefined }) },
})

describe('the boundary of the store\'s thread', () => {
  it('everything that crosses it arrives as it left', async () => {
    expect(await echoEvery(storeBoundary)).to.have.length(Object.keys(storeBoundary).length)
  })
})
