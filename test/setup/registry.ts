import type { ChildProcess } from 'node:child_process'
import type { Socket } from 'node:dgram'
import { subscribe } from 'node:diagnostics_channel'
import type { Server } from 'node:net'
import type { Worker } from 'node:worker_threads'

/**
 * What tests have started. A root hook (hooks.ts) ends it after the test, or after the suite where a `before` started it, whatever has
 * happened: so a test that fails in the middle of a node's life leaves nothing that runs on.
 *
 * 1. Nodes, peers and programs say so themselves by `started`, since they end in an orderly way. Leaving them to the hook is no fault.
 * 2. Threads, child processes, servers and UDP sockets are seen by Node's own announcements. What is still there once all of the first kind
 *    has ended is a leak: it is named, then ended by force.
 */
interface Started { readonly stop: () => unknown; readonly duringTest: boolean }
interface Resource { readonly what: () => string; readonly end: () => unknown; readonly duringTest: boolean; readonly gone: () => boolean }

const STOPS_WITHIN = 20_000
const GONE_WITHIN = 10_000

const running = new Set<Started>()
const resources = new Set<Resource>()
const overlooked = new WeakSet<Worker>()
let inTest = false
/** Told of each thing that is started, of either kind. */
let told: (what: string) => void = () => undefined

/** To be stopped after the test; call what it returns when it has stopped before. */
export function started(stop: () => unknown): () => void {
  told('a node, a peer or a program')
  const entry: Started = { stop, duringTest: inTest }
  running.add(entry)
  return () => { running.delete(entry) }
}

export function testBegins(): void { inTest = true }
/** A thread that lives as long as the process. */
export function overlook(worker: Worker): void { overlooked.add(worker) }
export const isOverlooked = (worker: Worker): boolean => overlooked.has(worker)
export function tellOfEach(listener: (what: string) => void): void { told = listener }

/** Ends all that the test, or what came before and after the tests, has started: the names of what should have ended by then. */
export async function endAll(of: 'test' | 'suite'): Promise<string[]> {
  inTest = false
  const ours = <T extends { readonly duringTest: boolean }>(all: Set<T>): T[] => [...all].filter(({ duringTest }) => of === 'suite' || duringTest).reverse()
  const left: string[] = []
  for (const entry of ours(running)) {
    running.delete(entry)
    if (!await within(STOPS_WITHIN, Promise.resolve().then(entry.stop).catch((error: unknown) => { left.push(`a stop that failed: ${String(error)}`) }))) {
      left.push(`something that did not stop within ${STOPS_WITHIN / 1_000} s`)
    }
  }
  const waiting = ours(resources)
  for (const end = performance.now() + GONE_WITHIN; waiting.some(({ gone }) => !gone()) && performance.now() < end;) await pause(5)
  for (const resource of waiting) {
    resources.delete(resource)
    if (resource.gone()) continue
    left.push(resource.what())
    await resource.end()
  }
  return left
}

const pause = (ms: number) => new Promise<void>(resolve => { setTimeout(resolve, ms) })

async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>(resolve => { timer = setTimeout(() => { resolve(false) }, ms) })
  try { return await Promise.race([work.then(() => true as const), late]) } finally { clearTimeout(timer) }
}

function seen(what: () => string, gone: () => boolean, end: () => unknown): void {
  told(what())
  for (const resource of resources) if (resource.gone()) resources.delete(resource)
  const begun = origin()
  resources.add({ what: () => `${what()}, begun ${begun}`, gone, end, duringTest: inTest })
}

/** The first place of this project in the stack. */
function origin(): string {
  const line = new Error().stack?.split('\n').find(each => /dist[\\/](test|src|bench)[\\/]/.test(each) && !/dist[\\/]test[\\/]setup[\\/]/.test(each))
  return line?.trim() ?? 'by a library'
}

/** Whether a UDP socket listens is known by its address only. */
const listens = (of: Socket): boolean => {
  try { return of.address() !== null } catch { return false }
}

process.on('worker', (worker: Worker) => {
  if (overlooked.has(worker)) return
  let exited = false
  const id = worker.threadId
  worker.once('exit', () => { exited = true })
  seen(() => `a thread (${id})`, () => exited || worker.threadId === -1, async () => worker.terminate())
})

subscribe('child_process', message => {
  const { process: child } = message as { process: ChildProcess }
  // Told before it is spawned: without arguments so far.
  seen(() => `a child process (${child.spawnargs?.slice(0, 4).join(' ')})`, () => child.pid === undefined || child.exitCode !== null || child.signalCode !== null, () => child.kill('SIGKILL'))
})

subscribe('tracing:net.server.listen:asyncStart', message => {
  const { server } = message as { server: Server }
  // a Unix socket's address stays what it was
  seen(() => 'a server', () => !server.listening, () => server.close())
})

subscribe('udp.socket', message => {
  const { socket } = message as { socket: Socket }
  seen(() => 'a UDP socket', () => !listens(socket), () => socket.close())
})
