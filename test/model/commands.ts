import { expect } from 'chai'
import fc from 'fast-check'
import type { Model } from './model.js'
import { FIRST_HEIGHT, FIRST_WINDOW } from './session.js'
import type { Made, Session } from './session.js'
import { tipOf } from './world.js'

/** What is not there yet. */
export const CAN = { values: false, followRivals: false, subscribe: false }

type Command = fc.AsyncCommand<Model, Session>

/** A command: its name and what chance gave it, and what it does to both. What it names is looked up when it runs, so that any part of a history is one. */
function command<P extends object>(name: string, given: P, act: (session: Session, given: P) => Promise<string | void>): Command {
  return {
    check: () => true,
    async run(_model, session) {
      const what = await act(session, given)
      session.log.push(`${name} ${what ?? ''}`)
      await session.compare()
    },
    toString: () => `${name}(${JSON.stringify(given)})`,
  }
}

const nameOf = (session: Session, made: Made | undefined): string => made === undefined ? 'nothing' : session.name(made.as.id)

/** On what a new commitment stands. */
const placeOf = fc.record({ from: fc.constantFrom('head', 'head', 'head', 'recent', 'recent', 'any', 'root'), back: fc.nat(9) })
function placed(session: Session, { from, back }: { readonly from: string; readonly back: number }): Made | undefined {
  const { pool, model } = session
  if (pool.length === 0 || from === 'root') return undefined
  if (from === 'any') return pool[back * 7 % pool.length]
  if (from === 'recent') return pool[pool.length - 1 - Math.min(back, pool.length - 1)]
  const { head } = model
  const height = head === undefined ? undefined : head.number - BigInt(back < 6 ? 0 : back - 5)
  return pool.find(({ as }) => as.number === height && model.now.blocks.get(as.number)?.id === as.id)
}

const extend = fc.record({
  on: placeOf, later: fc.nat(3), kinds: fc.array(fc.constantFrom('block', 'block', 'block', 'eop', 'bare'), { minLength: 1, maxLength: 6 }), salt: fc.nat(1),
  twist: fc.constantFrom('none', 'none', 'none', 'none', 'none', 'forged', 'refused', 'misnumbered'),
  by: fc.constantFrom('gossip', 'gossip', 'gossip', 'page', 'reversed', 'all but the first', 'nobody'), peer: fc.nat(2),
}).map(given => command('extend', given, async (session, { on, later, kinds, salt, twist, by, peer }) => {
  let parent = placed(session, on)
  let window = (parent?.as.window ?? FIRST_WINDOW) + 12n * BigInt(later)
  const made: Made[] = []
  for (const [at, kind] of kinds.entries()) {
    const number = (parent === undefined ? FIRST_HEIGHT : parent.as.bare ? parent.as.number : parent.as.number + 1n) + (twist === 'misnumbered' && at === 0 ? 3n : 0n)
    if (parent?.as.eop === true && window === parent.as.window) window += 12n
    const next = session.make({ parent, number, window, kind: kind as 'block', salt, forged: twist === 'forged' && at === 0, refused: twist === 'refused' && at === 0 })
    made.push(next)
    parent = next
  }
  const sent = by === 'nobody' ? [] : by === 'all but the first' ? made.slice(1) : by === 'reversed' ? made.toReversed() : made
  deliver(session, sent, by === 'page' ? 'page' : 'gossip', `peer-${peer}`)
  return `${made.map(each => `${nameOf(session, each)} <- ${session.name(each.as.parent)}`).join(', ')} ${twist} by ${by}`
}))

const again = fc.record({ which: fc.array(fc.nat(), { minLength: 1, maxLength: 4 }), by: fc.constantFrom('gossip', 'page'), peer: fc.nat(2) })
  .map(given => command('again', given, async (session, { which, by, peer }) => {
    const { pool } = session
    if (pool.length === 0) return
    const made = which.map(each => pool[pool.length - 1 - each % pool.length]!)
    deliver(session, made, by as 'gossip', `peer-${peer}`)
    return made.map(each => nameOf(session, each)).join(', ')
  }))

function deliver(session: Session, made: readonly Made[], by: 'gossip' | 'page', peer: string): void {
  const { world, model } = session
  const known = made.every(({ as }) => !model.isFar(as.window) && session.elected(as.window) !== undefined)
  if (by === 'page' && known && made.length > 0) {
    const ordered = made.toSorted((a, b) => a.as.number < b.as.number ? -1 : a.as.number > b.as.number ? 1 : 0)
    const said = world.page(ordered.map(({ built }) => built), peer)
    for (const [at, each] of ordered.entries()) session.expectAnswer(each, model.arrive(each.as, peer), () => said()?.[at])
    return
  }
  for (const each of made) session.expectAnswer(each, model.arrive(each.as, peer), world.gossip(each.built, peer))
}

const time = fc.constantFrom(1, 7, 7, 30, 101).map(seconds => command('time', { seconds }, async session => {
  await session.world.kit.advance(seconds * 1_000)
  session.model.pass(seconds)
  return `${seconds} s`
}))

const schedule = fc.constantFrom(1, 8).map(by => command('schedule', { by }, async session => {
  session.revealed += BigInt(by)
  session.model.scheduleChanged()
  await session.world.kit.advance(1_000)
  session.model.pass(1)
  return `known up to ${session.revealed}`
}))

const confirm = fc.record({ on: placeOf, ahead: fc.constantFrom(0, 0, 0, 0, 1, 5), hash: fc.constantFrom('its own', 'its own', 'none', 'another') })
  .map(given => command('confirm', given, async (session, { on, ahead, hash }) => {
    const block = placed(session, on)
    if (block === undefined || block.as.bare) return
    const number = block.as.number + BigInt(ahead)
    const id = hash === 'none' ? undefined : hash === 'another' ? new Uint8Array(32).fill(7) : block.built.hash
    const expected = session.model.confirm({ number, id: id === undefined ? undefined : Buffer.from(id).toString('hex') })
    const outcome = await session.world.decide((chain, within) => chain.confirm(tipOf(number, id), within))
    decided(session, outcome, expected)
    return `${number} ${id === undefined ? 'without a hash' : session.name(Buffer.from(id).toString('hex'))}: ${outcome ?? 'done'}`
  }))

const rewind = fc.record({ back: fc.nat(7) }).map(given => command('rewind', given, async (session, { back }) => {
  const to = (session.model.head?.number ?? FIRST_HEIGHT) - BigInt(back)
  const expected = session.model.rewind(to)
  const outcome = await session.world.decide((chain, within) => chain.rewind(to, within))
  decided(session, outcome, expected)
  return `${to}: ${outcome ?? 'done'}`
}))

const reinstate = fc.record({ which: fc.nat(19) }).map(given => command('reinstate', given, async (session, { which }) => {
  const { pool, model } = session
  const beside = pool.filter(({ as }) => model.now.kept.get(as.id)?.standing === 'demoted' || model.now.rivals.has(as.id))
  const from = which < 16 && beside.length > 0 ? beside : pool
  const block = from[from.length - 1 - which % Math.max(1, from.length)]
  if (block === undefined) return
  const expected = model.reinstate(block.as.id)
  const outcome = await session.world.decide((chain, within) => chain.reinstate(block.built.hash, within))
  decided(session, outcome, expected)
  return `${nameOf(session, block)}: ${outcome ?? 'done'}`
}))

/** While the disk fails, a decision waits to be durable. */
function decided(session: Session, outcome: string | undefined, expected: string | undefined): void {
  if (session.world.failing && expected === undefined) expect(['waits', undefined]).to.include(outcome)
  else expect(outcome ?? 'done', 'decision').to.equal(expected ?? 'done')
}

const unavailable = fc.record({ which: fc.nat(9), peers: fc.constantFrom(2, 3) }).map(given => command('parent unavailable', given, async (session, { which, peers }) => {
  const waiting = [...session.model.now.kept.values()].filter(({ standing }) => standing === 'pending')
  const child = waiting[which % Math.max(1, waiting.length)]
  if (child === undefined) return
  session.model.parentUnavailable(child.parent, peers)
  void session.world.chain.parentUnavailable(new Uint8Array(Buffer.from(child.parent, 'hex')), peers)
  return `${session.name(child.parent)} at ${peers} peers`
}))

const disk = fc.boolean().map(fails => command('disk', { fails }, async session => {
  const { world, model } = session
  if (world.failing === fails) return
  world.failing = fails
  if (fails) { model.freeze(); return 'fails' }
  await world.kit.advance(11_000)
  model.thaw()
  model.pass(11)
  return 'works again'
}))

const kill = fc.constant(command('kill', {}, async session => {
  await session.world.kill()
  session.forgetAnswers()
  session.model.restart()
  await session.world.open()
  return ''
}))

const crash = fc.constantFrom('chain' as const, 'store' as const).map(room => command('crash', { room }, async session => {
  const { world, model } = session
  if (world.failing) return
  world.crash(room)
  if (room === 'chain') { model.restart(); session.forgetAnswers() }
  await world.kit.advance(3_000)
  model.pass(3)
  return room
}))

const read = fc.record({ who: fc.nat(2), most: fc.constantFrom(1, 3, 500) }).map(given => command('read', given, async (session, { who, most }) => {
  const reader = session.world.readers[who]!
  reader.attach()
  await reader.read(most, session.world.kit.settle)
  return `reader ${who} up to ${most}: ${reader.drained ? 'all' : 'some'}`
}))

const leave = fc.nat(2).map(who => command('leave', { who }, async session => {
  session.world.readers[who]!.leave()
  return `reader ${who}`
}))

export const history = (length: number) => fc.commands([
  extend, extend, extend, extend, extend, again, time, schedule, confirm, rewind, reinstate, unavailable, disk, kill, crash, read, read, leave,
], { maxCommands: length, size: 'max' })
