import { verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { ClosedError, DroppedError } from '../../kernel/index.js'
import type { Ref, Supervisor } from '../../kernel/index.js'
import type { Signed } from './author-batch.js'
import { AUTHORS_RESTARTS, authorActor } from './author-ingress.js'
import type { AuthorMessage } from './author-ingress.js'

/** A signature, and its key in the form that Node takes. */
export interface Claim extends Signed { readonly native: KeyObject }

/** The actor in its thread, as it is used here. */
export type Authors = Pick<Ref<AuthorMessage>, 'ask'>

interface Waiting { readonly claim: Claim; readonly resolve: (isAuthentic: boolean) => void }

/** A node that hears little never needs the thread: so many signatures are verified on libuv's threads before it starts. */
const THREAD_AFTER = 128
/** What is larger goes to libuv's threads, which take it as it is. Bytes. */
const MAX_BYTES = 4_096
/** More would keep each from its answer for longer. */
const MAX_BATCH = 32
/** A batch takes a few milliseconds. What has no answer by then is verified here, ms. */
const ANSWER_WITHIN = 1_000
/** How long it is waited for a thread that starts, before it is asked again, ms. */
const READY_WITHIN = 60_000

/**
 * Verifies Ed25519 signatures off the main thread. With each a job of libuv's, a message costs six changes of threads, in which the main
 * thread loses its core; so where there are many, those of one turn of the event loop go to one thread in one message. It starts when it
 * is first worth it. Until then, and while it is being started again, libuv's threads do it.
 */
export class AuthorVerifier {
  #authors: Authors | undefined
  /** It has answered, and not failed since. */
  #ready = false
  #verified = 0
  /** Of this turn. */
  #waiting: Waiting[] = []

  /** @param start gives the actor; another one in tests */
  constructor(private readonly start: () => Authors, private readonly threadAfter = THREAD_AFTER) {}

  /** Whether the signature is its author's. Never rejects. */
  async verify(claim: Claim): Promise<boolean> {
    if (this.#authors === undefined && ++this.#verified > this.threadAfter) this.#begin()
    if (!this.#ready || claim.bytes.length > MAX_BYTES) return onLibuv(claim)
    return new Promise(resolve => {
      if (this.#waiting.length === 0) setImmediate(() => { this.#post() })
      this.#waiting.push({ claim, resolve })
      if (this.#waiting.length >= MAX_BATCH) this.#post()
    })
  }

  #begin(): void {
    this.#verified = 0
    try {
      this.#authors = this.start()
      void this.#becomesReady(this.#authors)
    } catch { /* the node is stopping: it is done without */ }
  }

  async #becomesReady(authors: Authors): Promise<void> {
    for (;;) {
      try {
        await authors.ask('verify', { claims: [] }, READY_WITHIN)
        this.#ready = true
        return
      } catch (error) { if (error instanceof ClosedError) return }
    }
  }

  #post(): void {
    const batch = this.#waiting
    this.#waiting = []
    if (batch.length === 0) return
    if (!this.#ready) { instead(batch); return }
    const claims = batch.map(({ claim: { key, signature, bytes } }) => ({ key, signature, bytes }))
    this.#authors!.ask('verify', { claims }, ANSWER_WITHIN).then(
      answers => { batch.forEach(({ resolve }, at) => { resolve(answers[at] === 1) }) },
      (error: unknown) => {
        instead(batch)
        if (error instanceof DroppedError || !this.#ready) return
        this.#ready = false
        void this.#becomesReady(this.#authors!)
      },
    )
  }
}

/** Starts the actor among the driver's children: it ends with the driver. */
export const startAuthors = (children: Pick<Supervisor, 'child'>): Authors => children.child('authors', authorActor, AUTHORS_RESTARTS)

function instead(batch: readonly Waiting[]): void {
  for (const { claim, resolve } of batch) void onLibuv(claim).then(resolve)
}

function onLibuv({ bytes, native, signature }: Claim): Promise<boolean> {
  return new Promise(resolve => {
    verify(null, bytes, native, signature, (error, isAuthentic) => { resolve(error === null && isAuthentic) })
  })
}
