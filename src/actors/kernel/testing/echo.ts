import { once } from 'node:events'
import { isDeepStrictEqual } from 'node:util'
import { Worker } from 'node:worker_threads'
import type { Boundary, Crossing } from '../boundary.js'
import { KernelError } from '../errors.js'
import type { Samples } from '../threads/index.js'

const ECHO = 'const { parentPort: port } = require("node:worker_threads"); port.on("message", value => port.postMessage(value))'

/** The entries of a boundary with the samples that a test has for them; one that is missing does not compile. */
export function withSamples<B extends object>(table: B, samples: Samples<B>): Boundary<object> {
  return Object.fromEntries(Object.entries(table).map(([name, entry]: [string, object]) => [name, { ...entry, sample: (samples as Record<string, unknown>)[name] }]))
}

/**
 * Sends the sample of every entry of a boundary through a thread and back, and compares. Gives the names of the entries.
 * @throws KernelError `not_cloneable` (a function, a proxy), `changed_by_crossing` (a class instance, an error's code)
 */
export async function echoEvery<Crossings>(table: Boundary<Crossings>): Promise<string[]> {
  const worker = new Worker(ECHO, { eval: true })
  try {
    const entries = Object.entries<Crossing<unknown>>(table)
    for (const [name, { sample, codec }] of entries) {
      const sent = sample()
      const posted = await throughWorker(worker, name, codec === undefined ? sent : codec.encode(sent))
      const back = codec === undefined ? posted : codec.decode(posted as Uint8Array<ArrayBuffer>)
      if (!isDeepStrictEqual(sent, back)) throw new KernelError('changed_by_crossing', `${name} came back as another value`, name)
    }
    return entries.map(([name]) => name)
  } finally { await worker.terminate() }
}

async function throughWorker(worker: Worker, name: string, value: unknown): Promise<unknown> {
  const back = once(worker, 'message')
  try { worker.postMessage(value) } catch (cause) {
    void back.catch(() => undefined)
    throw new KernelError('not_cloneable', `${name} cannot cross to a thread`, name, { cause })
  }
  return ((await back) as unknown[])[0]
}
