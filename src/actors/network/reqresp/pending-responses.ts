import type { Feedback, Port } from '../../kernel/index.js'

export interface Answer { readonly type: 'answer'; readonly request: number; readonly body: Uint8Array }

/**
 * Where the other rooms' answers to inbound requests arrive: the requests that wait, by number. Not the driver's mailbox, which takes
 * nothing any more once the driver is told to stop, while the driver serves on until it has closed its connections (H40): an answer that
 * is there must not be told as one that is not. It outlives the driver, so that what the former one has asked for meets no request of the
 * next. Does no more than to fulfil a promise: a sender never runs anything of the driver's.
 */
export class PendingResponses implements Port<Answer> {
  readonly #awaited = new Map<number, (body: Uint8Array | undefined) => void>()
  #last = 0

  /** `closed`: nobody awaits it any more. */
  send({ request, body }: Answer): Feedback {
    const finish = this.#awaited.get(request)
    finish?.(body)
    return finish === undefined ? 'closed' : 'ok'
  }

  /** Asks under a new number, and gives what comes for it; `undefined` where the question is not taken or the signal is aborted first. */
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

  /** Answers everybody who waits with nothing. */
  giveUp(): void { for (const finish of [...this.#awaited.values()]) finish(undefined) }
}
