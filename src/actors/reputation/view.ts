import type { PeerKey } from '../../protocol/peer-key.js'
import type { Book } from './book.js'
import type { ConnectionQuestion, PeerStanding } from './ingress.js'

/**
 * Scores and bans for callers that need an answer at once (docs/architecture.md). Made before the actor and given to it. It is neutral until the
 * actor has started; then it gives the present state, and between two incarnations that of the last one.
 */
export class StandingView implements PeerStanding {
  #book: Book | undefined

  appScore(peer: PeerKey): number { return this.#book?.appScore(peer) ?? 0 }
  mayAsk(peer: PeerKey): boolean { return this.#book?.mayAsk(peer) ?? true }
  greylisted(peer: PeerKey): boolean { return this.#book?.greylisted(peer) ?? false }
  isProtected(peer: PeerKey): boolean { return this.#book?.isProtected(peer) ?? false }
  refuses(question: ConnectionQuestion): string | undefined { return this.#book?.refuses(question) }

  /** The lower of reputation and gossipsub's last score: the lowest leaves first where there are too many peers. */
  score(peer: PeerKey): number { return this.#book?.score(peer) ?? 0 }

  /** What the last incarnation knew, where there was one. For the actor. */
  get last(): Book | undefined { return this.#book }

  /** Reads from this book from now on. For the actor. */
  show(book: Book): void { this.#book = book }
}
