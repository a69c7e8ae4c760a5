import type { Feedback } from './mailbox.js'
import type { Message } from './message.js'
import type { Deadline, Offered, OfferOptions, Ref, Watchable } from './ref.js'

/** One actor of a pool, and how much it has to do. */
export interface Member { readonly self: Ref<Message>; readonly load: number }

/** Several actors of one kind behind one reference: each message goes to the one that has least to do, of equals to the next in turn. */
export class Pool implements Ref<Message> {
  readonly path: string
  #turn = 0

  constructor(private readonly tree: Watchable, private readonly members: readonly Member[]) { this.path = tree.path }

  send(message: Message): Feedback { return this.#next.send(message) }
  offer(message: Message, options?: OfferOptions): Promise<Offered> { return this.#next.offer(message, options) }
  ask(type: string, body: object, within: Deadline): Promise<never> { return this.#next.ask<never>(type as never, body as never, within) }
  onceTerminated(listener: () => void): () => void { return this.tree.onceTerminated(listener) }

  get #next(): Ref<Message> {
    const { members } = this
    let best = this.#turn
    let least = Infinity
    for (let n = 0; n < members.length && least > 0; n++) {
      const at = (this.#turn + n) % members.length
      const { load } = members[at]!
      if (load < least) { least = load; best = at }
    }
    this.#turn = (best + 1) % members.length
    return members[best]!.self
  }
}
