import { verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import { packSigned } from './author-batch.js'
import type { Signed } from './author-batch.js'

/** A signature, and its key in the form that Node takes. */
export interface Claim extends Signed { readonly native: KeyObject }

/** The part of a thread that is used. */
export type AuthorThread = Pick<Worker, 'on' | 'once' | 'postMessage' | 'terminate' | 'unref'>

interface Waiting { readonly claim: Claim; readonly resolve: (isAuthentic: boolean) => void }

/** A node that hears little never needs the thread: so many signatures are verified on libuv's threads before it starts. */
const THREAD_AFTER = 128
/** What is larger goes to libuv's threads, which take it as it is. Bytes. */
const MAX_BYTES = 4_096
/** More would keep each from its answer for longer. */
const MAX_BATCH = 32

/**
 * Verifies Ed25519 signatures off the main thread. With each a job of libuv's, a message costs six changes of threads, in which the main
 * thread loses its core; so where there are many, those of one turn of the event loop go to one thread in one message. It starts when it
 * is first worth it. Until then, and where it has ended, libuv's threads do it.
 */
export class AuthorVerifier {
  #thread: AuthorThread | undefined
  /** `none`: not yet, or not any more. */
  #state: 'none' | 'starting' | 'ready' | 'off' = 'none'
  #verified = 0
  /** Of this turn. */
  #waiting: Waiting[] = []
  /** In the thread, in their order. */
  #batches: Waiting[][] = []

  /** @param start gives a thread that runs `author-thread.ts`; another one in tests */
  constructor(private readonly start: () => AuthorThread = startThread, private readonly threadAfter = THREAD_AFTER) {}

  /** Whether the signature is its author's. Never rejects. */
  async verify(claim: Claim): Promise<boolean> {
    if (this.#state === 'none' && ++this.#verified > this.threadAfter) this.#begin()
    if (this.#state !== 'ready' || claim.bytes.length > MAX_BYTES) return onLibuv(claim)
    return new Promise(resolve => {
      if (this.#waiting.length === 0) setImmediate(() => { this.#post() })
      this.#waiting.push({ claim, resolve })
      if (this.#waiting.length >= MAX_BATCH) this.#post()
    })
  }

  /** Ends the thread. What it has not answered is verified on libuv's. */
  async close(): Promise<void> {
    const thread = this.#thread
    this.#end()
    await thread?.terminate()
  }

  #begin(): void {
    this.#state = 'starting'
    try {
      const thread = this.start()
      this.#thread = thread
      thread.unref()
      thread.once('online', () => { if (this.#state === 'starting') this.#state = 'ready' })
      thread.on('message', (answers: ArrayBuffer) => { this.#answered(new Uint8Array(answers)) })
      thread.on('error', () => { this.#end() })
      thread.once('exit', () => { this.#end() })
    } catch {
      this.#end()
    }
  }

  #post(): void {
    const batch = this.#waiting
    if (batch.length === 0) return
    this.#waiting = []
    if (this.#state !== 'ready') { instead(batch); return }
    this.#batches.push(batch)
    const packed = packSigned(batch.map(({ claim }) => claim))
    this.#thread?.postMessage(packed, [packed])
  }

  #answered(answers: Uint8Array): void {
    const batch = this.#batches.shift()
    batch?.forEach(({ resolve }, at) => { resolve(answers[at] === 1) })
  }

  /** It is not started again: whatever ended it would do so again. */
  #end(): void {
    this.#state = 'off'
    this.#thread = undefined
    for (const batch of [...this.#batches.splice(0), this.#waiting.splice(0)]) instead(batch)
  }
}

function startThread(): AuthorThread {
  return new Worker(new URL('./author-thread.js', import.meta.url), { name: 'authors', resourceLimits: { maxOldGenerationSizeMb: 32 } })
}

function instead(batch: readonly Waiting[]): void {
  for (const { claim, resolve } of batch) void onLibuv(claim).then(resolve)
}

function onLibuv({ bytes, native, signature }: Claim): Promise<boolean> {
  return new Promise(resolve => {
    verify(null, bytes, native, signature, (error, isAuthentic) => { resolve(error === null && isAuthentic) })
  })
}
