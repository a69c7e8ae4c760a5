/** Server-Sent Events: what happens, and the ordered stream of blocks, which a reader takes up again where it was. */
import type { ServerResponse } from 'node:http'
import type { Lagged } from '../actors/kernel/index.js'
import type { NetworkEvent } from '../actors/service/index.js'
import { eventLine, itemLine } from './event-lines.js'
import { asText, errorToJson } from './json.js'
import type { JsonObject } from './json.js'
import { drained } from './lines.js'
import type { OperatedNode } from './methods.js'

/** Readers at a time. Each holds at most one subscription, which is bounded. */
const MAX_STREAMS = 8
/** Sent where nothing else is, so that what stands between does not take it for dead, ms. */
const HEARTBEAT = 15_000

export interface Message { readonly id?: string; readonly event: string; readonly data: JsonObject }

export class EventStreams {
  #open = 0

  constructor(private readonly node: Pick<OperatedNode, 'subscribe' | 'blocks'>) {}

  /** Every event from now on. A reader that is too slow gets `lagged` with the count of what it missed. */
  async events(response: ServerResponse, closing: AbortSignal): Promise<void> {
    return this.#stream(response, closing, signal => eventMessages(this.node.subscribe({ signal })))
  }

  /** The ordered stream; each message's id is its cursor, which a browser or a library sends as `Last-Event-ID`. */
  async blocks(response: ServerResponse, { from, withTxList }: { readonly from: string; readonly withTxList: boolean }, closing: AbortSignal): Promise<void> {
    const start = /^\d{1,20}$/.test(from) ? BigInt(from) : from
    return this.#stream(response, closing, signal => blockMessages(this.node.blocks({ from: start, withTxList, signal })))
  }

  async #stream(response: ServerResponse, closing: AbortSignal, open: (signal: AbortSignal) => AsyncIterable<Message>): Promise<void> {
    if (this.#open >= MAX_STREAMS) {
      response.writeHead(503, { 'Content-Type': 'text/plain; charset=utf-8' }).end('too many streams are open\n')
      return
    }
    const gone = new AbortController()
    response.once('close', () => { gone.abort() })
    const signal = AbortSignal.any([gone.signal, closing])
    // begun before the header: what it refuses at once, such as a bad cursor, is told as such
    const messages = open(signal)
    this.#open++
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' })
    response.flushHeaders()
    const heartbeat = setInterval(() => { if (!response.writableNeedDrain) response.write(': alive\n\n') }, HEARTBEAT)
    try {
      for await (const { id, event, data } of messages) {
        const text = `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
        // one that does not read is hung up on by the socket's time-out
        if (!response.write(text)) await drained(response, signal)
        if (signal.aborted) break
      }
    } catch (error) {
      if (!signal.aborted) response.write(`event: failed\ndata: ${JSON.stringify(errorToJson(error))}\n\n`)
    } finally {
      clearInterval(heartbeat)
      this.#open--
      response.end()
    }
  }
}

export async function * eventMessages(events: AsyncIterable<NetworkEvent | Lagged>): AsyncGenerator<Message> {
  for await (const event of events) {
    if (event.type === 'lagged') yield { event: 'lagged', data: { count: String(event.count), lane: event.lane } }
    else {
      const { event: name, ...data } = eventLine(event)
      yield { event: asText(name), data }
    }
  }
}

export async function * blockMessages(blocks: ReturnType<OperatedNode['blocks']>): AsyncGenerator<Message> {
  for await (const item of blocks) {
    const { event, stream: _stream, ...data } = itemLine('', item)
    yield { ...item.kind !== 'stalled' && { id: item.cursor }, event: asText(event), data }
  }
}
