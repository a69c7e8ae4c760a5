/** JSON-RPC 2.0 over any text: parsed, bounded, answered. The doors bring the text and say what the caller may. */
import { messageOf } from '../protocol/thrown.js'
import { errorToJson } from './json.js'
import type { Json, JsonObject } from './json.js'
import { named } from './methods.js'
import type { Method, Methods, OperatedNode } from './methods.js'
import { CommandError, byName } from './parameters.js'
import type { Subscriptions } from './subscriptions.js'

export interface RpcLimits {
  /** Requests in one batch. */
  readonly batch: number
  /** For all of one text, ms. */
  readonly ms: number
  /** What the answers to one text may come to, characters. What does not fit is answered with an error. */
  readonly answer: number
}
export const defaultRpcLimits: RpcLimits = { batch: 32, ms: 30_000, answer: 16 * 1024 ** 2 }

/** Who asks. */
export interface Caller {
  /** Aborted when it is gone. */
  readonly ending: AbortSignal
  /** Why it may not call this method; `undefined`: it may. */
  readonly refusal: (method: Method) => string | undefined
  readonly subscriptions?: Subscriptions
}

const PARSE_ERROR = -32_700
const INVALID_REQUEST = -32_600
const NOT_FOUND = -32_601
const INVALID_PARAMS = -32_602
/** What the node itself refuses or fails at; `data` has its code. */
const SERVER_ERROR = -32_000
export const UNAUTHORIZED = -32_001

const MAX_ID = 200

class Refused extends Error {
  constructor(readonly number: number, message: string, readonly data?: JsonObject) { super(message) }
}

export class JsonRpc {
  constructor(readonly node: OperatedNode, private readonly methods: Methods, private readonly limits: RpcLimits = defaultRpcLimits) {}

  /** The answer to one text, `undefined` where none is due. Never rejects. */
  async answer(text: string, caller: Caller): Promise<string | undefined> {
    let parsed: unknown
    try {
      parsed = JSON.parse(text)
    } catch {
      return failed(null, new Refused(PARSE_ERROR, 'this is not JSON'))
    }
    const ending = AbortSignal.any([caller.ending, AbortSignal.timeout(this.limits.ms)])
    if (!Array.isArray(parsed)) return this.#one(parsed, { ...caller, ending }, this.limits.answer)
    if (parsed.length === 0 || parsed.length > this.limits.batch)
      return failed(null, new Refused(INVALID_REQUEST, `a batch has 1 to ${this.limits.batch} requests`))
    // one after the other, so that what waits to be sent stays bounded
    const answers: string[] = []
    let room = this.limits.answer
    for (const request of parsed as unknown[]) {
      const answer = await this.#one(request, { ...caller, ending }, room)
      if (answer === undefined) continue
      room -= answer.length
      answers.push(answer)
    }
    return answers.length === 0 ? undefined : `[${answers.join(',')}]`
  }

  async #one(request: unknown, caller: Caller, room: number): Promise<string | undefined> {
    let id: Json = null
    let due = true
    let answer: string
    try {
      const { method, fields, ...asked } = requestOf(request)
      id = asked.id ?? null
      due = asked.id !== undefined
      const result = (await inTime(this.#call(method, fields, caller), caller.ending))()
      answer = JSON.stringify({ jsonrpc: '2.0', id, result })
      if (answer.length > room) throw new Refused(SERVER_ERROR, 'the answer is too large: ask for less at a time', { code: 'answer_too_large' })
    } catch (error) {
      if (error instanceof InvalidRequest) return failed(error.id, new Refused(INVALID_REQUEST, error.message))
      answer = failed(id, error)
    }
    return due ? answer : undefined
  }

  async #call(name: string, given: unknown, { ending, refusal, subscriptions }: Caller): Promise<() => Json> {
    const method = named(this.methods, name)
    const why = refusal(method)
    if (why !== undefined) throw new Refused(UNAUTHORIZED, why, { code: 'unauthorized' })
    const fields = given === undefined ? {} : Array.isArray(given) ? byName(method.parameters, given) : given as Readonly<Record<string, unknown>>
    return method.run({ node: this.node, ending, subscriptions }, fields)
  }
}

class InvalidRequest extends Error {
  constructor(message: string, readonly id: Json = null) { super(message) }
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)

/** `id` is `undefined` in a notification. @throws InvalidRequest */
function requestOf(request: unknown): { readonly method: string; readonly fields: unknown; readonly id: Json | undefined } {
  if (!isObject(request)) throw new InvalidRequest('a request is an object')
  const { jsonrpc, method, params, id } = request
  if (!(id === undefined || id === null || typeof id === 'number' || (typeof id === 'string' && id.length <= MAX_ID)))
    throw new InvalidRequest(`"id" is a number, or a string of at most ${MAX_ID} characters`)
  if (jsonrpc !== '2.0') throw new InvalidRequest('"jsonrpc" is "2.0"', id ?? null)
  if (typeof method !== 'string') throw new InvalidRequest('"method" is a string', id ?? null)
  if (params !== undefined && !Array.isArray(params) && !isObject(params)) throw new InvalidRequest('"params" is a list or an object', id ?? null)
  return { method, fields: params, id }
}

/** The error object of anything thrown. */
function failed(id: Json, error: unknown): string {
  const { number, message, data } = error instanceof Refused ? error : described(error)
  return JSON.stringify({ jsonrpc: '2.0', id, error: { code: number, message, ...data !== undefined && { data } } })
}

function described(error: unknown): { readonly number: number; readonly message: string; readonly data: JsonObject } {
  const data = errorToJson(error)
  const number = !(error instanceof CommandError) ? SERVER_ERROR : error.code === 'unknown_command' ? NOT_FOUND
    : error.code === 'missing_field' || error.code === 'bad_field' ? INVALID_PARAMS : SERVER_ERROR
  return { number, message: messageOf(error), data }
}

/** The work's outcome, or an error when time is up or the caller has gone. */
async function inTime<T>(work: Promise<T>, ending: AbortSignal): Promise<T> {
  work.catch(() => undefined)
  let over!: () => void
  const ended = new Promise<never>((_, reject) => {
    over = () => { reject(new Refused(SERVER_ERROR, 'it took too long', { code: 'timeout' })) }
    if (ending.aborted) over()
    ending.addEventListener('abort', over, { once: true })
  })
  return Promise.race([work, ended]).finally(() => { ending.removeEventListener('abort', over) })
}
