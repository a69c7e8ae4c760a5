import type { Feedback, Port } from '../../kernel/index.js'

export interface Answer { readonly type: 'answer'; readonly request: number; readonly body: Uint8Array }

/**
 * Inbound requests that await the answer of chain or store, by number. Answers arrive here and not in the driver's mailbox, which closes
 * when the driver is told to stop, while the driver still serves until its connections are closed (H40). Outlives the driver, so that a
 * late answer never matches a request of the next one. Only fulfils promises: no code of the driver runs in the sender's turn.
 */
export class PendingResponses implements Port<Answer> {
  readonly #awaited = new Map<number, (body: Uint8Array | undefined) => void>()
  #last = 0

  /** `closed` if the request no longer waits. */
  send({ request, body }: Answer): Feedback {
    const finish = this.#awaited.get(request)
    finish?.(body)
    return finish === undefined ? 'closed' : 'ok'
  }

  /** Asks under a new number; resolves to the answer, or to `undefined` if the question is refused or the signal aborted first. */
  obtain(ask: (request: number) => Feedback, signal: AbortSignal): Promise<Uint8Array | undefined> {
    const number = ++this.#last
    return new Promise(resolve => {
      const finish = (body: Uint8Array | undefined): void => {
        this.#awaited.delete(number)
        signal.removeEventListener('abort', onAbort)
        resolve(body)
      }
      const onAbort = (): void => { finish(undefined) }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#awaited.set(number, finish)
      const feedback = ask(number)
      if (feedback === 'rejected' || feedback === 'closed') finish(undefined)
    })
  }

  /** Resolves all waiting requests without an answer. */
  giveUp(): void { for (const finish of [...this.#awaited.values()]) finish(undefined) }
}
