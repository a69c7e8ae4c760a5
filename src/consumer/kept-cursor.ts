import type { Session } from './session.js'
import { sinkErrorOf } from '../actors/sink/nats/connecting.js'
import { ConsumerError } from './errors.js'

export const cursorStreamOf = (chainId: bigint): string => `PRECONF_${chainId}_CURSORS`

/**
 * A consumer's cursor in the broker: the last message of a subject of its own. A durable consumer of JetStream would give what it has not seen
 * acknowledged behind what came later; a cursor keeps the order. A save names the one before it, so that two consumers of one name do not mix.
 */
export class KeptCursor {
  #sequence = 0
  #saving: Promise<void> | undefined
  #latest: string | undefined
  #failure: unknown

  private constructor(private readonly session: Session, private readonly name: string, private readonly stream: string, private readonly subject: string) {}

  static async open(session: Session, chainId: bigint, name: string): Promise<KeptCursor> {
    const stream = cursorStreamOf(chainId)
    await session.jsm.streams.info(stream).catch((error: unknown) => {
      if (sinkErrorOf(error, '').code !== 'gone') throw error
      return session.jsm.streams.add({ name: stream, subjects: [`preconf.${chainId}.cursors.*`], max_msgs_per_subject: 1 })
    })
    return new KeptCursor(session, name, stream, `preconf.${chainId}.cursors.${name}`)
  }

  /** The cursor that was saved last. */
  async load(): Promise<string | undefined> {
    const message = await this.session.jsm.streams.getMessage(this.stream, { last_by_subj: this.subject })
    this.#sequence = message?.seq ?? 0
    return message === null ? undefined : new TextDecoder().decode(message.data)
  }

  /** Saves soon; of several the last counts. @throws what an earlier save failed with */
  save(cursor: string): void {
    if (this.#failure !== undefined) throw this.#failure as Error
    this.#latest = cursor
    this.#saving ??= this.#run().catch((error: unknown) => { this.#failure = error })
  }

  /** Resolves once the last is saved. Never rejects. */
  async flush(): Promise<void> { await this.#saving }

  async #run(): Promise<void> {
    try {
      while (this.#latest !== undefined) {
        const cursor = this.#latest
        this.#latest = undefined
        const ack = await this.session.js.publish(this.subject, cursor, { timeout: 5_000, expect: { lastSubjectSequence: this.#sequence } })
        this.#sequence = ack.seq
      }
    } catch (error) {
      const failure = sinkErrorOf(error, 'the cursor was not saved')
      throw failure.code === 'refused' ? new ConsumerError('taken', `another consumer keeps its cursor under ${this.name}`, this.name, { cause: error }) : failure
    } finally {
      this.#saving = undefined
    }
  }
}
