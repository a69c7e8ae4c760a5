/** What runs in each thread of `thread-pool.ts`: its messages, what crosses, and the behaviour. */
import { createHash } from 'node:crypto'
import { actor, behaviour, crossesIn, crossesOut, mailbox, reject, threadBoundary } from 'preconfirmation-p2p/kernel'
import type { Ask } from 'preconfirmation-p2p/kernel'

export type HashMessage = Ask<'hash', { readonly bytes: Uint8Array }, string>

export const hashMailbox = mailbox<HashMessage>({ capacity: 100, whenFull: { hash: reject('the caller is told') } })

export const hashBoundary = threadBoundary<HashMessage, { readonly algorithm: string }, object>({
  params: crossesIn, hash: crossesIn, 'hash.reply': crossesOut,
})

export const hashing = behaviour(hashBoundary, ({ algorithm }) => actor<HashMessage, undefined>({
  name: 'hashing',
  mailbox: hashMailbox,
  init: () => undefined,
  receive: {
    hash(_, { bytes }) {
      if (bytes.length === 0) process.exit(1) // what a library at fault may do
      return createHash(algorithm).update(bytes).digest('hex')
    },
  },
}))
