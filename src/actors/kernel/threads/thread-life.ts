import { Asked } from '../asked.js'
import { systemClock, withinMs } from '../clock.js'
import { CrashedError, InterruptedError, KernelError } from '../errors.js'
import { Histogram } from '../figures.js'
import type { ThreadSnapshot } from '../figures.js'
import { messageOf } from '../inbox.js'
import type { Entry } from '../inbox.js'
import type { Host, Life, Queue } from '../life.js'
import type { Message } from '../message.js'
import type { HaltReason } from '../node.js'
import type { Port } from '../ref.js'
import { Hints } from './hints.js'
import { InFlight } from './in-flight.js'
import type { Crossed } from './in-flight.js'
import { readFields } from './logs.js'
import { Acknowledger, Outbox } from './outbox.js'
import { Crossings, notCloneable, targets } from './packing.js'
import { isWork } from './protocol.js'
import type { ToMain, ToThread } from './protocol.js'
import { Reviver } from './revive.js'
import { Thread } from './thread.js'
import type { FilledOptions } from './filled.js'
import { HangWatch, beatMs } from './watch.js'

/** Kept across the incarnations of one actor. */
interface AcrossLives { exited: Promise<void>; readonly crossing: Histogram }
const standings = new WeakMap<Host, AcrossLives>()

/**
 * One life of an actor in a thread, from this side: which messages cross and when, and what becomes of them when the thread ends.
 *
 * 1. starting: the thread of the former life has ended; the new one loads the module and runs `init`.
 * 2. running: so many messages cross that the window is full; the others wait in the actor's queue, where its policies apply.
 * 3. failed: a handler threw, or the thread ended or hangs.
 * 4. stopping: nothing more is begun; the handler that runs is awaited, then the stop hook, then the thread's exit.
 */
export class ThreadLife implements Life {
  phase: Life['phase'] = 'starting'
  readonly own = 0
  readonly holds = []
  readonly #standing: AcrossLives
  readonly #crossings: Crossings
  readonly #reviver: Reviver
  readonly #targets: ReadonlyMap<number, Port<Message>>
  readonly #hints = new Hints()
  readonly #watch: HangWatch
  #thread: Thread | undefined
  #exited: Promise<void> | undefined
  #out: Outbox<ToThread> | undefined
  #taken: Acknowledger | undefined
  readonly #flight: InFlight
  #lastAsk = 0
  readonly #asks = new Map<number, Asked>()
  readonly #timed = new Map<number, { readonly type: string; readonly waitedMs: number; readonly postedAt: number }>()
  /** The thread is ending or has ended. */
  #dying = false
  /** The handler in hand has told of its own failure. */
  #told = false
  #over = false
  #starting: { resolve(): void; reject(error: unknown): void } | undefined
  #halted: (() => void) | undefined
  #halting: Promise<void> | undefined

  constructor(private readonly host: Host, private readonly options: FilledOptions) {
    const standing = standings.get(host) ?? { exited: Promise.resolve(), crossing: new Histogram() }
    standings.set(host, standing)
    this.#standing = standing
    this.#crossings = new Crossings(options.boundary)
    this.#reviver = new Reviver(options.errors)
    this.#flight = new InFlight(this.#hints, options.window, host.figures)
    this.#targets = targets(this.#crossings, options)
    this.#watch = new HangWatch(options.hangWithin, () => this.#hints.beat, () => this.#busy, () => {
      this.#fails(new KernelError('hung', `the thread of ${host.path} stood still for ${options.hangWithin} ms`, options.hangWithin))
    })
  }

  get free(): boolean { return this.phase === 'running' && !this.#flight.full }

  get answering(): number {
    this.#flight.look()
    let count = this.#asks.size
    for (const { ask } of this.#flight) if (ask !== 0 && this.#asks.has(ask)) count--
    return count
  }

  get inHand(): number {
    this.#flight.look()
    return this.#flight.length
  }

  get thread(): ThreadSnapshot {
    this.#flight.look()
    return { threadId: this.#thread?.id ?? -1, inThread: this.#flight.length, crossing: this.#standing.crossing.snapshot() }
  }

  // ---- for its actor

  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#starting = { resolve, reject }
      this.#start().catch((error: unknown) => { this.#started(error) })
    })
  }

  run(queue: Queue, limit: number): number {
    let count = 0
    for (; count < limit && this.free; count++) {
      const entry = queue.take()
      if (entry === undefined) break
      this.#cross(entry, queue.sampled)
    }
    return count
  }

  drain(): void { this.#out?.push(['drain']) }

  halt(reason: HaltReason): Promise<void> {
    if (this.#halting !== undefined && !this.#dying) this.#out?.push(['halt', reason])
    return this.#halting ??= this.#halt(reason)
  }

  abandon(): void {
    if (this.#over) return
    this.phase = 'stopping'
    this.#close()
    this.#settle()
    this.#kill()
    this.#started(new InterruptedError(this.host.path))
  }

  // ---- life

  async #start(): Promise<void> {
    const { host, options, options: { killWithin, name, module, export: exported, nice, window, hangWithin } } = this
    if (!await withinMs(systemClock, killWithin, this.#standing.exited)) { // real time: no thread ends by the injected clock
      throw new KernelError('thread_stuck', `the former thread of ${host.path} has not ended within ${killWithin} ms`, killWithin)
    }
    if (this.phase !== 'starting') return
    const params = this.#crossings.pack(this.#crossings.number('params')!, options.params)
    const thread = this.#thread = new Thread(name, {
      module, export: exported, params: params.payload, hints: this.#hints.memory, path: host.path,
      seed: Math.floor(host.runtime.random() * 2 ** 32), nice, traced: host.runtime.trace !== undefined,
      credits: window.records, creditBytes: window.bytes, beatMs: beatMs(hangWithin), sourceMaps: (process as { readonly sourceMapsEnabled?: boolean }).sourceMapsEnabled === true,
    }, options, {
      records: records => { if (!this.#over) this.#receive(records) },
      ended: error => { this.#ended(error) },
    })
    this.#exited = this.#standing.exited = this.#clearedAway(thread.exited)
    // Its window is kept by counting what is done, not what has arrived.
    this.#out = new Outbox(thread, { records: Infinity, bytes: Infinity })
    this.#taken = new Acknowledger(window, (records, bytes) => { this.#out!.push(['taken', records, bytes]) })
  }

  /** The start is over, for better or worse. */
  #started(error?: unknown): void {
    const starting = this.#starting
    this.#starting = undefined
    if (starting === undefined) return
    if (error === undefined) {
      this.phase = 'running'
      this.#hold()
      starting.resolve()
      return
    }
    if (this.phase === 'starting') this.phase = 'failed'
    starting.reject(error)
  }

  async #halt(reason: HaltReason): Promise<void> {
    const thread = this.#thread
    const hopeless = this.#dying
    this.phase = 'stopping'
    this.#close()
    this.#started(new InterruptedError(this.host.path))
    if (thread !== undefined) {
      thread.hold(true)
      if (!hopeless) {
        this.#out!.push(['halt', reason])
        await new Promise<void>(resolve => { this.#halted = resolve })
      }
      this.#kill()
      await this.#exited
    }
    this.#settle()
  }

  /** The thread cannot go on: it is ended, and the supervisor told. */
  #fails(error: KernelError): void {
    if (this.phase !== 'running') return
    this.phase = 'failed'
    this.#close()
    this.#settle(error)
    this.#kill()
    this.host.failed(error)
  }

  async #clearedAway(exited: Promise<void>): Promise<void> {
    await exited
    try { await this.options.exited?.() } catch (error) { this.host.runtime.log.error({ actor: this.host.path, err: error }, '`exited` threw') }
  }

  #kill(): void {
    this.#dying = true
    this.#thread?.kill()
  }

  #ended(error: KernelError): void {
    this.#dying = true
    this.#watch.end()
    this.#halted?.()
    if (this.#starting !== undefined) this.#started(error)
    else if (this.phase === 'running') this.#fails(error)
    else if (this.phase === 'failed') {
      this.#close()
      this.#settle(error)
    }
  }

  /** From here on no message is begun. */
  #close(): void {
    this.#watch.end()
    if (this.#flight.closed) return
    this.#flight.close()
    this.#out?.retain(record => !isWork(record))
  }

  /** What is done is done; what was begun is refused; what was not goes back to the queue. Once. @param failure of the thread itself */
  #settle(failure?: KernelError): void {
    if (this.#over) return
    const { begun, back } = this.#flight.settle()
    this.#over = true
    const { host, host: { path } } = this
    // A handler that threw has told of its message itself.
    const crashed = failure !== undefined && !this.#told ? begun : []
    for (const each of [...crashed, ...back.filter(({ givenAway }) => givenAway)]) {
      this.#withdraw(each)?.refuse(new CrashedError(path, failure))
      host.count('crashed', messageOf(each.entry))
    }
    const again = back.filter(({ givenAway }) => !givenAway)
    for (const each of again) this.#withdraw(each)
    for (const [ask, asked] of this.#asks) {
      this.#forget(ask, asked)
      asked.refuse(new InterruptedError(path, failure))
    }
    host.giveBack(again.map(({ entry }) => entry))
  }

  /** The ask of a message, which the thread is not to answer any more. */
  #withdraw({ entry, ask }: Crossed): Asked | undefined {
    if (!(entry instanceof Asked)) return undefined
    this.#forget(ask, entry)
    return entry
  }

  // ---- towards the thread

  get #busy(): boolean {
    this.#flight.look()
    return this.#flight.length > 0 || this.#asks.size > 0
  }

  #cross(entry: Entry, putAt: number): void {
    const asked = entry instanceof Asked ? entry : undefined
    const message = messageOf(entry)
    const { type } = message
    try {
      const number = this.#crossings.number(type)
      if (number === undefined) throw new KernelError('not_cloneable', `${type} is not in the boundary`, type)
      const { payload, bytes, transfer, givenAway } = this.#crossings.pack(number, message)
      const ask = asked === undefined ? 0 : this.#ask(asked)
      const crossed: Crossed = { entry, bytes, ask, givenAway }
      if (putAt >= 0) this.#time(type, putAt)
      this.#flight.add(crossed)
      this.#out!.push([number, payload, bytes, ask, putAt >= 0 ? 1 : 0], bytes, transfer, error => {
        this.#flight.remove(crossed)
        this.#refuse(entry, ask, error)
      })
      this.#watch.begin()
    } catch (error) { this.#refuse(entry, 0, error) }
  }

  #refuse(entry: Entry, ask: number, error: unknown): void {
    const message = messageOf(entry)
    if (entry instanceof Asked) {
      this.#forget(ask, entry)
      entry.refuse(notCloneable(error))
    }
    this.host.runtime.log.error({ actor: this.host.path, type: message.type, err: error }, 'a message cannot cross')
    this.host.count('not_cloneable', message)
    this.host.wake()
  }

  #ask(asked: Asked): number {
    const ask = ++this.#lastAsk
    this.#asks.set(ask, asked)
    asked.onSettled = () => {
      this.#forget(ask, asked)
      this.#out?.push(['cancel', ask])
    }
    this.#hold()
    return ask
  }

  #forget(ask: number, asked: Asked): void {
    asked.onSettled = undefined
    this.#asks.delete(ask)
    this.#hold()
  }

  /** The process waits for a thread only while that owes an answer, starts or ends. */
  #hold(): void { if (this.phase === 'running') this.#thread?.hold(this.#asks.size > 0) }

  #time(type: string, putAt: number): void {
    const postedAt = this.host.runtime.clock.monotonic()
    this.#timed.set(this.#flight.next, { type, waitedMs: postedAt - putAt, postedAt })
  }

  // ---- from the thread

  #receive(records: readonly ToMain[]): void {
    let bytes = 0
    for (const record of records) bytes += this.#take(record)
    this.#taken!.add(records.length, bytes)
    this.#flight.look()
    this.host.wake()
  }

  /** Gives the weight of the record. */
  #take(record: ToMain): number {
    switch (record[0]) {
      case 'reply': return this.#answered(record[1], record[2], record[3], record[4])
      case 'refusal': this.#refused(record[1], this.#reviver.revive(record[2])); break
      case 'send': this.#send(record[1], record[2]); return record[3]
      case 'drop': for (let left = record[3]; left > 0; left--) this.host.count(record[1], { type: record[2] }); break
      case 'log': this.#log(record); break
      case 'time': this.#measure(record[1], record[2], record[3]); break
      case 'room': break
      case 'started': this.#started(); break
      case 'unstarted': this.#unstarted(this.#reviver.revive(record[1])); break
      case 'failed':
        this.#told = true
        if (this.phase !== 'running') break
        this.phase = 'failed'
        this.#watch.end()
        this.host.failed(this.#reviver.revive(record[1]))
        break
      case 'finished':
        if (this.phase !== 'running') break
        this.phase = 'stopping'
        this.host.finished()
        break
      case 'halted': this.#halted?.(); break
    }
    return 0
  }

  #unstarted(error: Error): void {
    this.#kill()
    this.#started(error)
  }

  #answered(ask: number, entry: number, payload: unknown, bytes: number): number {
    const asked = this.#asks.get(ask)
    if (asked === undefined) { this.host.count('late_reply', { type: this.#crossings.name(entry) }); return bytes }
    this.#forget(ask, asked)
    try { asked.answer(this.#crossings.unpack(entry, payload)) } catch (error) { asked.refuse(notCloneable(error)) }
    return bytes
  }

  #refused(ask: number, error: Error): void {
    const asked = this.#asks.get(ask)
    if (asked === undefined) return
    this.#forget(ask, asked)
    asked.refuse(error)
  }

  #send(entry: number, payload: unknown): void {
    try { void this.#targets.get(entry)!.send(this.#crossings.unpack(entry, payload) as Message) } catch (error) {
      this.host.runtime.log.error({ actor: this.host.path, err: error }, 'a message from the thread could not be delivered')
    }
  }

  #log([, level, fields, message]: Extract<ToMain, readonly ['log', ...unknown[]]>): void {
    this.host.runtime.log[level](readFields(fields, wire => this.#reviver.revive(wire)), message)
  }

  #measure(message: number, waitMs: number, handlingMs: number): void {
    const { figures, runtime, path } = this.host
    const timed = this.#timed.get(message)
    for (const number of this.#timed.keys()) if (number <= message) this.#timed.delete(number)
    if (timed === undefined) return
    const waited = timed.waitedMs + waitMs
    figures.wait.record(waited)
    figures.handling.record(handlingMs)
    // Durations of the one side are taken from one of the other; stamps never are.
    this.#standing.crossing.record(Math.max(0, runtime.clock.monotonic() - timed.postedAt - waitMs - handlingMs))
    runtime.trace?.({ path, type: timed.type, waitMs: waited, handlingMs })
  }
}
