import type { MessagePort } from 'node:worker_threads'
import type { Remote } from 'comlink'
import { releaseProxy, wrap } from 'comlink/dist/esm/comlink.mjs'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import { CancelledError } from '../kernel/index.js'
import type { Lagged } from '../kernel/index.js'
import type { BlocksOptions, StreamItem } from './blocks.js'
import { ServiceError } from './errors.js'
import type { NetworkEvent } from './events.js'
import { CALLS, opened, unpackItem } from './remote-calls.js'
import type { Call, Outcome, RemoteApi, Stream } from './remote-calls.js'
import type { P2pService } from './service.js'

export type Calls = { readonly [C in Call]: (...args: Parameters<P2pService[C]>) => Promise<Awaited<ReturnType<P2pService[C]>>> }

/** A service that runs in another thread, with the types that it has there. Every call fails with `stopped` once the port is closed. */
export interface ConnectedService extends Calls {
  /** Every event from now on; a slow reader gets `lagged` with a count in place of what it missed, as beside the service. */
  subscribe (options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<NetworkEvent | Lagged>
  /** As `P2pService.blocks`. */
  blocks (options: BlocksOptions): AsyncIterableIterator<StreamItem>
  /** Ends streams and calls under way, and the port. The service goes on. */
  close (): void
}

/**
 * Uses a service that runs in another thread: that one calls `exposeService` with the other end of the port's channel. The port keeps this
 * thread alive until `close`.
 */
export const connectService = (port: MessagePort): ConnectedService => new Connection(port).service

class Connection {
  readonly service: ConnectedService
  readonly #remote: Remote<RemoteApi>
  readonly #waiting = new Set<(error: Error) => void>()
  #last = 0
  #closed = false

  constructor(private readonly port: MessagePort) {
    this.#remote = wrap<RemoteApi>(nodeEndpoint(port))
    port.once('close', () => { this.#end() })
    const calls = Object.fromEntries(CALLS.map(name => [name, (...args: readonly unknown[]) => this.#call(name, args)])) as unknown as Calls
    this.service = {
      ...calls,
      subscribe: ({ signal } = {}) => this.#stream<NetworkEvent | Lagged>('subscribe', {}, signal),
      blocks: ({ signal, ...options }) => this.#stream<StreamItem>('blocks', options, signal),
      close: () => { this.#end() },
    }
  }

  async #call(name: Call, args: readonly unknown[]): Promise<unknown> {
    const id = ++this.#last
    const options = args.at(-1) as { readonly signal?: AbortSignal } | undefined
    const signal = options?.signal instanceof AbortSignal ? options.signal : undefined
    if (signal === undefined) return this.#answer(remote => remote.call(id, name, args, false))
    if (signal.aborted) throw new CancelledError(name, signal.reason)
    const { signal: _, ...data } = options!
    const cancel = (): void => { this.#tellEnd(id) }
    signal.addEventListener('abort', cancel, { once: true })
    try { return await this.#answer(remote => remote.call(id, name, [...args.slice(0, -1), data], true)) } finally { signal.removeEventListener('abort', cancel) }
  }

  /**
   * The outcome of a call, or the end of the connection. Who waits for one holds this connection and with it the proxy: when that is
   * collected, Comlink drops the answers to calls under way.
   */
  async #answer<T>(ask: (remote: Remote<RemoteApi>) => Promise<Outcome<T>>): Promise<T> {
    if (this.#closed) throw disconnected()
    return new Promise<T>((resolve, reject) => {
      this.#waiting.add(reject)
      ask(this.#remote).then(outcome => { resolve(opened(outcome)) }).catch(reject).finally(() => { this.#waiting.delete(reject) })
    })
  }

  #stream<T>(stream: Stream, options: object, signal: AbortSignal | undefined): AsyncIterableIterator<T> {
    const id = ++this.#last
    const opening = this.#answer(remote => remote.open(id, stream, options))
    opening.catch(() => undefined)
    let over = false
    const end = (): void => {
      if (over) return
      over = true
      signal?.removeEventListener('abort', end)
      this.#tellEnd(id)
    }
    signal?.addEventListener('abort', end, { once: true })
    if (signal?.aborted === true) end()
    const iterator: AsyncIterableIterator<T> = {
      next: async () => {
        await opening
        if (over) return { done: true, value: undefined }
        const { value, done } = await this.#answer(remote => remote.pull(id))
        if (!done) return { done: false, value: unpackItem(value) as T }
        over = true
        signal?.removeEventListener('abort', end)
        return { done: true, value: undefined }
      },
      return: async () => { end(); return Promise.resolve({ done: true, value: undefined }) },
      [Symbol.asyncIterator]: () => iterator,
    }
    return iterator
  }

  #tellEnd(id: number): void { if (!this.#closed) this.#remote.end(id).catch(() => undefined) }

  #end(): void {
    if (this.#closed) return
    this.#closed = true
    for (const reject of [...this.#waiting]) reject(disconnected())
    this.#remote[releaseProxy]()
    this.port.close()
  }
}

const disconnected = (): ServiceError => new ServiceError('stopped', 'the connection to the service is closed')
