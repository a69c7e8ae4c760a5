import { expect } from 'chai'
import { chainConfig } from '../../src/actors/chain/config.js'
import { ChainCore } from '../../src/actors/chain/core.js'
import type { ChainEffects } from '../../src/actors/chain/effects.js'
import { Finding } from '../../src/protocol/index.js'
import { seededRandom } from '../../src/actors/kernel/index.js'
import { ALICE, MALLORY, WINDOW, build, checked, checkedTxList } from '../support/chain-builder.js'
import type { Built } from '../support/chain-builder.js'

describe('chain: a flood, without an actor', () => {
  it('H22 leaves nothing behind: every map returns to its baseline, each gossip message has had exactly one verdict', () => {
    const random = seededRandom(7)
    const pick = (below: number): number => Math.floor(random() * below)
    let now = 0
    const verdicts = new Map<string, number>()
    const ok = { send: () => 'ok' as const }
    const outside: ChainEffects = {
      verdicts: { send: ({ messageId }) => { verdicts.set(messageId, (verdicts.get(messageId) ?? 0) + 1); return 'ok' } },
      answers: ok, outcomes: ok, gaps: ok, judged: ok, ownJudged: ok, event: () => undefined,
      lookUps: { ask: window => { if (window % 7n === 0n) throw new Error('fails'); return window % 3n === 0n ? undefined : window % 5n === 0n ? 'unknown' : { signer: ALICE } }, abandon: () => undefined },
      rules: { ask: id => id % 5 === 0 ? undefined : id % 11 === 0 ? { verdict: 'ignore', reason: 'no' } : 'accept', abandon: () => undefined },
      write: () => 'ok', readSigned: () => undefined, recall: () => undefined,
      monotonic: () => now, wall: () => Number(WINDOW) * 1_000 + now,
    }
    const core = new ChainCore(outside, chainConfig({ confirmedTip: { blockNumber: 99n } }), 0)
    core.restore({
      confirmedTip: undefined, headOverride: undefined, root: undefined, mark: undefined, gaps: [], tail: [], beside: [], hasMore: false, rewoundTop: undefined,
      signing: { closedUpTo: undefined, loss: undefined, settled: 'before', equivocation: undefined, durable: true },
    })
    core.flush()
    const known: Built[] = []
    let sent = 0
    for (let round = 0; round < 400; round++) {
      const items = Array.from({ length: 32 }, () => {
        const parent = known.length > 0 && pick(3) > 0 ? known[pick(known.length)]! : undefined
        const block = pick(10) === 0 && known.length > 0 ? known[pick(known.length)]! : build({
          number: parent === undefined ? 100 + pick(3_000) : parent.number + BigInt(pick(20) === 0 ? 3 : 1), signer: pick(4) === 0 ? MALLORY : ALICE,
          window: WINDOW + BigInt(pick(40)) + (pick(30) === 0 ? 100_000n : 0n), salt: pick(2), eop: pick(30) === 0, handoverOnly: pick(30) === 0,
          parent: parent ?? Uint8Array.from({ length: 32 }, () => pick(256)),
        })
        if (known.length < 3_000) known.push(block)
        return checked(block, { kind: 'gossip', peer: `peer-${pick(20)}`, messageId: `m${sent++}` }, pick(30) === 0 ? Finding.high_s : Finding.valid)
      })
      core.judge.commitments(items)
      core.txLists.take([checkedTxList(Uint8Array.of(round, round >> 8), { kind: 'gossip', peer: `peer-${pick(20)}`, messageId: `m${sent++}` })])
      if (pick(4) === 0) core.judge.page(`peer-${pick(20)}`, round, Array.from({ length: 20 }, () => checked(known[pick(known.length)]!, { kind: 'sync', peer: 'p', ticket: round })))
      core.flush()
      now += pick(400)
      core.tick()
      core.flush()
      core.state.acknowledged(core.state.unstored.newest?.sequence ?? 0)
      expect(core.judge.holding.size).to.be.at.most(1_024)
      expect(core.state.memory.pending.size).to.be.at.most(1_024)
    }
    for (let left = 0; left < 800; left++) { now += 1_000; core.tick(); core.flush() }
    core.state.acknowledged(core.state.unstored.newest?.sequence ?? 0)
    const { judge, state } = core
    expect({ open: judge.open, held: judge.holding.size, lookups: judge.schedules.underWay, unstored: state.unstored.size, unnamed: state.ledger.unreferenced, bytes: state.ledger.unreferencedBytes })
      .to.deep.equal({ open: 0, held: 0, lookups: 0, unstored: 0, unnamed: 0, bytes: 0 })
    expect(verdicts.size).to.equal(sent)
    expect([...verdicts.values()].every(count => count === 1)).to.equal(true)
  })
})
