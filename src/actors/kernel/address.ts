import { Asked } from './asked.js'
import type { Clock } from './clock.js'
import type { Inbox } from './inbox.js'
import type { Feedback } from './mailbox.js'
import type { Message } from './message.js'
import { attempt } from './outside.js'
import type { Deadline, Offered, OfferOptions, Ref } from './ref.js'

/** One end, and who wants to know of it. */
export class Ending {
  happened = false
  readonly #listeners = new Set<() => void>()

  /** @param threw takes what a listener throws or rejects with, so that the others hear of it all the same */
  constructor(private readonly threw: (error: unknown) => void) {}

  once(listener: () => void): () => void {
    const once = (): void => { attempt(listener, this.threw) }
    if (this.happened) once()
    else this.#listeners.add(once)
    return () => { this.#listeners.delete(once) }
  }

  happen(): void {
    this.happened = true
    for (const listener of this.#listeners) listener()
    this.#listeners.clear()
  }
}

/** An actor as others hold it: the same over all its incarnations. */
export class Address implements Ref<Message> {
  constructor(
    readonly path: string, private readonly inbox: Inbox, private readonly ending: Ending, private readonly clock: Clock,
    private readonly wake: () => void,
  ) {}

  send(message: Message): Feedback {
    const feedback = this.inbox.put(message)
    this.wake()
    return feedback
  }

  offer(message: Message, options?: OfferOptions): Promise<Offered> {
    const offered = this.inbox.offer(message, this.path, options)
    this.wake()
    return offered
  }

  ask(type: string, body: object, within: Deadline): Promise<never> {
    return Asked.send({ ...body, type }, `${this.path} ${type}`, within, this.clock, asked => {
      void this.inbox.put(asked)
      this.wake()
    }) as Promise<never>
  }

  onceTerminated(listener: () => void): () => void { return this.ending.once(listener) }
}
