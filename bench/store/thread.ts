import { parentPort } from 'node:worker_threads'
import { expose, transfer } from 'comlink'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import type { Engine, EngineName, Tuning } from './engine.js'
import { openEngine } from './engine.js'

/** An engine on the other side of Comlink: one call a batch, bytes transferred. */
export interface EngineThread {
  open(name: EngineName, folder: string, tuning?: Tuning): Promise<void>
  commit(first: number, packed: Uint8Array): Promise<void>
  putTxLists(packed: Uint8Array, bytes: number): Promise<void>
  scan(first: number, count: number): Promise<Uint8Array>
  txList(hash: Uint8Array): Promise<Uint8Array | undefined>
  close(): Promise<void>
}

/** Comlink keeps name, message and stack of an error, and drops its codes: they go into the message. */
async function coded<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw new Error(describeError(error))
  }
}

export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error ? `[${String(error.code)}] ` : ''
  return `${code}${error.message}${error.cause === undefined ? '' : ` < ${describeError(error.cause)}`}`
}

function owned(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes)
  return transfer(copy, [copy.buffer])
}

if (parentPort !== null) {
  const port = parentPort
  process.on('unhandledRejection', (error) => { port.postMessage({ unhandledInThread: describeError(error) }) })
  let engine: Engine | undefined
  const opened = (): Engine => {
    if (engine === undefined) throw new Error('not open')
    return engine
  }
  const thread: EngineThread = {
    async open(name, folder, tuning) { engine = await coded(openEngine(name, folder, tuning)) },
    commit: (first, packed) => coded(opened().commit(first, packed)),
    putTxLists: (packed, bytes) => coded(opened().putTxLists(packed, bytes)),
    async scan(first, count) { return owned(await coded(opened().scan(first, count))) },
    async txList(hash) {
      const found = await coded(opened().txList(hash))
      return found === undefined ? undefined : owned(found)
    },
    close: () => coded(opened().close())
  }
  expose(thread, nodeEndpoint(port))
}
