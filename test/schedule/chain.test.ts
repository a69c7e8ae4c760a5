import { expect } from 'chai'
import { seconds } from '../../src/actors/kernel/index.js'
import { house } from '../chain/harness.js'
import { MALLORY, build } from '../support/chain-builder.js'
import type { Spec } from '../support/chain-builder.js'
import { EPOCH, FakeL1, address, slot } from './fake-l1.js'
import type { Hex } from '../../src/actors/schedule/facts.js'
import { resolverOf, room } from './room.js'
import { E, NEXT, started, twisted } from './support.js'

const bytes = (hex: Hex): Uint8Array => Uint8Array.from(Buffer.from(hex.slice(2), 'hex'))
const commitment = (signer: Uint8Array, window: number, more: Partial<Spec> = {}) => build({ number: 100, signer, window, ...more })

/** A chain whose schedule follows an L1 in memory, and that has block 99 confirmed. */
async function node(l1: FakeL1, options: Parameters<typeof resolverOf>[1] = {}) {
  const resolver = resolverOf(l1, options)
  const chain = await house({ schedule: resolver, config: { confirmedTip: { blockNumber: 99n, preconfirmationHash: new Uint8Array(32) } } })
  const followed = await room(l1, { kit: chain.kit, resolver })
  return {
    ...followed, chain, gossip: chain.gossip.bind(chain), canonical: chain.canonical.bind(chain), page: chain.page.bind(chain), reason: chain.reason.bind(chain),
    penalties: () => chain.outcomes.received.filter(({ outcome }) => outcome === 'failure').length,
  }
}

describe('the schedule from L1, and the verdict', () => {
  before(async () => { await import('viem') })

  it('L9 a preconfer in its slot is accepted, a foreign key and a window that is none are ignored, and held against no relay (H85)', async () => {
    const l1 = started().post(NEXT, [slot(NEXT + 60, 'alice')])
    l1.mine()
    const { kit, gossip, reason, penalties } = await node(l1)
    expect(await gossip(commitment(MALLORY, NEXT + 60), { peer: 'mallory' })).equal('ignore')
    expect(reason()).equal('not_elected')
    expect(await gossip(commitment(bytes(address('alice')), NEXT + 48), { peer: 'mallory' })).equal('ignore')
    expect(reason()).equal('not_slot_end')
    expect(await gossip(commitment(bytes(address('alice')), NEXT + 60))).equal('accept')
    expect(penalties()).equal(0)
    await kit.stop()
  })

  it('L9 one that comes before its window is decided is held, and judged as soon as L1 says so: nobody loses anything', async () => {
    const l1 = started()
    const { kit, gossip, canonical, penalties, wallAt } = await node(l1)
    expect(await gossip(commitment(bytes(address('alice')), NEXT + 60))).equal(undefined)
    l1.post(NEXT, [slot(NEXT + 60, 'alice')]).mine()
    wallAt(l1.head.time + 1)
    await kit.advance(seconds(3))
    await kit.advance(seconds(12))
    expect(await canonical()).lengthOf(1)
    expect(penalties()).equal(0)
    await kit.stop()
  })

  it('L9 a reorg takes a slot away: what is held is judged by the new schedule, what was accepted stays, and nobody loses anything', async () => {
    const l1 = started().post(NEXT, [slot(NEXT + 60, 'alice'), slot(NEXT + 120, 'bob')])
    l1.mine()
    const { kit, gossip, canonical, penalties, wallAt, chain } = await node(l1)
    const first = commitment(bytes(address('alice')), NEXT + 60)
    expect(await gossip(first)).equal('accept')
    expect(await canonical()).lengthOf(1)
    l1.reorg(1)
    l1.mine()
    l1.post(NEXT, [slot(NEXT + 60, 'carol'), slot(NEXT + 120, 'bob')]).mine()
    wallAt(l1.head.time + 1)
    await kit.advance(seconds(13))
    // alice's second block in a window that is carol's by now
    expect(await gossip(commitment(bytes(address('alice')), NEXT + 60, { number: 101, parent: first }), { peer: 'late' })).equal('ignore')
    expect(await gossip(commitment(bytes(address('bob')), NEXT + 120, { number: 101, parent: first }))).equal('accept')
    expect(await canonical()).lengthOf(2)
    expect(chain.events.received.some(({ type }) => type === 'rewind')).equal(false)
    expect(penalties()).equal(0)
    await kit.stop()
  })

  it('L9 while an operator leaves the whitelist, both the old and the new one are accepted', async () => {
    const l1 = started('whitelist')
    const { kit, gossip, penalties, wallAt } = await node(l1)
    const old = l1.elected(E, l1.head)!
    l1.remove(['one', 'two', 'three'].find(name => address(`${name} proposes`) === old.proposer)!).mine()
    const present = l1.elected(E, l1.head)!
    wallAt(l1.head.time + 1)
    await kit.advance(seconds(13))
    const first = commitment(bytes(old.proposer), E + EPOCH - 12)
    expect(await gossip(first)).equal('accept')
    expect(await gossip(commitment(bytes(present.proposer), E + EPOCH - 12, { number: 101, parent: first }))).equal('accept')
    expect(penalties()).equal(0)
    await kit.stop()
  })

  it('L9 an endpoint that hangs, and one that dies: nobody honest loses anything, and the honest one is accepted', async () => {
    const l1 = started().post(NEXT, [slot(NEXT + 60, 'alice')])
    l1.mine()
    let how: 'well' | 'hangs' | 'dies' = 'well'
    const failing = twisted(l1.call, async (_method, _params, answer) => {
      if (how === 'hangs') return new Promise<never>(() => undefined)
      if (how === 'dies') throw new Error('gone')
      return answer()
    })
    const { kit, gossip, penalties } = await node(l1, { endpoints: { a: failing } })
    const first = commitment(bytes(address('alice')), NEXT + 60)
    expect(await gossip(first)).equal('accept')
    for (const each of ['hangs', 'dies'] as const) {
      how = each
      await kit.advance(seconds(60))
      // known windows go on, others are held
      const number = each === 'hangs' ? 101 : 102
      expect(await gossip(commitment(bytes(address('bob')), NEXT + EPOCH + 60, { number, salt: number }), { peer: 'bob' })).equal(undefined)
    }
    expect(await gossip(commitment(bytes(address('alice')), NEXT + 60, { number: 101, parent: first }))).equal('accept')
    expect(penalties()).equal(0)
    await kit.stop()
  })

  it('L9 an endpoint that forges a lookahead elects nobody: its committer is ignored, the honest one accepted, and nobody loses anything', async () => {
    const l1 = started()
    const liar = new FakeL1('lookahead', { time: E })
    liar.blocks.splice(0, 1, ...l1.blocks)
    liar.post(NEXT, [slot(NEXT + 60, 'mallory')]).mine()
    l1.post(NEXT, [slot(NEXT + 60, 'alice')]).mine()
    const { kit, gossip, reason, penalties } = await node(l1, { endpoints: { a: liar.call, b: l1.call, c: l1.call } })
    await kit.advance(seconds(15))
    expect(await gossip(commitment(bytes(address('mallory')), NEXT + 60), { peer: 'mallory' })).equal('ignore')
    expect(reason()).equal('not_elected')
    expect(await gossip(commitment(bytes(address('alice')), NEXT + 60))).equal('accept')
    expect(penalties()).equal(0)
    await kit.stop()
  })

  it('L9 a page of a catch-up waits for the past to be read', async () => {
    const l1 = started().post(NEXT, [slot(NEXT + 60, 'alice')])
    l1.mine()
    l1.mineTo(NEXT + 12 * EPOCH)
    const { kit, page, penalties } = await node(l1)
    const first = commitment(bytes(address('alice')), NEXT + 60)
    const foreign = commitment(MALLORY, NEXT + 60, { number: 101, parent: first })
    expect(await page([first, foreign])).deep.equal(['accept accepted', 'ignore not_elected'])
    expect(penalties()).equal(0)
    await kit.stop()
  })
})
