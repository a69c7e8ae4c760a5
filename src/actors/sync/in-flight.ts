import type { Context, Offered } from '../kernel/index.js'
import type { JudgedMessage } from '../chain/ports.js'
import type { NetworkHandle, RequestKind, Response } from '../network/ingress.js'
import type { Chain, ChainStatus } from '../chain/ingress.js'
import type { Validator } from '../validator/ingress.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import { toHex } from '../../protocol/index.js'
import type { SyncConfig } from './config.js'
import type { SyncInternal, SyncMessage, SyncTimers } from './ingress.js'
import type { SyncPeerState } from './peers.js'
import type { Answer, Tracked } from './context.js'

interface Exchange {
  readonly key: string
  readonly kind: RequestKind
  readonly state: SyncPeerState
  readonly askedAt: number
  readonly waiting: ((answer: Answer) => void)[]
}

/** Error codes of a request for which the peer is not responsible. */
export const OWN_ERRORS: ReadonlySet<string> = new Set(['cancelled', 'stopping', 'queue_full', 'not_connected', 'no_peer', 'closed', 'rejected', 'crashed'])

interface Ticket { readonly tracked: Tracked; readonly since: number; judged: boolean }

/**
 * Everything that sync has in flight elsewhere: requests to peers, pages and txlists in the validator, queries to chain. An answer comes
 * back as a message of the actor and is matched here by its number; answers that nobody waits for are counted. Bounded by the in-flight
 * limits of the parts.
 */
export class InFlight {
  readonly #exchanges = new Map<number, Exchange>()
  readonly #byKey = new Map<string, Exchange>()
  readonly #tickets = new Map<number, Ticket>()
  readonly #queries = new Map<number, (standing: ChainStatus | undefined) => void>()
  #last: number

  constructor(
    private readonly ctx: Context<SyncMessage, SyncInternal, SyncTimers>, private readonly config: SyncConfig,
    private readonly needs: { readonly network: NetworkHandle; readonly validator: Validator; readonly chain: Chain },
    private readonly stray: (what: string) => void,
  ) {
    // a late answer to an earlier incarnation must not match one of our numbers
    this.#last = Math.floor(ctx.random() * 2 ** 32) * 2 ** 20
  }

  // ---- requests

  request(state: SyncPeerState, kind: RequestKind, body: Uint8Array, done: (answer: Answer) => void): void {
    const key = `${kind} ${toHex(body)} ${state.peer}`
    const same = this.#byKey.get(key)
    if (same !== undefined) { same.waiting.push(done); return }
    const id = ++this.#last
    const now = this.ctx.clock.monotonic()
    const exchange: Exchange = { key, kind, state, askedAt: now, waiting: [done] }
    this.#exchanges.set(id, exchange)
    this.#byKey.set(key, exchange)
    state.asked(kind, now)
    this.ctx.pipe(this.needs.network.request(kind, body, { peer: state.peer }, this.config.answerWithin), {
      ok: response => ({ type: 'answered', exchange: id, response }),
      failed: error => ({ type: 'unanswered', exchange: id, error }),
    })
  }

  /** The peer and the duration in ms; `undefined` for a stray answer. */
  answered(id: number, { body, ms, places }: Response): { readonly state: SyncPeerState; readonly ms: number } | undefined {
    const exchange = this.#over(id)
    if (exchange === undefined) return undefined
    const now = this.ctx.clock.monotonic()
    exchange.state.answered(exchange.kind, { ms, places }, Math.max(0, now - exchange.askedAt - ms), now)
    for (const done of exchange.waiting) done({ ok: true, body, ms })
    return { state: exchange.state, ms }
  }

  /** The peer, the error code and the duration in ms; `undefined` for a stray answer. */
  unanswered(id: number, error: unknown): { readonly state: SyncPeerState; readonly code: string; readonly ms: number } | undefined {
    const exchange = this.#over(id)
    if (exchange === undefined) return undefined
    const code = codeOf(error)
    const now = this.ctx.clock.monotonic()
    exchange.state.failed(exchange.kind, !OWN_ERRORS.has(code), now)
    for (const done of exchange.waiting) done({ ok: false, code })
    return { state: exchange.state, code, ms: now - exchange.askedAt }
  }

  #over(id: number): Exchange | undefined {
    const exchange = this.#exchanges.get(id)
    if (exchange === undefined) { this.stray('strayAnswers'); return undefined }
    this.#exchanges.delete(id)
    this.#byKey.delete(exchange.key)
    return exchange
  }

  // ---- validator and chain

  handPage(bytes: Uint8Array, peer: PeerKey, tracked: Tracked): number {
    const ticket = this.#ticket(tracked)
    this.ctx.pipe(this.needs.validator.page(bytes, peer, ticket, this.ctx.signal), {
      ok: result => ({ type: 'handed', ticket, result }),
      failed: () => ({ type: 'handed', ticket, result: 'closed' }),
    })
    return ticket
  }

  handTxList(bytes: Uint8Array, peer: PeerKey, height: bigint, tracked: Tracked): number {
    const ticket = this.#ticket(tracked)
    const feedback = this.needs.validator.txList(bytes, { kind: 'sync', peer, ticket, height })
    if (feedback === 'rejected' || feedback === 'closed') this.#lose(ticket)
    return ticket
  }

  handed(ticket: number, result: Offered): void {
    if (result !== 'ok') this.#lose(ticket)
  }

  judged(message: JudgedMessage): void {
    const { ticket } = message
    const entry = this.#tickets.get(ticket)
    if (entry === undefined) {
      if (message.type === 'judged') this.stray('strayJudgements')
      return
    }
    if (message.type === 'durable') {
      this.#tickets.delete(ticket)
      entry.tracked.durable?.()
      return
    }
    if (entry.judged) return
    entry.judged = true
    const adopted = message.results.some(({ verdict }) => verdict === 'accept')
    if (entry.tracked.durable === undefined || !adopted) this.#tickets.delete(ticket)
    entry.tracked.judged(message.results)
  }

  forget(ticket: number): void { this.#tickets.delete(ticket) }

  /** Gives up on tickets that are too old: a restart of the validator, chain or store lost them. */
  sweep(): void {
    const before = this.ctx.clock.monotonic() - 2 * this.config.judgeWithin
    for (const [ticket, { since, judged }] of this.#tickets) {
      if (since > before) continue
      if (judged) this.#tickets.delete(ticket)
      else this.#lose(ticket)
    }
  }

  standing(then: (standing: ChainStatus | undefined) => void): void {
    const query = ++this.#last
    this.#queries.set(query, then)
    this.ctx.pipe(this.needs.chain.standing(this.config.roomsWithin), {
      ok: standing => ({ type: 'stood', query, standing, error: undefined }),
      failed: error => ({ type: 'stood', query, standing: undefined, error }),
    })
  }

  stood(query: number, standing: ChainStatus | undefined): void {
    const then = this.#queries.get(query)
    this.#queries.delete(query)
    then?.(standing)
  }

  #ticket(tracked: Tracked): number {
    const ticket = ++this.#last
    this.#tickets.set(ticket, { tracked, since: this.ctx.clock.monotonic(), judged: false })
    return ticket
  }

  #lose(ticket: number): void {
    const entry = this.#tickets.get(ticket)
    this.#tickets.delete(ticket)
    if (entry !== undefined && !entry.judged) entry.tracked.lost()
  }
}

/** Errors of the driver and of the kernel carry a `code`. */
function codeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | null)?.code
  return typeof code === 'string' ? code : 'failed'
}
