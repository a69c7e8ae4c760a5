import { Address, Ending } from '../address.js'
import { Asked } from '../asked.js'
import { toWire } from '../boundary.js'
import type { WireError } from '../boundary.js'
import { seededRandom, systemClock } from '../clock.js'
import { DeadLetters } from '../dead-letters.js'
import { ClosedError, DroppedError, KernelError } from '../errors.js'
import { Figures } from '../figures.js'
import type { DropReason } from '../figures.js'
import { Inbox } from '../inbox.js'
import type { Entry } from '../inbox.js'
import { Incarnation } from '../incarnation.js'
import type { Spec } from '../incarnation.js'
import type { Host, Queue } from '../life.js'
import type { Logger } from '../log.js'
import type { Feedback } from '../mailbox.js'
import type { Message } from '../message.js'
import type { HaltReason, Runtime } from '../node.js'
import type { Port, Ref } from '../ref.js'
import { Ring } from '../ring.js'
import { sharedScheduler } from '../scheduler.js'
import type { Runnable } from '../scheduler.js'
import { Tree } from '../tree.js'
import { Hints } from './hints.js'
import { recordLogger } from './logs.js'
import { Acknowledger, Outbox } from './outbox.js'
import type { Item, Poster } from './outbox.js'
import { Crossings, notCloneable } from './packing.js'
import { portsOf, replyOf } from './behaviour.js'
import type { Behaviour } from './behaviour.js'
import { isWork } from './protocol.js'
import type { ThreadData, ToMain, ToThread, Work } from './protocol.js'

/** Records that wait for the other side at most; beyond, sends and log records are refused. */
const MAX_WAITING = 4_096

type Drop = Extract<ToMain, [kind: 'drop', ...unknown[]]>

/** The thread's side of an actor: gets its messages from the port, and drives the incarnation as a `Cell` would. */
export class ThreadHost implements Host, Runnable, Queue {
  readonly path: string
  readonly self: Ref<Message>
  readonly runtime: Runtime
  readonly figures = new Figures()
  sampled = -1
  readonly #crossings: Crossings
  readonly #hints: Hints
  readonly #out: Outbox<ToMain>
  readonly #room: Acknowledger
  readonly #received = new Ring<Work>()
  readonly #own: Inbox
  readonly #asks = new Map<number, Asked>()
  /** The last ask that was begun, and those after it that were given up meanwhile. */
  #lastAsk = 0
  readonly #expired = new Set<number>()
  readonly #drops = new Map<string, Item<Drop>>()
  #incarnation: Incarnation | undefined
  #ended = false
  #ready = false
  #draining = false
  /** Whose turn it is where both wait: what was sent from outside, or what the actor has sent to itself. */
  #ownTurn = false
  /** Messages from outside that were begun, their bytes, and how many of them are known to be done. */
  #begun = 0
  #begunBytes = 0
  #done = 0

  constructor(private readonly data: ThreadData, port: Poster, private readonly behaviour: Behaviour, private readonly next: () => readonly ToThread[] | undefined) {
    const { path, hints, seed, credits, creditBytes, traced } = data
    this.path = path
    this.#crossings = new Crossings(behaviour.boundary)
    this.#hints = new Hints(hints)
    const window = { records: credits, bytes: creditBytes }
    this.#out = new Outbox(port, window)
    this.#room = new Acknowledger(window, () => { if (this.#out.length === 0) this.#out.push(['room']) })
    const log: Logger = recordLogger((level, fields, message) => {
      if (this.#out.length >= MAX_WAITING) return false
      this.#out.push(['log', level, fields, message])
      return true
    })
    const clock = systemClock
    this.runtime = {
      clock, log, random: seededRandom(seed), scheduler: sharedScheduler,
      deadLetters: new DeadLetters(clock, log), nest: holder => Tree.nest(holder),
      // Of the messages that are timed, which are those that the other side has chosen.
      trace: ({ path: whose, waitMs, handlingMs }) => { if (whose === path) this.#out.push(['time', this.#begun, waitMs, handlingMs]) },
    }
    this.#own = new Inbox(clock, traced, (entry, reason) => { this.#drop(entry, reason) })
    this.self = new Address(path, this.#own, new Ending(() => undefined), clock, () => { this.wake() })
  }

  // ---- for the port

  /** Makes the actor and starts it. Never rejects. */
  async start(): Promise<void> {
    if (this.#ended) return
    try {
      const params = this.#crossings.unpack(this.#crossings.number('params')!, this.data.params)
      const spec = this.behaviour.make(params as never, this.#ports() as never) as unknown as Spec
      this.#own.bind(spec.mailbox, this.path)
      const incarnation = new Incarnation(this, spec)
      this.#incarnation = incarnation
      await incarnation.start()
      this.#tell(['started'])
      this.wake()
    } catch (error) {
      this.#tell(['unstarted', toWire(error)])
    }
  }

  receive(records: readonly ToThread[]): void {
    for (const record of records) {
      if (isWork(record)) {
        if (record[4] !== 0) record[4] = this.runtime.clock.monotonic()
        this.#received.push(record)
        continue
      }
      switch (record[0]) {
        case 'cancel': if (record[1] > this.#lastAsk) this.#expired.add(record[1]); else this.#asks.get(record[1])?.cancel(); break
        case 'taken': this.#out.taken(record[1], record[2]); break
        case 'drain': this.#draining = true; this.#out.push(['room']); break
        case 'exit': process.exit(); break
        case 'halt': void this.#halt(record[1]); break
      }
    }
    this.wake()
  }

  // ---- for the incarnation

  poll(): void { for (let next = this.next(); next !== undefined; next = this.next()) this.receive(next) }

  wake(): void {
    this.#settle()
    if (this.#ready || this.#incarnation === undefined) return
    const { free, own } = this.#incarnation
    if (!free || this.#received.length + this.#own.depth + own === 0) return
    this.#ready = true
    this.runtime.scheduler.ready(this)
  }

  run(limit: number): number {
    this.#ready = false
    const count = this.#incarnation!.run(this, limit)
    this.wake()
    return count
  }

  take(): Entry | undefined {
    this.sampled = -1
    this.#ownTurn = !this.#ownTurn && this.#own.depth > 0
    return this.#ownTurn ? this.#own.take() : this.#next() ?? this.#own.take()
  }

  /** However many are dropped in a turn: one record for each reason and type. */
  count(reason: DropReason, { type }: Message): void {
    const key = `${reason} ${type}`
    const waiting = this.#drops.get(key)
    if (waiting?.posted === false) waiting.record[3]++
    else this.#drops.set(key, this.#out.push(['drop', reason, type, 1]) as Item<Drop>)
  }

  failed(error: unknown): void { this.#tell(['failed', toWire(error)]) }
  finished(): void { this.#tell(['finished']) }

  // ---- messages

  /** The next one from outside. */
  #next(): Entry | undefined {
    for (let received = this.#received.shift(); received !== undefined; received = this.#received.shift()) {
      const [entry, payload, bytes, ask, at] = received
      this.#settle()
      if (!this.#hints.begin()) { this.#received.drain(); return undefined }
      this.#begun++
      this.#begunBytes += bytes
      this.sampled = at === 0 ? -1 : at
      const made = this.#open(entry, payload, ask)
      if (made !== undefined) return made
    }
    return undefined
  }

  #open(entry: number, payload: unknown, ask: number): Entry | undefined {
    const type = this.#crossings.name(entry)
    if (ask !== 0) this.#lastAsk = ask
    if (this.#expired.delete(ask)) { this.count('ask_expired', { type }); return undefined }
    try {
      const message = this.#crossings.unpack(entry, payload) as Message
      return ask === 0 ? message : this.#asked(ask, message)
    } catch (error) {
      this.runtime.log.error({ type, err: error }, 'a message could not be unpacked')
      this.count('not_cloneable', { type })
      if (ask !== 0) this.#out.push(['refusal', ask, toWire(notCloneable(error))])
      return undefined
    }
  }

  #asked(ask: number, message: Message): Asked {
    const { type } = message
    const asked = Asked.open(message, `${this.path} ${type}`, this.runtime.clock, reply => {
      this.#asks.delete(ask)
      this.#reply(ask, replyOf(type), reply)
    }, error => {
      this.#asks.delete(ask)
      this.#out.push(['refusal', ask, toWire(error)])
    })
    this.#asks.set(ask, asked)
    return asked
  }

  #reply(ask: number, name: string, reply: unknown): void {
    const refuse = (error: unknown): void => { this.#out.push(['refusal', ask, toWire(notCloneable(error))]) }
    try {
      const entry = this.#crossings.number(name)!
      const { payload, bytes, transfer } = this.#crossings.pack(entry, reply)
      this.#out.push(['reply', ask, entry, payload, bytes], bytes, transfer, refuse)
    } catch (error) { refuse(error) }
  }

  /** What has been begun is done once the actor is free for the next. */
  #settle(): void {
    if (this.#begun === this.#done || this.#incarnation?.free !== true) return
    this.#hints.done = this.#begun
    this.#hints.handled = this.figures.handled
    this.#room.add(this.#begun - this.#done, this.#begunBytes)
    this.#done = this.#begun
    this.#begunBytes = 0
    if (this.#draining && this.#out.length === 0) this.#out.push(['room'])
  }

  giveBack(): void { /* an incarnation begins what it takes */ }

  #drop(entry: Entry, reason: DropReason): void {
    if (entry instanceof Asked) entry.refuse(reason === 'closed' ? new ClosedError(this.path) : new DroppedError(this.path, reason))
    this.count(reason, entry instanceof Asked ? entry.message : entry)
  }

  // ---- outwards

  #ports(): Readonly<Record<string, Port<Message>>> {
    const names = portsOf(this.behaviour.boundary)
    return Object.fromEntries(names.map(name => [name, { send: (message: Message) => this.#send(name, message) }]))
  }

  #send(port: string, message: Message): Feedback {
    if (this.#ended) return 'closed'
    const { type } = message
    const refuse = (error: unknown): void => {
      this.runtime.log.error({ port, type, err: error }, 'a message cannot cross')
      this.count('not_cloneable', message)
    }
    if (this.#out.length >= MAX_WAITING) { this.count('rejected', message); return 'rejected' }
    try {
      const entry = this.#crossings.number(`${port}.${type}`)
      if (entry === undefined) throw new KernelError('not_cloneable', `${port}.${type} is not in the boundary`, type)
      const { payload, bytes, transfer } = this.#crossings.pack(entry, message)
      this.#out.push(['send', entry, payload, bytes], bytes, transfer, refuse)
    } catch (error) { refuse(error); return 'rejected' }
    return this.#out.length >= MAX_WAITING * 0.75 ? 'backoff' : 'ok'
  }

  #tell(record: ToMain): void {
    this.#out.push(record)
    this.#out.flush()
  }

  async #halt(reason: HaltReason): Promise<void> {
    await this.#incarnation?.halt(reason)
    this.#ended = true
    this.#tell(['halted'])
  }
}

/** A failure before there is a host. */
export const unstarted = (error: unknown): readonly [readonly [kind: 'unstarted', error: WireError]] => [['unstarted', toWire(error)]]
