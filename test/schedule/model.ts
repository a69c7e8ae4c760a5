import type { Hex } from '../../src/actors/schedule/facts.js'
import { EPOCH } from './fake-l1.js'
import type { FakeBlock, FakeL1 } from './fake-l1.js'

/** What one moment says: who may propose, and until when. No signer: nobody. */
export interface Moment { readonly end: number; readonly signer: Hex | undefined; readonly as: 'committer' | 'fallback' }

/**
 * Who may sign at an L1 time, by LOOKAHEAD §3 read as it stands: the five rules, for one moment and one state of the contracts. `posts`
 * and `standing`: the blocks as of which lookaheads, and operators and blacklist, are looked at.
 */
export function momentOf(l1: FakeL1, time: number, posts: FakeBlock, standing: FakeBlock): Moment {
  const epoch = time - time % EPOCH
  const next = epoch + EPOCH
  const own = l1.variant === 'whitelist' ? [] : posts.state.posts.get(epoch) ?? []
  const following = l1.variant === 'whitelist' ? [] : posts.state.posts.get(next) ?? []
  const fallback = { signer: l1.elected(epoch, standing)?.proposer, as: 'fallback' as const }
  // rule 1
  if (own.length === 0) return { end: next - 12, ...fallback }
  // rule 2
  const [slot, cross] = own.some(each => time <= each.time) ? [own.find(each => time <= each.time)!, false] : [following[0], true]
  // rule 4
  if (slot === undefined) return { end: next - 12, ...fallback }
  const inactive = l1.variant === 'lookahead' ? l1.blacklisted(slot.root, standing.state) : standing.state.inactive.has(slot.root)
  // rule 5
  if (inactive) return { end: cross && l1.variant === 'packed-lookahead' ? next - 12 : slot.time, ...fallback }
  // rules 2 and 3
  return { end: slot.time, signer: slot.committer, as: 'committer' }
}
