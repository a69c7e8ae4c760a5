import type { MessagePort } from 'node:worker_threads'
import { expose } from 'comlink/dist/esm/comlink.mjs'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { ServiceError } from './errors.js'
import { CALLS, failed, packItem } from './remote-calls.js'
import type { RemoteApi } from './remote-calls.js'
import type { P2pService } from './service.js'

/** Calls and streams that one connection may have under way. */
const MAX_UNDER_WAY = 1_024
const MAX_STREAMS = 64

/**
 * Lets another thread use a running service: it calls `connectService` with the other end of the port's channel. Does not keep the process
 * alive. What the other thread has under way ends with the port.
 */
export function exposeService(service: P2pService, port: MessagePort): void {
  const calls = new Map<number, AbortController>()
  const streams = new Map<number, AsyncIterator<unknown>>()
  const api: RemoteApi = {
    async call(id, name, args, cancellable) {
      if (!CALLS.includes(name)) return failed(new ServiceError('bad_message', 'nothing of this name is exposed', name))
      if (calls.size >= MAX_UNDER_WAY) return failed(new ServiceError('overloaded', 'too many calls are under way', name, MAX_UNDER_WAY))
      const controller = new AbortController()
      calls.set(id, controller)
      try {
        const method = service[name].bind(service) as (...args: unknown[]) => unknown
        return { ok: await method(...cancellable ? withSignal(args, controller.signal) : args) }
      } catch (error) {
        return failed(error)
      } finally { calls.delete(id) }
    },
    async open(id, stream, options) {
      if (stream !== 'subscribe' && stream !== 'blocks') return failed(new ServiceError('bad_message', 'no such stream', stream))
      if (streams.size >= MAX_STREAMS) return failed(new ServiceError('overloaded', 'too many streams are open', streams.size, MAX_STREAMS))
      try {
        streams.set(id, stream === 'subscribe' ? service.subscribe() : service.blocks(options as Parameters<P2pService['blocks']>[0]))
        return { ok: undefined }
      } catch (error) { return failed(error) }
    },
    async pull(id) {
      const stream = streams.get(id)
      if (stream === undefined) return { ok: { value: undefined, done: true } }
      try {
        const next: IteratorResult<unknown, unknown> = await stream.next()
        const done = next.done === true
        if (done) streams.delete(id)
        return { ok: { value: done ? undefined : packItem(next.value), done } }
      } catch (error) {
        streams.delete(id)
        return failed(error)
      }
    },
    async end(id) {
      calls.get(id)?.abort()
      const stream = streams.get(id)
      streams.delete(id)
      await stream?.return?.()
    },
  }
  expose(api, nodeEndpoint(port))
  port.once('close', () => { for (const id of [...calls.keys(), ...streams.keys()]) void api.end(id) })
  port.unref()
}

/** Options are the last argument; a call without any gets them. */
function withSignal(args: readonly unknown[], signal: AbortSignal): unknown[] {
  const options: unknown = args.at(-1)
  return [...args.slice(0, -1), { ...options as object, signal }]
}
