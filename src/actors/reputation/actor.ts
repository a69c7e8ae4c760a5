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
  /** Persists bans, lists and scores. */
  readonly store: Pick<Store, 'meta' | 'setMeta'>
  readonly events: Port<ReputationEvent>
  readonly connections: Connections
  /** Created before the actor tree starts; it survives restarts of this actor. */
  readonly view: StandingView
  /** The public key in a secp256k1 peer id, 64 bytes; `undefined` for other kinds of peer id. Left out: always `undefined`. */
  readonly publicKeyOf?: (peer: PeerKey) => Uint8Array | undefined
}

type Internal =
  | { readonly type: 'saved'; readonly section: Section }
  | { readonly type: 'notSaved'; readonly section: Section; readonly error: unknown }

type Timers = 'tick' | 'saveScores' | 'retry'

interface State {
  readonly book: Book
  readonly saver: Saver
  /** Messages that network's mailbox rejected; sent again at the next tick. */
  unsent: ConnectionsMessage[]
}
type ConnectionsMessage = Parameters<Connections['send']>[0]

/** Maximum of rejected messages kept for a retry. Beyond it they are dropped; each tick expels banned peers that are still connected anyway. */
const MAX_UNSENT = 1_024
/** Deadline for writing the final state at stop, in milliseconds. */
const LAST_WRITE_WITHIN = seconds(2)

/**
 * Fills in and checks all options, including the lists, so that a wrong one fails before anything starts.
 * @throws ReputationError `bad_config`, `bad_rule`, `bad_peer`, `too_many_rules`
 */
export function reputationConfig(options: ReputationOptions): ReputationConfig {
  const config = spec(options)
  void new Lists(config)
  return config
}

/**
 * The actor for scores, bans and lists of peers (SPEC §8). It starts from the saved state; after a crash of the actor, from the state of the last
 * incarnation, so that no ban is lost even if the store fails. The rules are in `Book`; this actor adds time, messages and persistence.
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
        if (wasFailing && !saver.failing) ctx.log.info({}, 'all reputation data is on disk again')
      },
      notSaved({ saver }, { section, error }, ctx) {
        if (!saver.failing) ctx.log.error({ section, error }, 'writing reputation data failed; changes apply in memory, and the write is retried')
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
        if (written.status === 'rejected') ctx.log.error({ error: written.reason as unknown }, 'the final reputation data could not be written')
      }
    },
  })
}

/** Passes changes on: as events to the application, as commands to network. */
function follow(state: State, changes: readonly Change[], needs: ReputationNeeds, ctx: Context<ReputationMessage, Internal, Timers>): void {
  for (const change of changes) {
    void needs.events.send(change)
    if (change.type === 'greylisted') continue
    const { type, ...fields } = change
    ctx.log.info(fields, type === 'banned' ? 'banned' : 'ban ended')
    tell(state, type === 'banned' ? { type: 'expel', peer: change.peer, reason: change.reason } : { type: 'forgetScore', peer: change.peer }, needs)
  }
}

/** Sends a message to network. A rejected one is sent again at the next tick. */
function tell(state: State, message: ConnectionsMessage, needs: ReputationNeeds): void {
  if (needs.connections.send(message) === 'rejected' && state.unsent.length < MAX_UNSENT) state.unsent.push(message)
}

/** Writes changed bans and lists. Scores change with every outcome, so they are written at an interval instead. */
function save({ book, saver }: State): void {
  for (const section of ['bans', 'lists'] as const) if (book.dirty.delete(section)) saver.changed(section)
}

async function durable<T>(state: State, section: Section, value: unknown, answer: T): Promise<T> {
  save(state)
  await state.saver.durable(section, value)
  return answer
}

/** Answers an ask with the promise of `answer`. What it throws goes to the caller, and does not crash the actor. */
function refusable<T>(ctx: Context<ReputationMessage, Internal, Timers>, answer: () => Promise<T>): Later<T> {
  return ctx.later((async () => answer())())
}

/** Logs only the first error of each function of the application: they are called for every message. */
function tellOnce(ctx: Context<ReputationMessage, Internal, Timers>): (where: string, error: unknown) => void {
  const told = new Set<string>()
  return (where, error) => {
    if (!told.has(where)) ctx.log.error({ where, error }, 'a function of the application failed; its result is ignored, and further errors of it are not logged')
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
