import { crossesIn, mailbox, reject, threadActor, threadBoundary } from '../../kernel/index.js'
import type { Ask } from '../../kernel/index.js'
import { packSigned, unpackSigned } from './author-batch.js'
import type { Signed } from './author-batch.js'

/** Answers with a byte per signature: 1 if it is valid. */
export type AuthorMessage = Ask<'verify', { readonly claims: readonly Signed[] }, Uint8Array>

export const authorMailbox = mailbox<AuthorMessage>({ capacity: 64, whenFull: { verify: reject('it is verified on libuv\'s threads') } })

export const authorBoundary = threadBoundary<AuthorMessage, undefined, object>({
  params: crossesIn,
  verify: {
    direction: 'in',
    codec: { encode: ({ claims }) => packSigned(claims), decode: bytes => ({ type: 'verify', claims: unpackSigned(bytes) }) },
  },
  'verify.reply': { direction: 'out', transfer: answers => [answers.buffer as ArrayBuffer] },
})

/** Restarted for as long as the node runs; libuv's threads verify meanwhile. */
export const AUTHORS_RESTARTS = { maxRestarts: Infinity, backoff: { firstMs: 1_000, maxMs: 60_000, factor: 2, jitter: 0.2 } } as const

/** Nice value: the main thread goes first when cores are scarce, as with the validator's threads. */
const NICE = 3
/** A batch takes a few milliseconds; after this the thread counts as hung, ms. */
const HANG_WITHIN = 5_000

/** The actor, in a thread of its own, that verifies authors' signatures batch by batch. */
export const authorActor = () => threadActor({
  name: 'authors', module: new URL('./author-thread.js', import.meta.url), export: 'authors', mailbox: authorMailbox, boundary: authorBoundary,
  params: undefined, ports: {}, nice: NICE, hangWithin: HANG_WITHIN, resourceLimits: { maxOldGenerationSizeMb: 32 },
})
