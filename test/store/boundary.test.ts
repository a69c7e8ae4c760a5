import { expect } from 'chai'
import { echoEvery, withSamples } from '../../src/actors/kernel/testing/index.js'
import type { Evidence, OwnSigned, Stats, WriteBatch } from '../../src/actors/store/database.js'
import { storeBoundary } from '../../src/actors/store/ingress.js'
import { commitment, hashOf, signerOf } from './fixtures.js'

const hash = hashOf('a hash')
const own: OwnSigned = { signer: signerOf(1), hash, ssz: new Uint8Array(382).fill(3) }
const page = () => new Uint8Array([1, 2, 3])
const stats: Stats = {
  commitments: 3, canonical: 2, lowest: 1n, highest: 2n ** 255n, txLists: 1, referencedBytes: 10, unreferencedBytes: 20, txListFloor: 0n, evidence: 1,
  evictedCommitments: 0, evictedTxLists: 0, evictedUnreferenced: 0, evictedEvidence: 0,
  signing: { closedUpTo: 9n, loss: { what: 'log', at: 1_800_000_000_000, closedUpTo: 9n } },
}
const evidence: Evidence = {
  kind: 'equivocation', reason: 'two for one height', signer: signerOf(2), blockNumber: 5n, submissionWindowEnd: 6n, messages: [own.ssz, own.ssz], seenAt: 1_800_000_000_000, sequence: 7,
}
const batch: WriteBatch = {
  signed: [own], rewindTo: 3n, retires: true, forget: [hash], commitments: [commitment({ height: 5n })], standings: [{ hash, standing: 'demoted' }],
  txLists: [{ hash, bytes: page(), blockNumber: 5n, peer: 'peer' }], referenced: [{ hash, blockNumber: 5n }], forgetTxLists: [hash], evidence: [evidence],
  confirmedTip: null, headOverride: { blockNumber: 4n, submissionWindowEnd: 9n }, root: { first: 4n, parentHash: hash }, mark: 9n,
  gaps: [{ blockNumber: 5n, hash }], meta: [{ name: 'a', value: null }],
}
const record = { ...commitment({ height: 5n }), blockNumber: 5n, handover: false }
const chain = {
  confirmedTip: { blockNumber: 4n, preconfirmationHash: hash }, headOverride: undefined, root: { first: 4n, parentHash: hash }, mark: 9n, gaps: [{ blockNumber: 5n, hash }],
}

describe('the boundary of the store\'s thread', () => {
  it('K61 everything that crosses it arrives as it left; an entry without a sample does not compile', async () => {
    expect(await echoEvery(withSamples(storeBoundary, {
      params: () => ({ dataDir: 'data', token: '1.2.3', limits: { commitments: 10 }, chainId: 167_000n }),
      write: () => ({ type: 'write', sequence: 2, after: 1, batch }),
      serveCommitments: () => ({ type: 'serveCommitments', request: 1, start: 1n, max: 256, onePerHeight: false }), serveTxList: () => ({ type: 'serveTxList', request: 1, hash }),
      restore: () => ({ type: 'restore', tail: 10, beside: 10 }), 'restore.reply': () => ({ durable: true, ...chain, tail: page(), beside: page(), stats }),
      page: () => ({ type: 'page', start: 1n, max: 256 }), 'page.reply': page,
      scan: () => ({ type: 'scan', from: 1n, max: 64, after: hash }), 'scan.reply': page,
      tail: () => ({ type: 'tail', count: 1_024 }), 'tail.reply': page,
      blockAt: () => ({ type: 'blockAt', height: 2n ** 63n }), 'blockAt.reply': () => record,
      rewinds: () => ({ type: 'rewinds', after: 7, store: '0102030405060708' }), 'rewinds.reply': () => ({ store: '0102030405060708', last: 9, to: 4n, known: true }),
      commitment: () => ({ type: 'commitment', hash }), 'commitment.reply': () => record,
      txList: () => ({ type: 'txList', hash }), 'txList.reply': () => new Uint8Array(100_000).fill(5),
      hasTxLists: () => ({ type: 'hasTxLists', hashes: [hash] }), 'hasTxLists.reply': () => [true, false],
      missingTxLists: () => ({ type: 'missingTxLists', from: 0n, max: 64 }), 'missingTxLists.reply': () => ({ missing: [{ hash, blockNumber: 5n, signer: signerOf(1) }], next: undefined }),
      signedWindow: () => ({ type: 'signedWindow', signer: signerOf(1), submissionWindowEnd: 2n ** 64n }), 'signedWindow.reply': () => ({ records: [own, own], closedUpTo: 9n }),
      evidence: () => ({ type: 'evidence', from: 0, max: 256 }), 'evidence.reply': () => [evidence],
      meta: () => ({ type: 'meta', name: 'peers' }), 'meta.reply': () => '{"a":1}',
      setMeta: () => ({ type: 'setMeta', name: 'peers', value: null }), 'setMeta.reply': () => undefined,
      standing: () => ({ type: 'standing' }),
      'standing.reply': () => ({ durable: true, stats, readable: false, waiting: 1, failing: { code: 'io', message: 'text' } }),
      'chain.durable': () => ({ type: 'durable', sequence: 7 }), 'chain.storeReady': () => ({ type: 'storeReady' }), 'chain.lostTxList': () => ({ type: 'lostTxList', hash, height: 5n }),
      'answers.answer': () => ({ type: 'answer', request: 1, body: page() }),
      'events.storeFailing': () => ({ type: 'storeFailing', code: 'io', message: 'text' }), 'events.storeRecovered': () => ({ type: 'storeRecovered' }),
      'events.recordDamaged': () => ({ type: 'recordDamaged', kind: 'txList', hash, blockNumber: 5n }),
      'events.recordsLost': () => ({ type: 'recordsLost', what: 'log', signingClosedUpTo: 9n }),
    }))).to.have.length(Object.keys(storeBoundary).length)
  })
})
