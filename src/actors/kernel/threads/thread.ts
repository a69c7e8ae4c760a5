import { Worker } from 'node:worker_threads'
import type { ResourceLimits } from 'node:worker_threads'
import { KernelError } from '../errors.js'
import type { ThreadData, ToMain, ToThread } from './protocol.js'

export interface ThreadFlags {
  /** Flags of the thread's own; it inherits none, neither those of the process nor NODE_OPTIONS. None. */
  readonly execArgv?: readonly string[]
  readonly resourceLimits?: ResourceLimits
  /** On Linux, how many steps the thread stands behind the main one where cores are scarce, 0 to 19. 0. */
  readonly nice?: number
}

export interface ThreadEvents {
  records(records: readonly ToMain[]): void
  /** It has ended, and everything that it had posted has been told before. `error`: why. */
  ended(error: KernelError): void
}

/** A thread that has been told to exit, and has not by then, is terminated, ms. */
const EXITS_WITHIN = 1_000

/** An environment variable that holds flags. */
const FLAGS = 'NODE_OPTIONS'

/** What keeps a thread from the flags of its process: `new Worker(…, { ...ownFlags() })`. The environment is read when the thread starts. */
export const ownFlags = (execArgv: readonly string[] = []): { execArgv: string[]; env: NodeJS.ProcessEnv } => ({
  execArgv: [...execArgv],
  env: new Proxy(process.env, { ownKeys: env => Reflect.ownKeys(env).filter(key => key !== FLAGS) }),
})

/** One thread, from its start to its exit. */
export class Thread {
  readonly exited: Promise<void>
  readonly #worker: Worker
  #cause: unknown
  #held = true
  #killing: NodeJS.Timeout | undefined

  /** @throws what `Worker` throws, of flags or limits that it does not know */
  constructor(name: string, data: ThreadData, { execArgv = [], resourceLimits = {} }: ThreadFlags, events: ThreadEvents) {
    const worker = this.#worker = new Worker(new URL('./entry.js', import.meta.url), {
      name, workerData: data, resourceLimits, ...ownFlags(execArgv),
    })
    // In the tick of construction: what comes before there is a listener is lost.
    worker.on('message', (records: readonly ToMain[]) => { events.records(records) })
    worker.on('messageerror', error => { this.#cause ??= error; this.kill() })
    worker.on('error', error => { this.#cause ??= error })
    this.exited = new Promise(resolve => {
      worker.once('exit', code => {
        clearTimeout(this.#killing)
        events.ended(this.#why(name, code))
        resolve()
      })
    })
  }

  get id(): number { return this.#worker.threadId }

  postMessage(value: unknown, transfer: readonly ArrayBuffer[] = []): void { this.#worker.postMessage(value, transfer) }

  /** While it is held the process does not end before it. */
  hold(held: boolean): void {
    if (held === this.#held) return
    this.#held = held
    if (held) this.#worker.ref()
    else this.#worker.unref()
  }

  /**
   * Ends it; `exited` tells when that has come to pass. It is to exit at a turn of its event loop. Where none comes, it is terminated wherever
   * it stands; a library's native code may not survive that: LevelDB's aborts the process when an iterator is just being made.
   */
  kill(): void {
    if (this.#killing !== undefined) return
    const record: ToThread = ['exit']
    this.#worker.postMessage([record])
    this.#killing = setTimeout(() => { void this.#worker.terminate() }, EXITS_WITHIN).unref()
  }

  #why(name: string, code: number): KernelError {
    const cause = this.#cause
    const options = cause === undefined ? undefined : { cause }
    if (isCode(cause, 'ERR_WORKER_OUT_OF_MEMORY')) return new KernelError('out_of_memory', `thread ${name} had no memory left`, code, options)
    const why = cause instanceof Error ? `: ${cause.message}` : ''
    return new KernelError('thread_died', `thread ${name} ended with code ${code}${why}`, code, options)
  }
}

const isCode = (error: unknown, code: string): boolean => error instanceof Error && (error as { readonly code?: unknown }).code === code
