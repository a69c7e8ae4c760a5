import { Handle, actor, keep, mailbox, reject } from '../kernel/index.js'
import type { Ask, Clock, Context, Deadline, Deferral, Port, TimerHandle } from '../kernel/index.js'
import { CommitmentView, toHex } from '../../protocol/index.js'
import type { JudgedMessage, Judgement } from '../chain/ports.js'
import type { NetworkHandle, Topic } from '../network/ingress.js'
import type { Validator } from '../validator/ingress.js'
import { ServiceError } from './errors.js'
import { codeOf } from '../../protocol/thrown.js'

/** What came of publishing. */
export interface PublishResult {
  /** Preconfirmation hash or txlist hash, 32 bytes. */
  readonly hash: Uint8Array
  /** Peers that it was sent to. None is no error: it is stored, and served to whoever asks. */
  readonly recipients: number
  /** Whether it is durable by now. A commitment always is before it leaves. */
  readonly stored: boolean
  /** It was known already, published by us or by others: nothing new was stored, and peers that have it lately were sent nothing (H83). */
  readonly known: boolean
}

export type PublisherMessage =
  /** `bytes`: a signed commitment (382) or a txlist gossip message, as SSZ. */
  | Ask<'publish', { topic: Topic; bytes: Uint8Array; behind: boolean }, PublishResult>
  | JudgedMessage

/** What the network made of it. */
type Internal =
  | { readonly type: 'sent'; readonly ticket: number; readonly recipients: number }
  | { readonly type: 'notSent'; readonly ticket: number; readonly error: unknown }

export const publisherMailbox = mailbox<PublisherMessage>({
  capacity: 1_024,
  whenFull: {
    publish: reject('the caller is told'),
    judged: keep('one a message of ours under way'),
    durable: keep('one a message of ours under way'),
  },
})

export class Publisher extends Handle<PublisherMessage> {
  /** @param behind a commitment although blocks are known that wait above our head */
  publish(topic: Topic, bytes: Uint8Array, within: Deadline, behind = false) { return this.ask('publish', { topic, bytes, behind }, within) }
}

export type PublisherEvent =
  | { readonly type: 'published'; readonly topic: Topic; readonly hash: Uint8Array; readonly recipients: number }

interface Needs {
  readonly validator: Validator
  readonly network: Pick<NetworkHandle, 'publish'>
  readonly events: Port<PublisherEvent>
}

interface UnderWay {
  readonly topic: Topic
  readonly bytes: Uint8Array
  readonly answer: Deferral<PublishResult>
  judgement: Judgement | undefined
  stored: boolean
  /** Runs while it is judged and not durable. */
  waitsForStore: TimerHandle | undefined
}

/** State: our messages between `publish` and their answer, by ticket. Their number is bounded by the callers' deadlines. */
interface State { next: number; readonly underWay: Map<number, UnderWay> }

/** Chain's reason for what is there already; of our own it is accepted all the same. */
const KNOWN = 'duplicate'
/** How long the store may take, ms: less than the caller waits, who is told. */
const STORE_WITHIN = 20_000
/** How long the network may take to hand a message to its peers' streams, ms. */
const SEND_WITHIN = 10_000

/**
 * Takes what the application publishes through the same pipeline as what comes in (SPEC §7), then sends it:
 * 1. to the validator, as `own` with a ticket;
 * 2. chain judges it (`judged`); a refusal is the caller's error;
 * 3. a commitment waits until it is durable (`durable`): what we signed is on disk before it leaves;
 * 4. the network sends it; the caller learns to how many.
 */
export const publisher = ({ validator, network, events }: Needs) => {
  const waitsNoMore = (message: UnderWay, clock: Clock) => {
    if (message.waitsForStore !== undefined) clock.clearTimeout(message.waitsForStore)
    message.waitsForStore = undefined
  }
  const settle = (state: State, ticket: number, { clock }: Context<PublisherMessage, Internal>, how: (message: UnderWay) => void) => {
    const message = state.underWay.get(ticket)
    if (message === undefined) return
    state.underWay.delete(ticket)
    waitsNoMore(message, clock)
    how(message)
  }
  const sendOut = (ticket: number, message: UnderWay, ctx: Context<PublisherMessage, Internal>) => {
    ctx.pipe(network.publish(message.topic, message.bytes, SEND_WITHIN), {
      ok: ({ recipients }) => ({ type: 'sent', ticket, recipients }),
      failed: error => ({ type: 'notSent', ticket, error }),
    })
  }

  const storeInTime = (state: State, ticket: number, message: UnderWay, ctx: Context<PublisherMessage, Internal>) => {
    message.waitsForStore = ctx.clock.setTimeout(() => {
      const error = new ServiceError('not_stored', `not durable within ${STORE_WITHIN} ms`, STORE_WITHIN, STORE_WITHIN)
      settle(state, ticket, ctx, ({ answer }) => { answer.reject(error) })
    }, STORE_WITHIN)
  }

  return actor<PublisherMessage, State, Internal>({
    name: 'publisher',
    mailbox: publisherMailbox,
    // Tickets of no other incarnation, whose answers may still come (H59).
    init: ctx => ({ next: Math.floor(ctx.random() * 2 ** 32) * 2 ** 20, underWay: new Map() }),
    receive: {
      publish(state, { topic, bytes, behind }, ctx) {
        const ticket = state.next++
        const feedback = topic === 'commitments'
          ? validator.commitment(bytes, { kind: 'own', ticket, behind })
          : validator.txList(bytes, { kind: 'own', ticket })
        if (feedback === 'rejected' || feedback === 'closed') {
          return ctx.refuse(new ServiceError('overloaded', `the validator takes nothing now (${feedback})`, topic))
        }
        ctx.askSignal?.addEventListener('abort', () => {
          if (!ctx.signal.aborted) settle(state, ticket, ctx, () => undefined)
        }, { once: true })
        return ctx.defer<PublishResult>(answer => {
          state.underWay.set(ticket, { topic, bytes, answer, judgement: undefined, stored: false, waitsForStore: undefined })
        })
      },
      judged(state, { ticket, results }, ctx) {
        const message = state.underWay.get(ticket)
        const judgement = results[0]
        if (message === undefined || judgement === undefined) return
        if (judgement.verdict !== 'accept') {
          const { reason } = judgement
          settle(state, ticket, ctx, ({ topic, bytes, answer }) => {
            answer.reject(reason === 'behind' && topic === 'commitments'
              ? new ServiceError('behind', 'blocks of elected signers are known that wait above our head', new CommitmentView(bytes).blockNumber)
              : new ServiceError('refused', `our own rules refuse it: ${reason}`, reason))
          })
          return
        }
        message.judgement = judgement
        if (message.topic === 'txLists' || message.stored) sendOut(ticket, message, ctx)
        else storeInTime(state, ticket, message, ctx)
      },
      durable(state, { ticket }, ctx) {
        const message = state.underWay.get(ticket)
        if (message === undefined) return
        message.stored = true
        waitsNoMore(message, ctx.clock)
        if (message.topic === 'commitments' && message.judgement !== undefined) sendOut(ticket, message, ctx)
      },
    },
    internal: {
      sent(state, { ticket, recipients }, ctx) {
        settle(state, ticket, ctx, ({ topic, judgement, stored, answer }) => {
          const hash = judgement?.hash ?? new Uint8Array(32)
          ctx.log.debug({ topic, hash: toHex(hash), recipients }, 'published')
          void events.send({ type: 'published', topic, hash, recipients })
          answer.resolve({ hash, recipients, stored, known: judgement?.reason === KNOWN })
        })
      },
      notSent(state, { ticket, error }, ctx) {
        settle(state, ticket, ctx, ({ judgement, stored, answer }) => {
          // the network has it: it went through here within the last minutes
          if (codeOf(error) === 'duplicate' && judgement !== undefined) answer.resolve({ hash: judgement.hash, recipients: 0, stored, known: true })
          else answer.reject(error)
        })
      },
    },
    stop(state, ctx) {
      for (const ticket of state.underWay.keys()) {
        settle(state, ticket, ctx, ({ answer }) => { answer.reject(new ServiceError('stopped', 'the publisher stopped')) })
      }
    },
  })
}
