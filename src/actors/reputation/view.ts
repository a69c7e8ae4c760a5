import type { PeerKey } from '../../protocol/peer-key.js'
import type { Book } from './book.js'
import type { ConnectionQuestion, PeerStanding } from './ingress.js'

/**
 * How peers stand, for those who need it at once (DESIGN.md, The rooms). Made before the actor and handed to it: it is neutral until the
 * actor has started, always tells the present state then, and between two incarnations that of the last one.
 */
export class StandingView implements PeerStanding {
  #book: Book | undefined

  appScore(peer: PeerKey): number { return this.#book?.appScore(peer) ?? 0 }
  mayAsk(peer: PeerKey): boolean { return this.#book?.mayAsk(peer) ?? true }
  greylisted(peer: PeerKey): boolean { return this.#book?.greylisted(peer) ?? false }
  isProtected(peer: PeerKey): boolean { return this.#book?.isProtected(peer) ?? false }
  refuses(question: ConnectionQuestion): string | undefined { return this.#book?.refuses(question) }

  /** The lower of reputation and gossipsub's last score: whom to part with first where there are too many. */
  score(peer: PeerKey): number { return this.#book?.score(peer) ?? 0 }

  /** What the last incarnation knew, where there was one. For the actor. */
  get last(): Book | undefined { return this.#book }

  /** Tells of this book from now on. For the actor. */
  show(book: Book): void { this.#book = book }
}
