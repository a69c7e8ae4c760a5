import { expect } from 'chai'
import fc from 'fast-check'
import { Finding } from '../../src/protocol/index.js'
import { ALICE, BOB, CAROL, MALLORY, WINDOW, build } from '../support/chain-builder.js'
import type { Built } from '../support/chain-builder.js'
import { house, shown } from '../chain/harness.js'
import type { House } from '../chain/harness.js'

const TIP = { blockNumber: 99n, preconfirmationHash: new Uint8Array(32) }
const SIGNERS = [ALICE, BOB, CAROL]
const signerAt = (window: bigint): Uint8Array => SIGNERS[Number((window - WINDOW) / 12n) % 3]!

/** A tree of honest commitments: each on an earlier one, in its window or a later one. */
const treeOf = fc.array(fc.record({ on: fc.nat(), later: fc.nat(4), kind: fc.constantFrom('block', 'block', 'block', 'eop', 'handoverOnly') }), { minLength: 1, maxLength: 22 })
type Tree = typeof treeOf extends fc.Arbitrary<infer T> ? T : never

/** What comes in, and what happens meanwhile. */
const stepOf = fc.oneof(
  { weight: 20, arbitrary: fc.record({ do: fc.constantFrom('commitment', 'commitment', 'commitment', 'txList', 'forged', 'mangled', 'misnumbered', 'page'), which: fc.nat(), peer: fc.nat(3) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('schedule'), which: fc.nat(), peer: fc.constant(0) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('time'), which: fc.nat(12_000), peer: fc.constant(0) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('restart', 'slow store', 'settle'), which: fc.nat(), peer: fc.constant(0) }) },
)
type Step = typeof stepOf extends fc.Arbitrary<infer T> ? T : never

/** Nobody signs a height of a window twice, or after the end of a turn: for those the order of arrival counts (the first stays). */
function grow(tree: Tree): Built[] {
  const built: Built[] = []
  const taken = new Set<string>()
  const ends = new Map<bigint, bigint>()
  const highest = new Map<bigint, bigint>()
  for (const { on, later, kind } of tree) {
    const parent = built.length === 0 ? undefined : [undefined, ...built][on % (built.length + 1)]
    const number = parent === undefined ? 100n : parent.handoverOnly ? parent.number : parent.number + 1n
    let window = (parent?.window ?? WINDOW) + 12n * BigInt(later)
    const end = kind === 'handoverOnly' ? number : number + 1n
    const unfit = (): boolean => taken.has(`${window}:${number}`) || (ends.get(window) ?? 2n ** 64n) <= number || (kind !== 'block' && (highest.get(window) ?? 0n) >= end)
    while (unfit()) window += 12n
    taken.add(`${window}:${number}`)
    if (kind !== 'block') ends.set(window, end)
    if (kind !== 'handoverOnly') highest.set(window, number > (highest.get(window) ?? 0n) ? number : highest.get(window)!)
    built.push(build({ number, window, signer: signerAt(window), eop: kind === 'eop', handoverOnly: kind === 'handoverOnly', ...(parent !== undefined && { parent }) }))
  }
  return built
}


/** The canonical chain by definition (SPEC §7): at each height the latest window of those that link to what is below. */
function canonicalOf(all: readonly Built[]): Built[] {
  const chain: Built[] = []
  let below: Uint8Array = TIP.preconfirmationHash
  for (let number = 100n; ; number++) {
    const links: Uint8Array[] = [below]
    const handovers: Built[] = []
    for (const each of all) if (each.handoverOnly && each.number === number && links.some(hash => linksParent(each, hash))) { handovers.push(each); links.push(each.hash) }
    const blocks = all.filter(each => !each.handoverOnly && each.number === number && links.some(hash => linksParent(each, hash)))
    chain.push(...handovers)
    const best = blocks.reduce<Built | undefined>((latest, each) => latest === undefined || each.window > latest.window ? each : latest, undefined)
    if (best === undefined) return chain
    chain.push(best)
    below = best.hash
  }
}
const PARENT_AT = 1 + 32 * 3 + 20 + 32 + 32
const linksParent = ({ ssz }: Built, hash: Uint8Array): boolean => Buffer.compare(ssz.subarray(PARENT_AT, PARENT_AT + 32), hash) === 0

async function run(all: readonly Built[], steps: readonly Step[]): Promise<{ canonical: readonly string[]; head: bigint; txLists: boolean; penalties: number }> {
  const known = new Set<bigint>()
  let everything = false
  let penalties = 0
  const schedule = (window: bigint) => everything || known.has(window) ? { signer: signerAt(window) } : 'unknown' as const
  let h: House = await house({ schedule, config: { confirmedTip: TIP } })
  const countPenalties = (): void => { penalties += h.outcomes.received.filter(({ outcome, peer }) => outcome === 'failure' && peer !== 'forger').length }
  for (const { do: what, which, peer: number } of steps) {
    const block = all[which % all.length]!
    const peer = `peer-${number}`
    switch (what) {
      case 'commitment': void h.gossip(block, { peer }); break
      case 'txList': void h.gossipTxList(block.txList, { peer }); break
      case 'forged': void h.gossip({ ...build({ number: block.number, window: block.window, salt: 9, parent: block }), signer: MALLORY }, { peer: 'forger' }); break
      case 'mangled': void h.gossip(block, { peer, finding: Finding.high_s }); break
      case 'misnumbered': void h.gossip(build({ number: block.number + 7n, window: block.window + 600_000n, signer: signerAt(block.window + 600_000n), parent: block }), { peer }); known.add(block.window + 600_000n); break
      case 'page': void h.page(all.slice(which % all.length, which % all.length + 5)); break
      case 'schedule': known.add(block.window); break
      case 'time': await h.kit.advance(which); break
      case 'restart': await h.kit.settle(); countPenalties(); h.store.automatic = true; h = await h.restart(); break
      case 'slow store': h.store.automatic = !h.store.automatic; if (h.store.automatic) await h.store.acknowledge(); break
      default: await h.kit.settle()
    }
  }
  everything = true
  h.store.automatic = true
  await h.store.acknowledge()
  await h.kit.advance(10_000)
  // What was dropped meanwhile comes again, as sync would fetch it.
  for (const block of [...all].reverse()) void h.gossip(block)
  for (const block of all) void h.gossip(block)
  for (const block of all) if (!block.handoverOnly) void h.gossipTxList(block.txList)
  const canonical = await h.canonical()
  const { head } = await h.standing()
  const txLists = await h.store.database.hasTxLists(all.filter(({ handoverOnly }) => !handoverOnly).map(({ txListHash }) => txListHash))
  countPenalties()
  await h.kit.stop()
  return { canonical, head: head.blockNumber, txLists: txLists.every(Boolean), penalties }
}

describe('chain: whatever the order', () => {
  it('the same canonical chain and the same head, over duplicates, forks, forgeries, schedules that come late, and restarts', async () => {
    await fc.assert(fc.asyncProperty(treeOf, fc.array(stepOf, { maxLength: 60 }), fc.array(stepOf, { maxLength: 60 }), async (tree, one, other) => {
      const all = grow(tree)
      const expected = canonicalOf(all)
      for (const steps of [one, other]) {
        const outcome = await run(all, steps)
        expect([...outcome.canonical].sort()).to.deep.equal([...shown(expected)].sort())
        expect(outcome.head).to.equal(expected.findLast(({ handoverOnly }) => !handoverOnly)?.number ?? 0n)
        expect(outcome.txLists).to.equal(true)
        expect(outcome.penalties).to.equal(0)
      }
    }), { numRuns: Number(process.env['CHAIN_RUNS'] ?? 30), interruptAfterTimeLimit: 60_000 })
  })
})
