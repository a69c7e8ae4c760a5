import { inspect, isDeepStrictEqual } from 'node:util'
import { Ending } from '../address.js'
import { Asked } from '../asked.js'
import { CancelledError, ClosedError, DroppedError, KernelError } from '../errors.js'
import type { Feedback } from '../mailbox.js'
import type { AskTypes, BodyOf, ByType, Message, ReplyOf } from '../message.js'
import { Offers } from '../offers.js'
import type { Deadline, Offered, OfferOptions, Ref } from '../ref.js'
import type { ManualClock } from './manual-clock.js'

/** A mailbox that a test holds: it takes what it is sent, says what it is told to say, and lets the test look. */
export class TestProbe<M extends Message> implements Ref<M> {
  /** Everything accepted and not yet expected, in order. */
  readonly #queue: M[] = []
  readonly #all: M[] = []
  readonly #answers = new Map<string, (message: M) => unknown>()
  readonly #offers = new Offers()
  readonly #asked = new Set<Asked>()
  readonly #ending = new Ending(error => { throw error })
  #feedback: Feedback = 'ok'

  constructor(readonly path: string, private readonly clock: ManualClock, private readonly settle: () => Promise<void>) {}

  /** What `send` returns; `rejected` and `closed` also mean that the message is not taken, and `rejected` that offers wait. */
  get feedback(): Feedback { return this.#ending.happened ? 'closed' : this.#feedback }

  set feedback(feedback: Feedback) {
    this.#feedback = feedback
    if (feedback === 'closed') this.#offers.close()
    else this.#offers.admit(() => this.#takes, message => { this.#take(message as M) })
  }

  get #takes(): boolean { return this.feedback === 'ok' || this.feedback === 'backoff' }

  // ---- as a mailbox

  send(message: M): Feedback {
    if (this.#takes) this.#take(message)
    return this.feedback
  }

  offer(message: M, { signal }: OfferOptions = {}): Promise<Offered> {
    if (signal?.aborted === true) return Promise.reject(new CancelledError(this.path, signal.reason))
    const feedback = this.send(message)
    return feedback === 'rejected' ? this.#offers.wait(message, this.path, signal) : Promise.resolve(feedback === 'closed' ? 'closed' : 'ok')
  }

  ask<T extends AskTypes<M>>(type: T, body: BodyOf<ByType<M, T>>, within: Deadline): Promise<ReplyOf<ByType<M, T>>> {
    const message = { ...body, type } as unknown as M
    return Asked.send(message, `${this.path} ${type}`, within, this.clock, asked => {
      const feedback = this.send(message)
      if (feedback === 'closed') { asked.refuse(new ClosedError(this.path)); return }
      if (feedback === 'rejected') { asked.refuse(new DroppedError(this.path, feedback)); return }
      this.#asked.add(asked)
      asked.onSettled = () => { this.#asked.delete(asked) }
      const answer = this.#answers.get(type)
      if (answer === undefined) return
      Promise.resolve(message).then(answer).then(reply => { asked.answer(reply) }, (error: unknown) => { asked.refuse(error) })
    }) as Promise<ReplyOf<ByType<M, T>>>
  }

  onceTerminated(listener: () => void): () => void { return this.#ending.once(listener) }

  // ---- as the test's hand

  /** From now on asks of this type get this reply; a throw is a rejection. Without it they wait for their deadline. */
  answer<T extends AskTypes<M>>(
    type: T, answer: (message: ByType<M, T>) => ReplyOf<ByType<M, T>> | Promise<ReplyOf<ByType<M, T>>>,
  ): this {
    this.#answers.set(type, answer as (message: M) => unknown)
    return this
  }

  /** Ends for good: watchers get their `terminated`, who waits is told that it is closed. */
  end(): void {
    if (this.#ending.happened) return
    this.#ending.happen()
    this.#offers.close()
    for (const asked of this.#asked) asked.refuse(new ClosedError(this.path))
  }

  // ---- as the test's eye

  /** Everything taken so far. */
  get received(): readonly M[] { return this.#all }

  /** The oldest message of this type that was not expected yet and has these fields, by `isDeepStrictEqual`; takes it. */
  expect<T extends M['type']>(type: T, fields: Partial<ByType<M, T>> = {}): ByType<M, T> {
    return this.#find(`${type} ${show(fields)}`, message => message.type === type && includes(message, fields)) as ByType<M, T>
  }

  /** The oldest message not expected yet that satisfies the predicate; takes it. */
  expectWhere(predicate: (message: M) => boolean, what = 'a message that satisfies the predicate'): M {
    return this.#find(what, predicate)
  }

  /** Nothing (of this type) that was not expected yet. */
  expectNone(type?: M['type']): void {
    const unexpected = this.#queue.filter(message => type === undefined || message.type === type)
    if (unexpected.length === 0) return
    throw new KernelError('unexpected', `${this.path}: expected no ${type ?? 'message'}, got ${show(unexpected)}`, unexpected)
  }

  /** Lets `ms` of the manual clock pass, or less: until `expectation` no longer throws. */
  async within<R>(ms: number, expectation: () => R): Promise<R> {
    for (let left = ms; ;) {
      await this.settle()
      try { return expectation() } catch (error) { if (left <= 0) throw error }
      const step = Math.min(left, this.clock.next ?? left)
      this.clock.advance(step)
      left -= step
    }
  }

  #take(message: M): void {
    this.#queue.push(message)
    this.#all.push(message)
  }

  #find(what: string, matches: (message: M) => boolean): M {
    const at = this.#queue.findIndex(matches)
    if (at < 0) throw new KernelError('expected', `${this.path}: expected ${what}, have ${show(this.#queue)}`, what)
    return this.#queue.splice(at, 1)[0]!
  }
}

function includes(message: object, fields: object): boolean {
  return Object.entries(fields).every(([key, value]) => isDeepStrictEqual((message as Record<string, unknown>)[key], value))
}

const show = (value: unknown): string => inspect(value, { depth: 6, breakLength: Infinity, maxArrayLength: 1_000, maxStringLength: 10_000 })
