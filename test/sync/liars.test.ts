import { expect } from 'chai'
import { seconds } from '../../src/actors/kernel/index.js'
import { packPage } from '../../src/protocol/index.js'
import { block, chainOf, fromOn, hashOf, heightOf, heightsOf, inRange, peer, simulate } from './sim.js'
import type { PeerModel, Sim } from './sim.js'

const LENGTH = 1_500n
const chain = chainOf(1n, LENGTH)
const honest = (start: bigint, max: number): readonly Uint8Array[] => chain.slice(Number(start) - 1, Number(start) - 1 + max)
const fork = [...chain.slice(0, 700), ...chainOf(701n, LENGTH, { parent: hashOf(chain[699] as Uint8Array), fork: 9 })]
const stranger = chainOf(1n, LENGTH, { fork: 7 })

/** Every kind of liar of issue and hardening rows: what it answers to pages, and what else it does. */
const liars: Record<string, { readonly reasons: readonly string[]; readonly model: Partial<PeerModel> }> = {
  withholding: { reasons: ['withheld'], model: { page: () => [] } },
  'withholding all but its first blocks': { reasons: ['withheld'], model: { page: (start, max) => honest(start, max).filter(each => heightOf(each) < 100n) } },
  forged: { reasons: ['invalid'], model: { page: (start, max) => honest(start, max).map((each, at) => at === 100 ? forge(each) : each) } },
  'forged throughout': { reasons: ['invalid'], model: { page: (start, max) => honest(start, max).map(forge) } },
  reordered: { reasons: ['out_of_order'], model: { page: (start, max) => [...honest(start, max)].reverse() } },
  'reordered by two': { reasons: ['out_of_order'], model: { page: (start, max) => swapped(honest(start, max)) } },
  duplicating: { reasons: ['duplicate'], model: { page: (start, max) => max === 1 ? honest(start, 1) : honest(start, max - 1).flatMap((each, at) => at === 3 ? [each, each] : [each]) } },
  'truncated bytes': { reasons: ['undecodable'], model: { page: (start, max) => packPage(honest(start, max)).subarray(0, -7) } },
  garbage: { reasons: ['undecodable'], model: { page: () => new Uint8Array(1_000).fill(0xa5) } },
  'truncated pages': { reasons: ['truncated'], model: { page: (start, max) => (honest(start, max)).slice(0, 20) } },
  'more than asked': { reasons: ['too_many'], model: { page: (start, max) => overlong(start, max) } },
  'endless, shifting upward': { reasons: ['shifted', 'withheld'], model: { page: (start, max) => fromOn(chain)(start + 50n, max) } },
  'below the asked range': { reasons: ['out_of_range'], model: { page: (start, max) => honest(start > 5n ? start - 5n : start, max), head: () => LENGTH } },
  'another fork': { reasons: ['other_fork'], model: { page: inRange(fork) } },
  'another chain': { reasons: ['other_fork'], model: { page: inRange(stranger) } },
  'inflated head': { reasons: ['inflated_head'], model: { head: () => 10n ** 9n } },
  'inflated head beyond any number': { reasons: ['inflated_head'], model: { head: () => 2n ** 255n } },
  'inflated head, slightly': { reasons: ['inflated_head'], model: { head: () => LENGTH + 100n } },
  slow: { reasons: ['slow'], model: { latencyMs: seconds(12) } },
  silent: { reasons: ['no_answer'], model: { page: () => 'silent' } },
}

function forge(commitment: Uint8Array): Uint8Array {
  const bytes = commitment.slice()
  bytes[317] = 0xff
  return bytes
}

function swapped(page: readonly Uint8Array[]): readonly Uint8Array[] {
  const [first, second, ...rest] = page
  return first === undefined || second === undefined ? page : [second, first, ...rest]
}

function overlong(start: bigint, max: number): Uint8Array {
  const page = Array.from({ length: max + 1 }, (_, at) => block(start + BigInt(at)))
  const bytes = new Uint8Array(4 + 382 * page.length)
  bytes[0] = 4
  page.forEach((each, at) => { bytes.set(each, 4 + 382 * at) })
  return bytes
}

describe('sync: three honest peers and two liars of a kind', () => {
  let sim: Sim
  afterEach(() => sim.kit.stop())

  for (const [kind, { reasons, model }] of Object.entries(liars)) {
    for (const seed of [1, 2]) {
      it(`H12 H26 ${kind}: the right chain, the liars penalised, the honest not (${seed})`, async () => {
        const crowd = [peer('liar-1', chain, model), peer('honest-1', chain), peer('liar-2', chain, model), peer('honest-2', chain), peer('honest-3', chain)]
        sim = await simulate(seed === 1 ? crowd : crowd.reverse(), { seed })
        await sim.catchUp()
        await sim.kit.advance(seconds(40))
        expect(sim.chain.canonical.length).to.equal(Number(LENGTH))
        expect(sim.chain.canonical.every((each, at) => Buffer.compare(each, chain[at] as Uint8Array) === 0)).to.equal(true)
        const blamed = sim.failures()
        expect(Object.keys(blamed).sort()).to.deep.equal(['liar-1', 'liar-2'])
        const told = sim.events.received.flatMap(event => event.type === 'peerFault' && event.penalty ? [event.reason] : [])
        for (const reason of told) expect(reasons).to.include(reason)
      })
    }
  }

  for (const [kind, { model }] of Object.entries(liars)) {
    it(`H26 ${kind}: liars alone do not hang it, and nothing false is taken`, async () => {
      sim = await simulate([peer('liar-1', chain, model), peer('liar-2', chain, model)])
      const result = await sim.catchUp(seconds(300))
      expect(result.ms).to.be.lessThan(seconds(120))
      expect(sim.chain.canonical.every(each => each[317] === 1)).to.equal(true)
      const heights = heightsOf(sim.chain)
      expect(heights).to.deep.equal(heights.map((_, at) => BigInt(at + 1)))
    })
  }

  for (const [kind, { reasons, model }] of Object.entries(liars)) {
    it(`H12 ${kind}: one liar beside one honest peer, where no vote can tell them apart`, async () => {
      // which of two forks that elected signers signed is right, one word against another cannot tell
      const forks = kind.startsWith('another')
      sim = await simulate([peer('liar', chain, model), peer('honest', chain)])
      await sim.catchUp(seconds(300))
      await sim.kit.advance(seconds(40))
      if (forks) return
      expect(sim.chain.canonical.length).to.equal(Number(LENGTH))
      expect(sim.chain.canonical.every((each, at) => Buffer.compare(each, chain[at] as Uint8Array) === 0)).to.equal(true)
      expect(Object.keys(sim.failures())).to.deep.equal(['liar'])
      const told = sim.events.received.flatMap(event => event.type === 'peerFault' && event.penalty ? [event.reason] : [])
      expect(reasons).to.include.members([...new Set(told)])
    })
  }
})
