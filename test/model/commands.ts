import { expect } from 'chai'
import fc from 'fast-check'
import type { Model } from './model.js'
import { CHAIN_DEFAULTS } from '../../src/actors/chain/index.js'
import { COMMITMENT_SIZE } from '../../src/protocol/index.js'
import { FIRST_HEIGHT, FIRST_WINDOW, OURS } from './session.js'
import type { Made, Session } from './session.js'
import { tipOf } from './world.js'

type Command = fc.AsyncCommand<Model, Session>

/**
 * A command: what chance gave it, what that means in the history in which it first runs (`choose`: such as which block), and what it does to
 * model and world. What was chosen stays when the history is shrunk, so that leaving out a step does not change what the others are about.
 */
function command<P extends object, C>(name: string, given: P, choose: (session: Session, given: P) => C | undefined, act: (session: Session, chosen: C) => Promise<string> | string): Command {
  let chosen: { readonly value: C | undefined } | undefined
  return {
    check: () => true,
    async run(_model, session) {
      chosen ??= { value: choose(session, given) }
      const { value } = chosen
      if (value === undefined) return
      session.log.push(name)
      const what = await act(session, value)
      session.log.splice(-1, 1, `${name} ${what}`)
      await session.compare()
    },
    toString: () => name,
  }
}

const nameOf = (session: Session, made: Made): string => session.name(made.as.id)
const lineOf = (session: Session, made: Made): string => `${nameOf(session, made)} <- ${session.name(made.as.parent)}`

/** On what a new commitment stands, or what a decision is about. */
const place = fc.record({ from: fc.constantFrom('head', 'head', 'head', 'recent', 'recent', 'any', 'root'), back: fc.nat(9) })
function placed(session: Session, where: { readonly from: string; readonly back: number }): Made | undefined {
  const made = anyPlaced(session, where)
  // Nothing can be built on the last integer.
  return made !== undefined && made.as.number < 2n ** 255n && made.as.window < 2n ** 255n ? made : undefined
}
function anyPlaced(session: Session, { from, back }: { readonly from: string; readonly back: number }): Made | undefined {
  const { pool, model } = session
  if (pool.length === 0 || from === 'root') return undefined
  if (from === 'any') return pool[back * 7 % pool.length]
  if (from === 'recent') return pool[pool.length - 1 - Math.min(back, pool.length - 1)]
  const { head } = model
  const height = head === undefined ? undefined : head.number - BigInt(back < 6 ? 0 : back - 5)
  return pool.find(({ as }) => as.number === height && model.now.blockAt(as.number)?.id === as.id)
}

const extend = fc.record({
  on: place, later: fc.nat(3), kinds: fc.array(fc.constantFrom('block' as const, 'block' as const, 'block' as const, 'eop' as const, 'handoverOnly' as const), { minLength: 1, maxLength: 6 }), salt: fc.nat(1),
  twist: fc.constantFrom('none', 'none', 'none', 'none', 'none', 'forged', 'refused', 'misnumbered'),
  by: fc.constantFrom('gossip', 'gossip', 'gossip', 'page', 'reversed', 'all but the first', 'nobody'), peer: fc.nat(2),
}).map(given => command('extend', given, (session, { on, later, kinds, salt, twist, by, peer }) => {
  let parent = placed(session, on)
  let window = (parent?.as.window ?? FIRST_WINDOW) + 12n * BigInt(later)
  const made: Made[] = []
  for (const [at, kind] of kinds.entries()) {
    const number = (parent === undefined ? FIRST_HEIGHT : parent.as.handoverOnly ? parent.as.number : parent.as.number + 1n) + (twist === 'misnumbered' && at === 0 ? 3n : 0n)
    if (parent?.as.eop === true && window === parent.as.window) window += 12n
    made.push(parent = session.make({ parent, number, window, kind, salt, forged: twist === 'forged' && at === 0, refused: twist === 'refused' && at === 0 }))
  }
  const sent = by === 'nobody' ? [] : by === 'all but the first' ? made.slice(1) : by === 'reversed' ? made.toReversed() : made
  return { made, sent, by, peer, twist }
}, async (session, { made, sent, by, peer, twist }) => {
  for (const each of made) session.add(each)
  await deliver(session, sent, by === 'page' ? 'page' : 'gossip', `peer-${peer}`)
  return `${made.map(each => lineOf(session, each)).join(', ')} ${twist === 'none' ? '' : twist} by ${by}`
}))

const again = fc.record({ which: fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), by: fc.constantFrom('gossip' as const, 'page' as const), peer: fc.nat(2) })
  .map(given => command('again', given, (session, { which, by, peer }) => {
    const { pool } = session
    return pool.length === 0 ? undefined : { made: which.map(each => pool[pool.length - 1 - each % pool.length]!), by, peer }
  }, async (session, { made, by, peer }) => {
    for (const each of made) session.add(each)
    await deliver(session, made, by, `peer-${peer}`)
    return `${made.map(each => lineOf(session, each)).join(', ')} by ${by}`
  }))

async function deliver(session: Session, made: readonly Made[], by: 'gossip' | 'page', peer: string): Promise<void> {
  const { world, model } = session
  const known = made.every(({ as }) => !model.isFar(as.window) && session.elected(as.window) !== undefined)
  // A page is judged before any of it is placed: near the bound, or where the rules refuse what the page itself convicts, nobody is concerned.
  const roomy = model.pending.length + made.length <= model.bounds.maxPending && !made.some(({ as }) => as.refused)
  if (by === 'page' && known && roomy && made.length > 0) {
    const ordered = made.toSorted((a, b) => a.as.number < b.as.number ? -1 : a.as.number > b.as.number ? 1 : 0)
    const said = world.page(ordered.map(({ built }) => built), peer)
    for (const [at, each] of ordered.entries()) session.expectAnswer(each, model.arrive(each.as, peer), () => said()?.[at])
    // With one that is not the elected signer's the page waits for the schedule to be asked once more (H73).
    await world.kit.advance(1_000)
    model.pass(1)
    return
  }
  for (const each of made) {
    session.expectAnswer(each, model.arrive(each.as, peer), world.gossip(each.built, peer))
    // Up to where the application has demoted, the store is asked first, and what comes meanwhile is judged before: no two at a time.
    if (retired(session)) await world.kit.settle()
  }
}

const retired = (session: Session): boolean => session.asksFirst

const time = fc.constantFrom(1, 7, 7, 30, 101).map(seconds => command('time', { seconds }, () => seconds, async session => {
  await session.world.kit.advance(seconds * 1_000)
  session.model.pass(seconds)
  return `${seconds} s`
}))

const schedule = fc.constantFrom(1, 8).map(by => command('schedule', { by }, () => BigInt(by), async (session, by) => {
  if (retired(session) && session.model.held.length > 1) return 'not now'
  const from = session.revealed
  session.revealed += by
  session.world.scheduleChanged(FIRST_WINDOW + 12n * from, FIRST_WINDOW + 12n * session.revealed)
  session.model.scheduleChanged()
  await session.world.kit.settle()
  return `known up to ${session.revealed}`
}))

/** Window ends and heights at the edges of what there can be. */
const EDGES = [0n, 2n ** 63n, 2n ** 64n - 2n, 2n ** 64n - 1n, 2n ** 256n - 1n]

const edge = fc.record({ what: fc.constantFrom('number' as const, 'window' as const), value: fc.constantFrom(...EDGES), on: place, kind: fc.constantFrom('block' as const, 'handoverOnly' as const) })
  .map(given => command('edge', given, (session, { what, value, on, kind }) => {
    const parent = placed(session, on)
    const number = what === 'number' ? value : (parent?.as.number ?? FIRST_HEIGHT - 1n) + (parent?.as.handoverOnly === true ? 0n : 1n)
    return session.make({ parent, number, window: what === 'window' ? value : (parent?.as.window ?? FIRST_WINDOW) + 12n, kind, salt: 0, forged: false, refused: false })
  }, async (session, made) => {
    session.add(made)
    await deliver(session, [made], 'gossip', 'peer-0')
    return nameOf(session, made)
  }))

const clock = fc.constantFrom(-7_200, -600, 600, 7_200).map(seconds => command('clock', { seconds }, () => seconds, async session => {
  // A window that was asked about just now is looked at a moment after the others.
  const windows = new Set(session.model.held.map(({ commitment }) => commitment.window))
  if (windows.size > 1 || (retired(session) && session.model.held.length > 1)) return 'not now'
  session.world.kit.clock.jump(seconds * 1_000)
  session.model.wall += seconds
  session.model.scheduleChanged()
  await session.world.kit.advance(1_000)
  session.model.pass(1)
  return `set by ${seconds} s`
}))

const reelect = fc.nat(12).map(index => command('reelect', { index }, () => FIRST_WINDOW + 12n * BigInt(index), (session, window) => {
  if (!session.swapped.delete(window)) session.swapped.add(window)
  session.world.scheduleChanged(window, window)
  session.model.scheduleChanged()
  return `window ${(window - FIRST_WINDOW) / 12n} is another signer's`
}))

const txList = fc.record({ which: fc.nat(), peer: fc.nat(2) }).map(given => command('txlist', given, ({ pool }, { which }) => {
  const made = pool[pool.length - 1 - which % Math.max(1, Math.min(pool.length, 12))]
  return made?.as.handoverOnly === false ? made : undefined
}, (session, made) => {
  session.add(made)
  session.world.txList(made.built, 'peer-0')
  session.model.now.txLists.add(made.as.txList)
  return nameOf(session, made)
}))

/** What it refuses is refused at the service's door. */
const head = fc.constantFrom(undefined, 7n, 2n ** 64n - 2n).map(number => command('head', {}, () => ({ number }), (session, { number }) => {
  session.model.now.override = number === undefined ? undefined : { number, window: FIRST_WINDOW }
  void session.world.chain.updateHead(number === undefined ? undefined : { blockNumber: number, submissionWindowEnd: FIRST_WINDOW })
  return `${number ?? 'its own'}`
}))

/** Whether the ledger of what we signed is there: see below, ALL. */
const SIGNS = 'ownAddresses' in CHAIN_DEFAULTS

/** Asked for by name: that blocks wait above the head is no reason here (§9). */
const BEHIND = { behind: true }

/** We sign, and publish what we have signed. */
const sign = fc.record({ on: place, kind: fc.constantFrom('block' as const, 'block' as const, 'eop' as const, 'handoverOnly' as const), salt: fc.nat(1), refused: fc.constantFrom(false, false, false, true) })
  .map(given => command('sign', given, (session, { on, kind, salt, refused }) => {
    const parent = placed(session, on)
    let window = parent?.as.window ?? FIRST_WINDOW
    for (let later = 0; later < 8 && session.elected(window) !== OURS; later++) window += 12n
    // Records of windows long ago are pruned, and nothing is signed for them: H62 has its own tests.
    if (session.elected(window) !== OURS || window < FIRST_WINDOW) return undefined
    const number = parent === undefined ? FIRST_HEIGHT : parent.as.handoverOnly ? parent.as.number : parent.as.number + 1n
    return session.make({ parent, number, window, kind, salt, forged: false, refused })
  }, async (session, made) => {
    const { world, model } = session
    session.add(made)
    if (world.failing || session.elected(made.as.window) !== OURS) return 'not now'
    const expected = model.sign(made.as)
    const { signer, hash, ssz } = made.built
    const outcome = await world.decide((chain, within) => chain.reserve({ ...BEHIND, signer, hash, ssz: ssz.subarray(0, COMMITMENT_SIZE) }, within))
    expect(outcome === undefined ? 'signed' : 'refused', `signing ${nameOf(session, made)} (${outcome ?? 'done'})`).to.equal(expected)
    if (expected === 'signed') {
      const judged = world.own(made.built)
      model.arrive(made.as, 'us')
      await world.kit.settle()
      expect(judged()?.verdict, `publishing ${nameOf(session, made)}`).to.equal('accept')
    }
    return `${nameOf(session, made)}: ${outcome ?? 'done'}`
  }))

const confirm = fc.record({ on: place, ahead: fc.constantFrom(0, 0, 0, 0, 1, 5), hash: fc.constantFrom('its own', 'its own', 'none', 'another') })
  .map(given => command('confirm', given, (session, { on, ahead, hash }) => {
    const block = placed(session, on)
    if (block === undefined || block.as.handoverOnly || (session.scene.tip === 'none' && session.scene.maxPending < 1_000)) return undefined
    return { number: block.as.number + BigInt(ahead), hash: hash === 'none' ? undefined : hash === 'another' ? new Uint8Array(32).fill(7) : block.built.hash }
  }, async (session, { number, hash }) => {
    const id = hash === undefined ? undefined : Buffer.from(hash).toString('hex')
    const expected = session.model.confirm({ number, id })
    return decide(session, `${number} ${id === undefined ? 'without a hash' : session.name(id)}`, expected, (chain, within) => chain.confirm(tipOf(number, hash), within))
  }))

const rewind = fc.nat(7).map(back => command('rewind', { back }, session => (session.model.head?.number ?? FIRST_HEIGHT) - BigInt(back), async (session, to) => {
  const expected = session.model.rewind(to)
  return decide(session, `${to}`, expected, (chain, within) => chain.rewind(to, within))
}))

const reinstate = fc.nat(19).map(which => command('reinstate', { which }, session => {
  const { pool, model: { now } } = session
  const beside = pool.filter(({ as }) => now.kept.get(as.id)?.standing === 'demoted' || now.kept.get(as.id)?.standing === 'retired' || now.evidence.has(as.id))
  const from = which < 16 && beside.length > 0 ? beside : pool
  return from[from.length - 1 - which % Math.max(1, from.length)]
}, async (session, block) => {
  // Evidence is looked up on disk.
  if (session.world.failing && !session.model.now.kept.has(block.as.id)) return 'not now'
  const expected = session.model.reinstate(block.as.id)
  return decide(session, nameOf(session, block), expected, (chain, within) => chain.reinstate(block.built.hash, within))
}))

/** While the disk fails, a decision waits to be durable. */
async function decide(session: Session, what: string, expected: string | undefined, ask: Parameters<Session['world']['decide']>[0]): Promise<string> {
  const outcome = await session.world.decide(ask)
  if (session.world.failing && expected === undefined) expect([undefined, 'waits'], what).to.include(outcome)
  else expect(outcome ?? 'done', what).to.equal(expected ?? 'done')
  return `${what}: ${outcome ?? 'done'}`
}

const unavailable = fc.record({ which: fc.nat(9), peers: fc.constantFrom(2, 3) }).map(given => command('parent unavailable', given, (session, { which, peers }) => {
  const { pending } = session.model
  const child = pending[which % Math.max(1, pending.length)]
  return child === undefined ? undefined : { parent: child.parent, peers }
}, (session, { parent, peers }) => {
  session.model.parentUnavailable(parent, peers)
  void session.world.chain.parentUnavailable(new Uint8Array(Buffer.from(parent, 'hex')), peers)
  return `${session.name(parent)} at ${peers} peers`
}))

const disk = fc.boolean().map(fails => command('disk', { fails }, () => fails, async session => {
  const { world, model } = session
  if (world.failing === fails) return 'no change'
  world.failing = fails
  if (fails) {
    model.freeze()
    return 'fails'
  }
  await world.kit.advance(11_000)
  model.thaw()
  model.pass(11)
  return 'works again'
}))

const kill = fc.constant(1).map(() => command('kill', {}, () => true, async session => {
  await session.world.kill()
  session.forgetAnswers()
  session.model.restart()
  await session.world.open()
  return 'and open again'
}))

const crash = fc.constantFrom('chain' as const, 'store' as const).map(room => command('crash', { room }, () => room, async session => {
  const { world, model } = session
  // What of the writes under way is lost with it is not said.
  if (world.failing) return 'not now'
  world.crash(room)
  if (room === 'chain') {
    model.restart()
    session.forgetAnswers()
  }
  await world.kit.advance(3_000)
  model.pass(3)
  return room
}))

const read = fc.record({ who: fc.nat(2), most: fc.constantFrom(1, 3, 500) }).map(given => command('read', given, () => given, async (session, { who, most }) => {
  const reader = session.world.readers[who]!
  reader.attach()
  await reader.read(most, session.world.kit.settle)
  return `reader ${who} up to ${most}: ${reader.drained ? 'all' : 'some'}`
}))

const leave = fc.nat(2).map(who => command('leave', { who }, () => who, session => {
  session.world.readers[who]!.leave()
  return `reader ${who}`
}))

const ALL = { ...(SIGNS && { sign }), extend, again, edge, time, clock, schedule, reelect, txList, head, confirm, rewind, reinstate, unavailable, disk, kill, crash, read, leave }
const WEIGHTS = { extend: 5, read: 2, sign: 2 }
export const history = (length: number) => fc.commands(
  Object.entries(ALL).flatMap(([name, each]) => Array.from({ length: WEIGHTS[name as keyof typeof WEIGHTS] ?? 1 }, () => each)),
  { maxCommands: length, size: 'max' },
)
