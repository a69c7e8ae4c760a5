import type { PeerKey } from '../../protocol/peer-key.js'
import type { Book } from './book.js'
import type { ConnectionQuestion, PeerStanding } from './ingress.js'

/**
 * The implementation of `PeerStanding`. It is created before the actor and given to it. Until the actor has started every peer is neutral; after
 * that it reads the actor's present state and, during a restart, the state of the last incarnation.
 */
export class StandingView implements PeerStanding {
  #book: Book | undefined

  appScore(peer: PeerKey): number { return this.#book?.appScore(peer) ?? 0 }
  mayAsk(peer: PeerKey): boolean { return this.#book?.mayAsk(peer) ?? true }
  greylisted(peer: PeerKey): boolean { return this.#book?.greylisted(peer) ?? false }
  isProtected(peer: PeerKey): boolean { return this.#book?.isProtected(peer) ?? false }
  refuses(question: ConnectionQuestion): string | undefined { return this.#book?.refuses(question) }

  /** The lower of the reputation and gossipsub's last score. Pruning takes the lowest first. */
  score(peer: PeerKey): number { return this.#book?.score(peer) ?? 0 }

  /** The state of the last incarnation; `undefined` before the first. For the actor only. */
  get last(): Book | undefined { return this.#book }

  /** Sets the state to read from. For the actor only. */
  show(book: Book): void { this.#book = book }
}
