import { expect } from 'chai'
import fc from 'fast-check'
import { toEventSelector } from 'viem'
import type { Hex, Variant } from '../../src/actors/schedule/facts.js'
import { EPOCH, FakeL1, beacon, operator, slot } from './fake-l1.js'
import type { FakeBlock } from './fake-l1.js'
import { momentOf } from './model.js'
import { walk } from './walk.js'

const E = EPOCH * 100
/** A change counts on for so long. */
const GRACE = 24
const NAMES = ['alice', 'bob', 'carol', 'dan']
const OPERATORS = ['one', 'two', 'three', 'four']

/** One slot of L1: whether it has a block, and what happens in it. */
const eventOf = fc.oneof(
  { weight: 30, arbitrary: fc.constant({ do: 'nothing' as const }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('post' as const), slots: fc.uniqueArray(fc.nat(31), { maxLength: 5 }), who: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('blacklist' as const, 'unblacklist' as const), who: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('add' as const, 'remove' as const), who: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reorg' as const), depth: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 6, arbitrary: fc.constant({ do: 'missed' as const }) },
)
/** A random history of L1 over three epochs. */
export const historyOf = fc.record({
  variant: fc.constantFrom<Variant>('lookahead', 'lookahead', 'packed-lookahead', 'whitelist'),
  operators: fc.integer({ min: 0, max: 3 }),
  slots: fc.array(fc.record({ event: eventOf, looks: fc.boolean(), beacon: fc.nat(11) }), { minLength: 64, maxLength: 96 }),
})
export type History = typeof historyOf extends fc.Arbitrary<infer T> ? T : never

function play(l1: FakeL1, { event, beacon: root }: History['slots'][number], time: number): void {
  switch (event.do) {
    case 'missed': return
    case 'post': {
      const next = time - time % EPOCH + EPOCH
      // at slot 0 it is not required, and whoever proposes posts nothing
      if (time % EPOCH !== 0) l1.post(next, [...event.slots].sort((a, b) => a - b).map((at, index) => slot(next + 12 * at, NAMES[(event.who + index) % 4]!)))
      break
    }
    case 'blacklist': l1.blacklist(NAMES[event.who]!); break
    case 'unblacklist': l1.unblacklist(NAMES[event.who]!); break
    case 'add': l1.add(OPERATORS[event.who]!); break
    case 'remove': l1.remove(OPERATORS[event.who]!); break
    case 'reorg': l1.reorg(Math.min(event.depth, l1.blocks.length - 80)); break
    case 'nothing': break
  }
  l1.mine(time, beacon(root))
}

/** The block that is the newest one at a time. */
const blockAt = (l1: FakeL1, time: number): FakeBlock => l1.blocks.findLast(each => each.time <= time) ?? l1.blocks[0]!

const REMOVED = toEventSelector('OperatorRemoved(address,address,uint256)')
const removals = (l1: FakeL1): number => l1.blocks.flatMap(({ logs }) => logs).filter(({ topics }) => topics[0] === REMOVED).length

/** Holds every window of the epochs from E on against the model, moment by moment. */
function check(l1: FakeL1, answer: (end: number) => readonly Hex[] | string, exact: boolean): void {
  const now = l1.head.time
  const last = now - now % EPOCH + EPOCH
  const right = new Map<number, Set<Hex | undefined>>()
  const allowed = new Map<number, Set<Hex | undefined>>()
  const parts = new Map<string, { fallbacks: Set<Hex | undefined>; needed: boolean }>()
  const note = (map: Map<number, Set<Hex | undefined>>, end: number, signer: Hex | undefined): void => { map.set(end, (map.get(end) ?? new Set()).add(signer)) }
  for (let time = E - EPOCH; time < last + EPOCH; time += 12) {
    const present = blockAt(l1, time)
    // of what is to come, only what cannot be another thing any more
    if (time >= last && l1.variant !== 'whitelist' && !l1.head.state.posts.has(last)) continue
    if (time >= last) continue
    // within a block of that time, what was before it, and what is after it
    for (const state of [blockAt(l1, time - 1), present]) {
      const moment = momentOf(l1, time, state, state)
      note(right, moment.end, moment.signer)
      for (let before = time; before >= time - GRACE - 12; before -= 12) {
        const earlier = blockAt(l1, before)
        const { end, signer, as } = momentOf(l1, time, state, earlier)
        note(allowed, end, signer)
        // Who is struck off for a part of a window may be replaced in all of it, by whomever the whitelist elects in the meantime.
        const part = `${end} ${time - time % EPOCH}`
        const { fallbacks, needed } = parts.get(part) ?? { fallbacks: new Set(), needed: false }
        parts.set(part, { fallbacks: fallbacks.add(l1.elected(time - time % EPOCH, earlier)?.proposer), needed: needed || as === 'fallback' })
      }
    }
  }
  for (const [part, { fallbacks, needed }] of parts) if (needed) for (const signer of fallbacks) note(allowed, Number(part.split(' ')[0]), signer)
  for (let end = E; end < last; end += 12) {
    const given = answer(end)
    const wanted = right.get(end) ?? new Set()
    const where = `window ${end - E} of ${l1.variant}, head ${now - E}: ${JSON.stringify(given)}`
    if (wanted.size === 0) {
      // a tail may still be the fallback's; what was its for a while, is
      if (given !== 'not_slot_end' && !allowed.has(end)) expect(l1.variant, `${where}: nobody's window`).equal('packed-lookahead')
      continue
    }
    if (wanted.has(undefined)) { if (typeof given === 'string') expect(given, where).equal('nobody'); continue }
    // read afterwards, several removals leave too many whitelists that there can have been
    if (!exact && given === 'not_read' && removals(l1) > 2) continue
    expect(given, where).an('array')
    for (const signer of wanted) expect(given, where).include(signer)
    if (exact && l1.variant !== 'packed-lookahead') for (const signer of given as readonly Hex[]) expect([...allowed.get(end)!], `${where}: ${signer} is never right`).include(signer)
  }
}

/** Plays a history, and holds what is answered against the model: by one who has followed it, and by one who starts at its end. */
export async function holds(history: History): Promise<void> {
  const l1 = new FakeL1(history.variant, { time: E - 4 * EPOCH, operators: OPERATORS.slice(0, history.operators).map(name => ({ ...operator(name), activeSince: EPOCH })) })
  l1.mineTo(E - 12)
  const followed = await walk(l1)
  for (const [index, each] of history.slots.entries()) {
    play(l1, each, E + 12 * index)
    if (!each.looks) continue
    await followed.step()
  }
  await followed.step()
  check(l1, followed.answer, true)
  // who starts now answers no less
  const late = await walk(l1)
  await late.read(Array.from({ length: Math.floor((l1.head.time - E) / 12) }, (_, index) => E + 12 * index))
  check(l1, late.answer, false)
}
