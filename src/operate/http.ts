/** The HTTP door (docs/operating.md): JSON-RPC by POST, events, health and metrics by GET. */
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from '../actors/kernel/index.js'
import { messageOf } from '../protocol/thrown.js'
import { EventStreams } from './event-streams.js'
import { Guard } from './guard.js'
import { UNAUTHORIZED } from './json-rpc.js'
import type { JsonRpc } from './json-rpc.js'
import type { OperatedNode } from './methods.js'
import { readinessJson, readinessOf } from './readiness.js'
import type { Readiness } from './readiness.js'
import { MAX_REQUEST } from './socket.js'

export interface HttpOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** What steers needs it, and where `host` is not loopback what reads too. Left out: nothing can be steered over HTTP. */
  readonly token: string | undefined
  /** The text of `/metrics`; `undefined`: there is none. */
  readonly metrics: { readonly contentType: string; text(): Promise<string> } | undefined
}

export interface HttpDoor {
  /** `http://127.0.0.1:9300` */
  readonly url: string
  close(): Promise<void>
}

const MAX_CONNECTIONS = 64
/** Bodies of callers without the token, bytes: nothing that reads needs more. */
const MAX_BODY_WITHOUT_TOKEN = 131_072
/** Bodies and requests under way, of all connections. */
const MAX_BODIES = 16 * 1024 ** 2
const MAX_UNDER_WAY = 64
/** A header, a whole request, and an answer that nobody takes, ms. */
const HEADERS_WITHIN = 5_000
const REQUEST_WITHIN = 30_000
const SOCKET_IDLE = 60_000

/** Opens it. @throws errors of the socket, such as `EADDRINUSE` */
export async function openHttp(options: HttpOptions, node: OperatedNode, rpc: JsonRpc, log: Logger): Promise<HttpDoor> {
  const door = new Door(options, node, rpc, log)
  const server = createServer({
    headersTimeout: HEADERS_WITHIN, requestTimeout: REQUEST_WITHIN, keepAliveTimeout: 5_000, connectionsCheckingInterval: 1_000, maxHeaderSize: 8_192, requireHostHeader: true,
  }, (request, response) => { void door.serve(request, response) })
  server.maxConnections = MAX_CONNECTIONS
  server.maxHeadersCount = 64
  server.maxRequestsPerSocket = 1_000
  server.setTimeout(SOCKET_IDLE)
  await listen(server, options)
  const { address, port, family } = server.address() as AddressInfo
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    async close() {
      const closed = new Promise<void>(resolve => { server.close(() => { resolve() }) })
      door.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function listen(server: Server, { host, port }: HttpOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => { resolve() })
  })
}

/** A request that goes no further, with its status. */
class HttpError extends Error {
  constructor(readonly status: number, message: string) { super(message) }
}

class Door {
  readonly #guard: Guard
  readonly #streams: EventStreams
  readonly #closing = new AbortController()
  #readiness: Promise<Readiness> | undefined
  #underWay = 0
  #bodies = 0

  constructor(private readonly options: HttpOptions, private readonly node: OperatedNode, private readonly rpc: JsonRpc, private readonly log: Logger) {
    this.#guard = new Guard(options.host, options.token)
    this.#streams = new EventStreams(node)
  }

  close(): void { this.#closing.abort() }

  /** Never rejects. */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on('error', () => undefined)
    response.on('error', () => undefined)
    response.setHeader('X-Content-Type-Options', 'nosniff')
    response.setHeader('Cache-Control', 'no-store')
    try {
      const refusal = this.#guard.refuses(request)
      if (refusal !== undefined) throw new HttpError(refusal.status, refusal.why)
      if (this.#underWay >= MAX_UNDER_WAY) throw new HttpError(503, 'too many requests are under way')
      this.#underWay++
      try {
        await this.#route(request, response)
      } finally { this.#underWay-- }
    } catch (error) {
      if (!(error instanceof HttpError)) this.log.warn({ error }, 'an HTTP request failed')
      const [status, why] = error instanceof HttpError ? [error.status, error.message] : [500, messageOf(error)]
      // what was not read of the request is not waited for
      if (!response.headersSent) send(response, status, 'text/plain; charset=utf-8', `${why}\n`, { Connection: 'close', ...status === 401 && { 'WWW-Authenticate': 'Bearer' } })
      else response.destroy()
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = urlOf(request)
    if (pathname === '/') return this.#call(request, response)
    if (request.method !== 'GET' && request.method !== 'HEAD') throw new HttpError(405, 'this is read with GET')
    const mayRead = this.#guard.mayRead(request)
    switch (pathname) {
      case '/healthz': send(response, 200, JSON_TYPE, '{"alive":true}\n'); return
      case '/readyz': {
        // whoever asks while it is being found out gets the same answer: nobody's asking costs the parts more than once at a time
        const readiness = await (this.#readiness ??= readinessOf(this.node).finally(() => { this.#readiness = undefined }))
        // whether, for any prober; why, for who may read
        send(response, readiness.ready ? 200 : 503, JSON_TYPE, `${JSON.stringify(mayRead ? readinessJson(readiness) : { ready: readiness.ready })}\n`)
        return
      }
      default:
    }
    if (!mayRead) throw new HttpError(401, 'this needs the token')
    switch (pathname) {
      case '/metrics': {
        const { metrics } = this.options
        if (metrics === undefined) throw new HttpError(404, 'metrics are off: --metrics')
        send(response, 200, metrics.contentType, await metrics.text())
        return
      }
      case '/events': return this.#streams.events(response, this.#closing.signal)
      case '/blocks': {
        const from = request.headers['last-event-id'] ?? searchParams.get('from')
        if (typeof from !== 'string') throw new HttpError(400, '"from" is a height or a cursor')
        return this.#streams.blocks(response, { from, withTxList: searchParams.get('withTxList') === 'true' }, this.#closing.signal)
      }
      default: throw new HttpError(404, 'there is nothing here')
    }
  }

  async #call(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') throw new HttpError(405, 'JSON-RPC comes by POST')
    const wrongType = this.#guard.refusesType(request)
    if (wrongType !== undefined) throw new HttpError(wrongType.status, wrongType.why)
    const knows = this.#guard.knows(request)
    if (!knows && !this.#guard.mayRead(request)) throw new HttpError(401, 'this needs the token')
    const steering = this.#guard.hasToken ? 'this steers the node, and needs the token' : 'this steers the node, and there is no token: --http.token-file'
    let unauthorized = false
    const gone = new AbortController()
    response.once('close', () => { gone.abort() })
    const body = await this.#body(request, knows ? MAX_REQUEST : MAX_BODY_WITHOUT_TOKEN)
    try {
      const answer = await this.rpc.answer(body.text, {
        ending: AbortSignal.any([gone.signal, this.#closing.signal]),
        refusal: ({ needs }) => {
          if (knows || needs === 'reads') return undefined
          unauthorized = true
          return steering
        },
      })
      const status = answer === undefined ? 204 : unauthorized && !answer.startsWith('[') && answer.includes(`"code":${UNAUTHORIZED}`) ? 401 : 200
      if (answer === undefined) response.writeHead(204).end()
      else send(response, status, JSON_TYPE, `${answer}\n`)
    } finally { body.done() }
  }

  /** The whole body; its bytes count until `done`. */
  async #body(request: IncomingMessage, max: number): Promise<{ readonly text: string; done(): void }> {
    const tooLarge = new HttpError(413, `a request has at most ${max} bytes`)
    if (Number(request.headers['content-length'] ?? 0) > max) throw tooLarge
    const chunks: Buffer[] = []
    let length = 0
    const done = (): void => { this.#bodies -= length; length = 0 }
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        length += chunk.length
        this.#bodies += chunk.length
        if (length > max) throw tooLarge
        if (this.#bodies > MAX_BODIES) throw new HttpError(503, 'too much is being received')
        chunks.push(chunk)
      }
    } catch (error) {
      done()
      throw error instanceof HttpError ? error : new HttpError(400, 'the request ended early')
    }
    return { text: Buffer.concat(chunks).toString('utf8'), done }
  }
}

function urlOf({ url = '/' }: IncomingMessage): URL {
  try {
    return new URL(`http://here${url}`)
  } catch {
    throw new HttpError(400, 'this is no path')
  }
}

const JSON_TYPE = 'application/json; charset=utf-8'

function send(response: ServerResponse, status: number, type: string, text: string, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text), ...headers }).end(response.req.method === 'HEAD' ? undefined : text)
}
