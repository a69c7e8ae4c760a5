import { supervisor } from '../../src/actors/kernel/index.js'
import type { Feedback } from '../../src/actors/kernel/index.js'
import { Validator, validator, validatorConfig } from '../../src/actors/validator/index.js'
import type { CheckedPort, ValidatorFigures, ValidatorOptions } from '../../src/actors/validator/index.js'
import type { Checked, Origin } from '../../src/actors/chain/ingress.js'
import { Finding } from '../../src/protocol/index.js'
import { rate } from '../harness.js'

/** A validator as the driver sees it, with a chain that counts. */
export class Edge {
  #onChecked: (items: readonly Checked[]) => void = () => undefined

  private constructor(readonly validator: Validator, private readonly end: () => Promise<void>) {}

  static async start(options: ValidatorOptions): Promise<Edge> {
    const take = (items: readonly Checked[]): Feedback => { edge.#onChecked(items); return 'ok' }
    const chain: CheckedPort = { commitments: take, txLists: take, page: (_peer, _ticket, items) => take(items) }
    const tree = supervisor('bench')
    const ref = tree.child('validator', () => validator({ chain }, validatorConfig(options)))
    const edge = new Edge(new Validator(ref), () => tree.stop())
    await tree.start()
    return edge
  }

  /**
   * Sends the messages so many times over, at most `window` without a verdict, and waits for the last verdict; messages a second.
   * Throws where one is not valid.
   */
  round(kind: 'commitments' | 'txLists', items: readonly Uint8Array[], times: number, window: number): Promise<number> {
    const total = items.length * times
    return rate(total, () => new Promise<void>((resolve, reject) => {
      let sent = 0
      let done = 0
      const fill = (): void => {
        while (sent < total && sent - done < window) {
          const bytes = items[sent % items.length]!
          const feedback = this.send(kind, bytes, sent)
          if (feedback === 'rejected') return
          if (feedback === 'closed') { reject(new Error('the validator is closed')); return }
          sent++
        }
      }
      this.#onChecked = checked => {
        for (const { finding } of checked) if (finding !== Finding.valid) reject(new Error(`found ${finding}`))
        done += checked.length
        if (done === total) resolve()
        else fill()
      }
      fill()
    }))
  }

  /** ms from one message's send to its verdict, with nothing else under way. */
  lone(bytes: Uint8Array, index: number): Promise<number> {
    return new Promise(resolve => {
      const start = performance.now()
      this.#onChecked = () => { resolve(performance.now() - start) }
      void this.send('commitments', bytes, index)
    })
  }

  figures(): Promise<ValidatorFigures> { return this.validator.figures(1_000) }
  stop(): Promise<void> { return this.end() }

  private send(kind: 'commitments' | 'txLists', bytes: Uint8Array, index: number): Feedback {
    const origin: Origin = { kind: 'gossip', peer: 'bench', messageId: String(index) }
    return kind === 'commitments' ? this.validator.commitment(bytes, origin) : this.validator.txList(bytes, origin)
  }
}
