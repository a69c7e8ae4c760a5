import { stripVTControlCharacters } from 'node:util'
import { expect } from 'chai'
import { compare } from '../../src/cli/devnet/compare.js'
import { paintFor } from '../../src/cli/devnet/display.js'
import { frame, strips, table } from '../../src/cli/devnet/frame.js'
import type { View } from '../../src/cli/devnet/frame.js'
import type { NodeLine } from '../../src/cli/devnet/node-process.js'
import { CONFIRMED_TIP, Sequencer } from '../../src/cli/devnet/sequencer.js'
import type { Piece } from '../../src/cli/devnet/sequencer.js'
import { summaryText } from '../../src/cli/devnet/summary.js'
import { Latencies, count, newTally } from '../../src/cli/devnet/tally.js'
import { scheduleFromTable } from '../../src/index.js'
import {
  DEFAULT_DOMAIN,
  Finding,
  RECORD_HASH,
  RECORD_SIGNER,
  RECORD_SIZE,
  SignedCommitmentCodec,
  checkCommitment,
  loadCrypto,
  toHex,
  txListHash,
} from '../../src/protocol/index.js'

const paint = paintFor({})

async function piecesOf(
  blocks: number,
  blocksPerSecond: number,
  now = 1_000.5,
): Promise<{ sequencer: Sequencer; pieces: Piece[] }> {
  const sequencer = new Sequencer({ origin: 1_000, blocks, blocksPerSecond }, await loadCrypto())
  const pieces: Piece[] = []
  for await (const piece of sequencer.pieces(now)) pieces.push(piece)
  return { sequencer, pieces }
}

function view(blocks: number, published: number): View {
  const tallies = [
    ['alice', 'preconfer'],
    ['bob', 'preconfer'],
    ['fred', 'follower'],
    ['lucy', 'latecomer'],
  ].map(([name, role]) => newTally(name!, role!))
  for (const [at, tally] of tallies.entries())
    Object.assign(tally, {
      head: 999n + BigInt(Math.floor(published / (at + 1))),
      published: 9_999,
      accepted: 9_999,
      stored: 9_999,
      served: 9_999,
      state: at === 0 ? 'its turn' : 'following',
    })
  return {
    tallies,
    blocks,
    firstBlock: 1_000n,
    builders: Array.from({ length: published }, (_, at) => Math.floor(at / 8) % 2),
    turn: 5,
    seconds: 42,
    latency: { samples: 9_999, p50Ms: 999.9, p99Ms: 59_999 },
  }
}

describe('cli/devnet picture', () => {
  it('fits 80 columns and the height of the terminal, painted or not', () => {
    for (const blocks of [8, 48, 63, 2_000]) {
      for (const height of [5, 12, 24, 50]) {
        const latest = Array.from({ length: 6 }, (_, at) => `happening ${at} ${'x'.repeat(100)}`)
        const lines = stripVTControlCharacters(frame(view(blocks, Math.floor(blocks / 2)), latest, { paint, height })).split('\n')
        for (const line of lines) expect(line.length, line).to.be.at.most(79)
        if (height >= 16) expect(lines.length).to.be.at.most(height - 1)
      }
    }
  })

  it('a narrow terminal gets what fits, unpainted', () => {
    const picture = frame(view(48, 20), ['x'], { paint, width: 60 })
    expect(stripVTControlCharacters(picture)).to.equal(picture)
    for (const line of picture.split('\n')) expect(line.length).to.be.at.most(59)
  })

  it('without paint has no escape code; NO_COLOR and a dumb terminal want none', () => {
    const bare = frame(view(48, 20), ['x'])
    expect(stripVTControlCharacters(bare)).to.equal(bare)
    for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) expect(paintFor(env)('bad', 'x')).to.equal('x')
    expect(paint('bad', 'x')).to.not.equal('x')
  })

  it('a strip is full only at the end, and shows who built what', () => {
    expect(strips(view(8, 4))[0]).to.equal('alice ████····')
    expect(strips(view(16, 16))[0]).to.equal('alice ████████▓▓▓▓▓▓▓▓')
    const [long] = strips(view(2_000, 1_999))
    expect(long).to.have.length(6 + 62)
    expect(long!.endsWith('·')).to.equal(true)
    expect(strips(view(2_000, 2_000))[0]).to.not.contain('·')
  })

  it('the table has a line a node; what costs a sender reputation is red', () => {
    const { tallies } = view(8, 8)
    tallies[2]!.rejected = 3
    expect(table(tallies)).to.have.length(5)
    expect(table(tallies, paint)[3]).to.contain(paint('bad', '       3'))
  })

  it('the summary says in words what is the matter', () => {
    const base = {
      seconds: 30,
      published: 9,
      blocks: 8,
      txListBytes: 1_048_576,
      latency: { samples: 10, p50Ms: 1.5, p99Ms: 1_500 },
      nodes: view(8, 8).tallies,
      catchUp: { blocks: 5, ms: 100, txListsMs: 200 },
      chains: [{ node: 'alice', commitments: 9, same: true, firstDifference: undefined, txListsMissing: 0 }],
      failures: [],
    }
    const good = summaryText({ ...base, ok: true })
    expect(good)
      .to.contain('8 blocks and 1 bare hand-over, 1.0 MiB')
      .and.contain('p50 1.5 ms, p99 1.5 s')
      .and.match(/All four nodes hold the same chain\.$/)
    const bad = summaryText({
      ...base, ok: false, catchUp: { blocks: 0, ms: undefined, txListsMs: undefined }, failures: ['fred ended'],
      chains: [{ node: 'fred', commitments: 3, same: false, firstDifference: 'at place 3, block 1003', txListsMissing: 2 }],
    })
    expect(bad)
      .to.contain('DIFFERENT: at place 3, block 1003')
      .and.contain('2 TXLISTS MISSING')
      .and.contain('FAILED      fred ended')
      .and.match(/NOT all hold the same chain\.$/)
    expect(summaryText({ ...base, ok: false, chains: [] })).to.match(/The nodes were not compared\.$/)
    for (const line of good.split('\n')) expect(line.length, line).to.be.at.most(79)
  })
})

describe('cli/devnet figures', () => {
  it('counts what others sent and what we sent apart, and faults alone as rejected', () => {
    const tally = newTally('fred', 'follower')
    const lines: Partial<NodeLine>[] = [
      { event: 'commitment', from: 'a' },
      { event: 'commitment', from: null },
      { event: 'txlist', from: 'a' },
      { event: 'published' },
      { event: 'stored' },
      { event: 'served' },
      { event: 'rejected', verdict: 'ignore' },
      { event: 'rejected', verdict: 'reject' },
      { event: 'head', blockNumber: '1005' },
      { event: 'peerConnected', peer: 'a' },
      { event: 'peerConnected', peer: 'a' },
      { event: 'peerConnected', peer: 'b' },
      { event: 'peerDisconnected', peer: 'b' },
      { event: 'handover' },
      { event: 'unheard' },
    ]
    for (const line of lines) count(tally, line as NodeLine)
    expect(tally).to.deep.include({ accepted: 2, published: 1, stored: 1, served: 1, rejected: 1, head: 1_005n, handovers: 1 })
    expect([...tally.peers]).to.deep.equal(['a'])
  })

  it('quantiles are of the samples', () => {
    const latencies = new Latencies()
    expect([latencies.quantile(0.5), latencies.quantile(0.99)]).to.deep.equal([undefined, undefined])
    for (let at = 1; at <= 100; at++) {
      latencies.published(`${at}`, 1_000)
      latencies.accepted(`${at}`, 1_000 + at)
    }
    latencies.accepted('unknown', 5)
    expect([latencies.count, latencies.quantile(0.5), latencies.quantile(0.99), latencies.quantile(1)]).to.deep.equal([
      100, 50, 99, 100,
    ])
  })
})

describe('cli/devnet chain', () => {
  it('every piece is signed by whose turn it is by the nodes\' schedule, and linked to the one before', async () => {
    const crypto = await loadCrypto()
    const { sequencer, pieces } = await piecesOf(20, 8)
    const resolve = scheduleFromTable(sequencer.schedule().map(({ from, signer }) => ({ from: BigInt(from), signer })))
    let parent = '00'.repeat(32)
    for (const { ssz, hash, txList, kind, blockNumber } of pieces) {
      const {
        commitment: { preconf },
      } = SignedCommitmentCodec.decode(ssz)
      const record = new Uint8Array(RECORD_SIZE)
      checkCommitment(ssz, { domain: DEFAULT_DOMAIN }, crypto, record, 0)
      expect(record[0]).to.equal(Finding.valid)
      const signer = toHex(record.subarray(RECORD_SIGNER, RECORD_SIGNER + 20))
      const { signers } = (await resolve(preconf.submissionWindowEnd, { signal: new AbortController().signal })) as {
        signers: readonly Uint8Array[]
      }
      expect(signers.map(toHex)).to.deep.equal([signer])
      expect(toHex(record.subarray(RECORD_HASH, RECORD_HASH + 32))).to.equal(toHex(hash))
      expect(toHex(preconf.parentPreconfirmationHash)).to.equal(parent)
      expect([preconf.blockNumber, preconf.eop]).to.deep.equal([blockNumber, kind !== 'block'])
      expect(toHex(preconf.rawTxListHash)).to.equal(txList === undefined ? '00'.repeat(32) : toHex(txListHash(crypto, txList)))
      if (txList !== undefined) expect(txList.length).to.be.within(1_024, 102_400)
      parent = toHex(hash)
    }
  })

  it('turns alternate, each ends with a hand-over, and blocks are paced', async () => {
    const { pieces } = await piecesOf(24, 4)
    const blocks = pieces.filter(({ kind }) => kind !== 'hand-over')
    expect(blocks.map(({ blockNumber }) => blockNumber)).to.deep.equal(
      Array.from({ length: 24 }, (_, at) => CONFIRMED_TIP + 1n + BigInt(at)),
    )
    expect(blocks.map(({ at }) => at)).to.deep.equal(Array.from({ length: 24 }, (_, at) => 1_002 + at / 4))
    expect(pieces.filter(({ kind }) => kind !== 'block').map(({ kind, turn, preconfer }) => [kind, turn, preconfer]))
      .to.deep.equal([['last block', 0, 1], ['hand-over', 1, 0], ['last block', 2, 1]])
  })

  it('the schedule reaches from well before to well after a run, at every speed', async () => {
    for (const [blocks, speed] of [[8, 0.1], [48, 2], [2_000, 50], [16, 8]] as const) {
      const sequencer = new Sequencer({ origin: 1_000, blocks, blocksPerSecond: speed }, await loadCrypto())
      const last = sequencer.schedule().at(-1)!
      expect(Number(last.from), `${blocks} at ${speed}`).to.be.at.least(1_000 + 90 + blocks / speed)
    }
  })
})

describe('cli/devnet compare', () => {
  /** A node that holds these pieces, in pages as the store makes them. */
  const holding = (pieces: readonly Piece[], page = 256, without: readonly bigint[] = []) => ({
    name: 'fred',
    call: async (cmd: string, fields: { readonly [key: string]: unknown } = {}) => {
      if (cmd === 'stored')
        return {
          commitments: pieces
            .filter(({ blockNumber }) => blockNumber >= BigInt(String(fields['start'])))
            .slice(0, page)
            .map(({ ssz }) => toHex(ssz)),
        }
      const piece = pieces.find(({ txListHash: hash }) => toHex(hash) === fields['hash'])
      return { txlist: piece?.txList === undefined || without.includes(piece.blockNumber) ? null : toHex(piece.txList) }
    },
  })

  it('the same chain is the same, wherever pages end', async () => {
    const { pieces } = await piecesOf(24, 8)
    for (const page of [2, 3, 5, 9, 10, 17, 256]) {
      expect(await compare(holding(pieces, page), pieces), `pages of ${page}`).to.deep.equal({
        node: 'fred',
        commitments: pieces.length,
        same: true,
        firstDifference: undefined,
        txListsMissing: 0,
      })
    }
  })

  it('what is missing, more, or another is found', async () => {
    const { pieces } = await piecesOf(16, 8)
    const { pieces: others } = await piecesOf(16, 8)
    expect(await compare(holding(pieces.slice(0, -1)), pieces)).to.include({
      same: false,
      firstDifference: `at place ${pieces.length - 1}, block 1016`,
    })
    expect(await compare(holding(pieces), pieces.slice(0, -1))).to.include({
      same: false,
      firstDifference: `at place ${pieces.length - 1}, block beyond the end`,
    })
    expect(await compare(holding(others), pieces)).to.include({
      same: false,
      firstDifference: 'at place 0, block 1000',
      txListsMissing: 16,
    })
    expect(await compare(holding(pieces, 256, [1_003n]), pieces)).to.include({ same: true, txListsMissing: 1 })
    const gone = { name: 'fred', call: async () => { throw new Error('fred has ended') } }
    expect(await compare(gone, pieces)).to.deep.equal({
      node: 'fred',
      commitments: 0,
      same: false,
      firstDifference: 'fred has ended',
      txListsMissing: 16,
    })
  })
})
