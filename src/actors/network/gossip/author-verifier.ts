import { verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { ClosedError, DroppedError } from '../../kernel/index.js'
import type { Ref, Supervisor } from '../../kernel/index.js'
import type { Signed } from './author-batch.js'
import { AUTHORS_RESTARTS, authorActor } from './author-ingress.js'
import type { AuthorMessage } from './author-ingress.js'

/** A signature with its key as a Node key object. */
export interface Claim extends Signed { readonly native: KeyObject }

/** The part of the threaded actor's reference that is used here. */
export type Authors = Pick<Ref<AuthorMessage>, 'ask'>

interface Waiting { readonly claim: Claim; readonly resolve: (isAuthentic: boolean) => void }

/** Signatures verified on libuv's threads before the thread is started: a node with little traffic never needs it. */
const THREAD_AFTER = 128
/** Larger messages go to libuv's threads, which need no copy. Bytes. */
const MAX_BYTES = 4_096
/** Signatures in a batch; more would delay each answer. */
const MAX_BATCH = 32
/** Deadline of a batch, after which its signatures are verified here, ms. */
const ANSWER_WITHIN = 1_000
/** How long to wait for a starting thread before asking again, ms. */
const READY_WITHIN = 60_000

/**
 * Verifies Ed25519 signatures off the main thread. As a libuv job each, they cost six thread switches per message; under load those of one
 * turn of the event loop go to one thread as one batch. The thread starts once there is enough traffic. Until then, and while it restarts,
 * libuv's threads verify.
 */
export class AuthorVerifier {
  #authors: Authors | undefined
  /** The thread has answered and not failed since. */
  #ready = false
  #verified = 0
  /** Signatures of this turn of the event loop. */
  #waiting: Waiting[] = []

  /** @param start starts the actor; replaced in tests */
  constructor(private readonly start: () => Authors, private readonly threadAfter = THREAD_AFTER) {}

  /** Whether the signature is valid. Never rejects. */
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

/** Starts the actor as a child of the driver: it stops with the driver. */
export const startAuthors = (children: Pick<Supervisor, 'child'>): Authors => children.child('authors', authorActor, AUTHORS_RESTARTS)

function instead(batch: readonly Waiting[]): void {
  for (const { claim, resolve } of batch) void onLibuv(claim).then(resolve)
}

function onLibuv({ bytes, native, signature }: Claim): Promise<boolean> {
  return new Promise(resolve => {
    verify(null, bytes, native, signature, (error, isAuthentic) => { resolve(error === null && isAuthentic) })
  })
}
