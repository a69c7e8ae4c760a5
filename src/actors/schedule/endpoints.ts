import { backoffMs } from '../kernel/index.js'
import type { Clock, Random } from '../kernel/index.js'
import type { EndpointsConfig } from './endpoints-config.js'
import { ScheduleError } from './errors.js'
import type { Call, OpenRpc } from './rpc.js'

/** How one endpoint does, for export. */
export interface EndpointFigures {
  /** Its host: the rest of its URL may hold a secret. */
  readonly name: string
  readonly calls: number
  readonly failures: number
  /** Answers that others outvoted. */
  readonly outvoted: number
  /** Why it is not asked for a while; `undefined`: it is. */
  readonly resting: string | undefined
}

interface Endpoint {
  readonly name: string
  readonly call: Call
  calls: number
  failures: number
  outvoted: number
  /** Failures since the last answer. */
  inARow: number
  /** Not asked before this, monotonic ms. */
  restsUntil: number
  why: string | undefined
}

/** What a question asks an endpoint with. Each call has its deadline. */
export type Ask = (method: string, params: readonly unknown[]) => Promise<unknown>

/** Codes of JSON-RPC for an endpoint that wants to be left alone. */
const LIMITED: ReadonlySet<unknown> = new Set([-32005, 429])

/**
 * The endpoints of L1, or of L2: asked in order, the rested ones first, until as many as the quorum have given the same answer. What fewer say is
 * taken from nobody. An endpoint that fails rests for a while that grows.
 */
export class Endpoints {
  readonly #endpoints: Endpoint[]
  /** Answers that not enough endpoints shared. */
  disagreements = 0

  constructor(open: OpenRpc, private readonly config: EndpointsConfig, private readonly ground: { readonly clock: Clock; readonly random: Random; readonly signal: AbortSignal }) {
    this.#endpoints = config.urls.map(url => ({
      name: new URL(url).host, call: open(url, config), calls: 0, failures: 0, outvoted: 0, inARow: 0, restsUntil: -Infinity, why: undefined,
    }))
  }

  get figures(): readonly EndpointFigures[] {
    const now = this.ground.clock.monotonic()
    return this.#endpoints.map(({ name, calls, failures, outvoted, restsUntil, why }) =>
      ({ name, calls, failures, outvoted, resting: restsUntil > now ? why : undefined }))
  }

  get calls(): number { return this.#endpoints.reduce((sum, { calls }) => sum + calls, 0) }
  get failures(): number { return this.#endpoints.reduce((sum, { failures }) => sum + failures, 0) }

  /**
   * What the quorum agrees on: `question` is put to one endpoint after the other, answers are the same where `keyOf` is.
   * @throws the last ScheduleError where a quorum of one got no answer; ScheduleError `no_quorum`
   */
  async agree<T>(question: (ask: Ask) => Promise<T>, keyOf: (answer: T) => string): Promise<T> {
    const { quorum } = this.config
    const order = this.#order()
    const given = new Map<string, { readonly answer: T; readonly by: Endpoint[] }>()
    let lastError: ScheduleError | undefined
    let winner: string | undefined
    const one = async (): Promise<void> => {
      for (let endpoint = order.shift(); endpoint !== undefined && winner === undefined; endpoint = order.shift()) {
        const by = endpoint
        try {
          const answer = await question((method, params) => this.#call(by, method, params))
          const key = keyOf(answer)
          const same = given.get(key) ?? { answer, by: [] }
          given.set(key, same)
          same.by.push(by)
          if (same.by.length >= quorum) winner = key
          // its part of the quorum is done, unless another of the same round was of another opinion
          if (given.size === 1) return
        } catch (error) {
          lastError = this.#failed(by, error)
        }
      }
    }
    await Promise.all(Array.from({ length: quorum }, one))
    // those that came first may have gone before others disagreed
    while (winner === undefined && order.length > 0) await one()
    if (winner === undefined) {
      if (given.size > 1) this.disagreements++
      if (given.size === 0 && lastError !== undefined && quorum === 1) throw lastError
      throw new ScheduleError('no_quorum', `no ${quorum} of ${this.#endpoints.length} endpoints gave the same answer`, quorum, { cause: lastError })
    }
    for (const [key, { by }] of given) if (key !== winner) for (const endpoint of by) this.#outvote(endpoint)
    return given.get(winner)!.answer
  }

  /**
   * The own answers of as many endpoints as the quorum that `counts` is true of, and of those asked on the way; for what differs between
   * honest ones, such as the newest block. Those that it is not true of rest, where others did better. @throws the last ScheduleError where nobody answers
   */
  async each<T>(question: (ask: Ask) => Promise<T>, counts: (answer: T) => boolean): Promise<readonly T[]> {
    const { quorum } = this.config
    const order = this.#order()
    const answers: T[] = []
    const behind: Endpoint[] = []
    let lastError: ScheduleError | undefined
    while (order.length > 0 && answers.length - behind.length < quorum) {
      const round = order.splice(0, quorum - (answers.length - behind.length))
      await Promise.all(round.map(async endpoint => {
        try {
          const answer = await question((method, params) => this.#call(endpoint, method, params))
          answers.push(answer)
          if (!counts(answer)) behind.push(endpoint)
        } catch (error) {
          lastError = this.#failed(endpoint, error)
        }
      }))
    }
    if (answers.length === 0) throw lastError ?? new ScheduleError('no_quorum', 'there is no endpoint to ask', quorum)
    if (behind.length < answers.length) for (const endpoint of behind) this.#rest(endpoint, 'behind', this.config.retryLast)
    return answers
  }

  /** The first thing that any of them finds, in order: for what proves itself. `undefined`: none of them does, or none answers. */
  async any<T>(question: (ask: Ask) => Promise<T | undefined>): Promise<T | undefined> {
    for (const endpoint of this.#order()) {
      try {
        const found = await question((method, params) => this.#call(endpoint, method, params))
        if (found !== undefined) return found
      } catch (error) {
        this.#failed(endpoint, error)
      }
    }
    return undefined
  }

  /**
   * The own answers of all endpoints that do not rest, and of those that do where the quorum needs them: for what each may know more of than the
   * next. With a quorum of 1: that of the first one that answers, which is trusted. `at`: the endpoint's place among the URLs. @throws ScheduleError the last one, or `no_quorum`, where fewer than the quorum answer
   */
  async all<T>(question: (ask: Ask, at: number) => Promise<T>): Promise<readonly T[]> {
    const { quorum } = this.config
    const now = this.ground.clock.monotonic()
    const order = this.#order()
    const answers: T[] = []
    let lastError: ScheduleError | undefined
    const rested = order.filter(({ restsUntil }) => restsUntil <= now).length
    for (let round = order.splice(0, quorum === 1 ? 1 : Math.max(rested, quorum)); round.length > 0; round = order.splice(0, quorum - answers.length)) {
      await Promise.all(round.map(async endpoint => {
        try {
          answers.push(await question((method, params) => this.#call(endpoint, method, params), this.#endpoints.indexOf(endpoint)))
        } catch (error) {
          lastError = this.#failed(endpoint, error)
        }
      }))
      if (answers.length >= quorum) return answers
    }
    if (answers.length === 0 && lastError !== undefined) throw lastError
    throw new ScheduleError('no_quorum', `fewer than ${quorum} of ${this.#endpoints.length} endpoints answer`, quorum, { cause: lastError })
  }

  /** A question has failed. What is no answer in form is the endpoint's fault as well. @throws what is no failure of an endpoint */
  #failed(endpoint: Endpoint, error: unknown): ScheduleError {
    this.ground.signal.throwIfAborted()
    if (!(error instanceof ScheduleError)) throw error
    if (error.code === 'bad_response') {
      endpoint.failures++
      this.#rest(endpoint, error.message, this.config.retryLast)
    }
    return error
  }

  #outvote(endpoint: Endpoint): void {
    endpoint.outvoted++
    this.#rest(endpoint, 'outvoted', this.config.retryLast)
  }

  /** Those that rest come last: better an endpoint that failed than none. */
  #order(): Endpoint[] {
    const now = this.ground.clock.monotonic()
    const rested = this.#endpoints.filter(({ restsUntil }) => restsUntil <= now)
    const resting = this.#endpoints.filter(({ restsUntil }) => restsUntil > now).sort((a, b) => a.restsUntil - b.restsUntil)
    return [...rested, ...resting]
  }

  async #call(endpoint: Endpoint, method: string, params: readonly unknown[]): Promise<unknown> {
    const { clock, signal } = this.ground
    signal.throwIfAborted()
    const late = new AbortController()
    let giveUp!: (error: ScheduleError) => void
    const deadline = new Promise<never>((_resolve, reject) => { giveUp = reject })
    const timer = clock.setTimeout(() => {
      const error = new ScheduleError('rpc_timeout', `${method}: no answer within ${this.config.callWithin} ms`, this.config.callWithin)
      giveUp(error)
      late.abort(error)
    }, this.config.callWithin)
    endpoint.calls++
    try {
      const answer = await Promise.race([endpoint.call(method, params, AbortSignal.any([signal, late.signal])), deadline])
      endpoint.inARow = 0
      return answer
    } catch (error) {
      signal.throwIfAborted()
      const failure = error instanceof ScheduleError ? error : new ScheduleError('rpc_failed', `${method}: ${String((error as Error | undefined)?.name)}`, undefined, { cause: error })
      endpoint.failures++
      // what it refuses it has understood: it is there
      if (failure.code !== 'rpc_refused' || LIMITED.has(failure.value)) this.#rest(endpoint, failure.message)
      throw failure
    } finally {
      clock.clearTimeout(timer)
    }
  }

  #rest(endpoint: Endpoint, why: string, atLeast = 0): void {
    const { retryFirst, retryLast } = this.config
    endpoint.why = why
    const pause = Math.max(atLeast, backoffMs(endpoint.inARow++, { firstMs: retryFirst, maxMs: retryLast, factor: 2, jitter: 0 }, () => 0))
    endpoint.restsUntil = this.ground.clock.monotonic() + pause * (0.5 + this.ground.random() / 2)
  }
}
