import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import type { Order, Report } from './attackers-process.js'

/** What is left of an order after its time is not waited for longer, ms. */
const GRACE = 60_000

/** The process of the attackers; it ends with this one. */
export class Attackers {
  readonly #child: ChildProcess

  constructor() { this.#child = fork(new URL('./attackers-process.js', import.meta.url), { serialization: 'advanced' }) }

  /** Resolves when the time is over and all attackers have gone; gives what was tried. */
  async obey(order: Order): Promise<Report> {
    return new Promise<Report>((resolve, reject) => {
      const timer = setTimeout(() => { reject(new Error('the attackers do not end')) }, order.ms + GRACE)
      const done = (answer: { readonly report?: Report; readonly error?: string }): void => {
        clearTimeout(timer)
        if (answer.report === undefined) reject(new Error(answer.error ?? 'no report'))
        else resolve(answer.report)
      }
      this.#child.once('message', done)
      this.#child.once('exit', code => { reject(new Error(`the attackers' process ended: ${code}`)) })
      this.#child.send(order)
    })
  }

  stop(): void { this.#child.kill('SIGKILL') }
}
