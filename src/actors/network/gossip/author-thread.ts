/** Entry of the thread that verifies authors' signatures. */
import { verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { actor, behaviour } from '../../kernel/index.js'
import { nativeKey } from './author-batch.js'
import { authorBoundary, authorMailbox } from './author-ingress.js'
import type { AuthorMessage } from './author-ingress.js'

/** Cached keys. */
const KEYS = 256

export const authors = behaviour(authorBoundary, () => actor<AuthorMessage, LRUCache<string, KeyObject>>({
  name: 'authors',
  mailbox: authorMailbox,
  init: () => new LRUCache<string, KeyObject>({ max: KEYS, memoMethod: name => nativeKey(Buffer.from(name, 'latin1')) }),
  receive: {
    verify: (keys, { claims }) => Uint8Array.from(claims, ({ key, signature, bytes }) =>
      verify(null, bytes, keys.memo(Buffer.from(key).toString('latin1')), signature) ? 1 : 0),
  },
}))
