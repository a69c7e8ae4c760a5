import { actor, seconds } from '../kernel/index.js'
import type { Context, Later, Port } from '../kernel/index.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { Store } from '../store/ingress.js'
import { Book, SECTIONS } from './book.js'
import type { Change, Section } from './book.js'
import { spec } from './config.js'
import type { ReputationConfig, ReputationOptions } from './config.js'
import { reputationMailbox } from './ingress.js'
import type { Connections, ReputationEvent, ReputationMessage } from './ingress.js'
import { Lists } from './lists.js'
import { read, recall, tellDamaged } from './recall.js'
import { encode, nameOf } from './saved.js'
import { Saver } from './saver.js'
import type { StandingView } from './view.js'

export interface ReputationNeeds {
  /** Bans, lists and scores are kept there. */
  readonly store: Pick<Store, 'meta' | 'setMeta'>
  readonly events: Port<ReputationEvent>
  readonly connections: Connections
  /** Made before the tree starts. It outlives the incarnations of this actor. */
  readonly view: StandingView
  /** The 64 bytes of the public key that a secp256k1 peer id is made of; `undefined` for others. Left out: no peer id has one. */
  readonly publicKeyOf?: (peer: PeerKey) => Uint8Array | undefined
}

type Internal =
  | { readonly type: 'saved'; readonly section: Section }
  | { readonly type: 'notSaved'; readonly section: Section; readonly error: unknown }

type Timers = 'tick' | 'saveScores' | 'retry'

interface State {
  readonly book: Book
  readonly saver: Saver
  /** What network's mailbox had no room for. */
  unsent: ConnectionsMessage[]
}
type ConnectionsMessage = Parameters<Connections['send']>[0]

/** Messages to network that wait for room, at most. Those above it are made again at the next tick, while the peer is connected. */
const MAX_UNSENT = 1_024
/** Deadline for writing the last state at stop, ms. */
const LAST_WRITE_WITHIN = seconds(2)

/**
 * All options, filled in and checked, the lists too, so that a wrong one fails before anything starts.
 * @throws ReputationError `bad_config`, `bad_rule`, `bad_peer`, `too_many_rules`
 */
export function reputationConfig(options: ReputationOptions): ReputationConfig {
  const config = spec(options)
  void new Lists(config)
  return config
}

/**
 * Scores, bans and lists of peers (SPEC §8). It starts with what the store kept or, after a crash, with what the last incarnation knew; so a
 * failing store loses no ban. The rules are in `Book`; this actor adds time, messages and disk.
 * @throws ReputationError `bad_config`, `bad_rule`, `bad_peer`, `too_many_rules`
 */
export const reputation = (needs: ReputationNeeds, options: ReputationOptions = {}) => {
  const config = reputationConfig(options)
  return actor<ReputationMessage, State, Internal, Timers>({
    name: 'reputation',
    mailbox: reputationMailbox,
    async init(ctx) {
      const { kept, unsaved } = recall(needs, ctx) ?? await read(needs, config, ctx)
      const book = new Book(config, { publicKeyOf: needs.publicKeyOf, failed: tellOnce(ctx) })
      const { changes, lost } = book.restore(kept, ctx.clock.now())
      const state: State = { book, saver: saverOf(needs, config, book, ctx), unsent: [] }
      needs.view.show(book)
      for (const what of SECTIONS) {
        const entries = lost.filter(each => each.what === what)
        if (entries.length > 0) tellDamaged(needs, ctx, what, entries.length, entries[0]?.error)
      }
      for (const section of unsaved) book.dirty.add(section)
      follow(state, changes, needs, ctx)
      if (book.dirty.size > 0) save(state)
      ctx.every('tick', config.tickMs)
      ctx.every('saveScores', config.saveScoresEvery)
      return state
    },
    receive: {
      report(state, { peer, outcome }, ctx) { follow(state, state.book.report(peer, outcome, ctx.clock.monotonic()), needs, ctx) },
      gossipScores({ book }, { scores }) { book.gossipScores(scores) },
      learned(state, { peer, publicKey }, ctx) {
        follow(state, state.book.learned(peer, publicKey, ctx.clock.now()), needs, ctx)
        save(state)
      },
      ban: (state, { peer, forMs, reason }, ctx) => refusable(ctx, () => {
        const { ban, changes } = state.book.ban(peer, forMs, reason, ctx.clock.now())
        follow(state, changes, needs, ctx)
        return durable(state, 'bans', peer, ban)
      }),
      lift: (state, { peer }, ctx) => refusable(ctx, () => {
        const changes = state.book.lift(peer)
        follow(state, changes, needs, ctx)
        return durable(state, 'bans', peer, changes.length > 0)
      }),
      bans: ({ book }) => book.bans(),
      standing: ({ book }, { peer }) => book.standing(peer),
      standings: ({ book }) => book.standings(),
      block: (state, { rule }, ctx) => refusable(ctx, () => {
        if (state.book.block(rule)) tell(state, { type: 'reviewConnections' }, needs)
        return durable(state, 'lists', rule, undefined)
      }),
      unblock: (state, { rule }, ctx) => refusable(ctx, () => durable(state, 'lists', rule, state.book.unblock(rule))),
      protect: (state, { peer }, ctx) => refusable(ctx, () => {
        follow(state, state.book.protect(peer), needs, ctx)
        return durable(state, 'lists', peer, undefined)
      }),
      unprotect: (state, { peer }, ctx) => refusable(ctx, () => durable(state, 'lists', peer, state.book.unprotect(peer))),
      lists: ({ book }) => book.lists(),
    },
    internal: {
      saved({ saver }, { section }, ctx) {
        const wasFailing = saver.failing
        saver.written(section)
        if (wasFailing && !saver.failing) ctx.log.info({}, 'what was not on disk is')
      },
      notSaved({ saver }, { section, error }, ctx) {
        if (!saver.failing) ctx.log.error({ section, error }, 'not on disk yet; it holds in memory, and writing is tried again')
        saver.failed(section, error)
      },
    },
    timers: {
      tick(state, ctx) {
        const unsent = state.unsent.splice(0)
        for (const message of unsent) tell(state, message, needs)
        for (const peer of state.book.refusedButConnected()) tell(state, { type: 'expel', peer, reason: 'banned' }, needs)
        follow(state, state.book.tick(ctx.clock.monotonic(), ctx.clock.now()), needs, ctx)
        save(state)
      },
      saveScores({ book, saver }) { if (book.dirty.delete('scores')) saver.changed('scores') },
      retry({ saver }) { saver.again() },
    },
    async stop({ book, saver }, ctx, reason) {
      if (reason === 'restart') return
      const unsaved = new Set([...saver.unsaved(), ...book.dirty])
      const kept = book.kept(ctx.clock.now())
      const writes = [...unsaved].map(section => needs.store.setMeta(nameOf(section), encode(section, kept), LAST_WRITE_WITHIN))
      for (const written of await Promise.allSettled(writes)) {
        if (written.status === 'rejected') ctx.log.error({ error: written.reason as unknown }, 'the last state of reputation is not on disk')
      }
    },
  })
}

/** Consequences of changes: events for the application, commands for network. */
function follow(state: State, changes: readonly Change[], needs: ReputationNeeds, ctx: Context<ReputationMessage, Internal, Timers>): void {
  for (const change of changes) {
    void needs.events.send(change)
    if (change.type === 'greylisted') continue
    const { type, ...fields } = change
    ctx.log.info(fields, type === 'banned' ? 'banned' : 'a ban is over')
    tell(state, type === 'banned' ? { type: 'expel', peer: change.peer, reason: change.reason } : { type: 'forgetScore', peer: change.peer }, needs)
  }
}

/** To network. What it has no room for is sent again at the next tick. */
function tell(state: State, message: ConnectionsMessage, needs: ReputationNeeds): void {
  if (needs.connections.send(message) === 'rejected' && state.unsent.length < MAX_UNSENT) state.unsent.push(message)
}

/** Scores change all the time, so they are written at an interval of their own. */
function save({ book, saver }: State): void {
  for (const section of ['bans', 'lists'] as const) if (book.dirty.delete(section)) saver.changed(section)
}

async function durable<T>(state: State, section: Section, value: unknown, answer: T): Promise<T> {
  save(state)
  await state.saver.durable(section, value)
  return answer
}

/** Answers when the change is on disk. A refusal goes to the asker alone and is no failure of the actor. */
function refusable<T>(ctx: Context<ReputationMessage, Internal, Timers>, answer: () => Promise<T>): Later<T> {
  return ctx.later((async () => answer())())
}

/** The application's functions are called for every message, so an error of one of them is logged only the first time. */
function tellOnce(ctx: Context<ReputationMessage, Internal, Timers>): (where: string, error: unknown) => void {
  const told = new Set<string>()
  return (where, error) => {
    if (!told.has(where)) ctx.log.error({ where, error }, 'a function that the application gave failed; it is passed over, and not logged again')
    told.add(where)
  }
}

function saverOf({ store }: ReputationNeeds, config: ReputationConfig, book: Book, ctx: Context<ReputationMessage, Internal, Timers>): Saver {
  return new Saver({
    retryFirst: config.retryFirst,
    retryLast: config.retryLast,
    tryAgainAfter: ms => { ctx.after('retry', ms) },
    write(section) {
      const text = encode(section, book.kept(ctx.clock.now()))
      ctx.pipe(store.setMeta(nameOf(section), text, config.storeWithin), {
        ok: () => ({ type: 'saved', section }),
        failed: error => ({ type: 'notSaved', section, error }),
      })
    },
  })
}
