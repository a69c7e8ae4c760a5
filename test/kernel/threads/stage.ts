import { seededRandom, silentLogger, supervisor, threadActor } from '../../../src/actors/kernel/index.js'
import type { ChildOptions, Logger, Ref, Supervisor, SupervisorEvent, SupervisorOptions, ThreadOptions, Trace } from '../../../src/actors/kernel/index.js'
import { until } from '../../support/until.js'
import { GATES, HELD, LIVES, SubjectError, subjectBoundary, subjectMailbox } from './subject.js'
import type { Params, Task, Told } from './subject.js'

export interface StageOptions extends ThreadOptions, Pick<SupervisorOptions, 'decide'> {
  readonly capacity?: number
  readonly failingInits?: readonly number[]
  readonly slowStop?: number
  readonly child?: ChildOptions
  readonly log?: Logger
  readonly trace?: (trace: Trace) => void
  readonly seed?: number
  readonly module?: URL
  /** What the port answers. */
  readonly told?: (message: Told) => 'ok' | 'rejected'
}

export const FAST: ChildOptions = { backoff: { firstMs: 1, maxMs: 1, factor: 1, jitter: 0 } }

/** One subject under a supervisor, in a thread or inline, and what it has told. */
export class Stage {
  readonly told: string[] = []
  readonly bytes: Extract<Told, { readonly type: 'bytes' }>[] = []
  readonly events: SupervisorEvent[] = []
  readonly words = new Int32Array(new SharedArrayBuffer(32 * 4))
  readonly root: Supervisor
  readonly ref: Ref<Task>

  constructor(readonly thread: boolean, options: StageOptions = {}) {
    const { capacity = 100, failingInits = [], slowStop, child, log = silentLogger, trace, seed, module, told, decide, ...rest } = options
    const params: Params = { words: this.words, failingInits, ...slowStop !== undefined && { slowStop } }
    const mailbox = subjectMailbox(capacity)
    const out = {
      send: (message: Told) => {
        if (message.type === 'told') this.told.push(message.what)
        else this.bytes.push(message)
        return told?.(message) ?? 'ok' as const
      },
    }
    this.root = supervisor('stage', { log, onEvent: event => { this.events.push(event) }, ...trace && { trace }, ...decide && { decide }, ...seed !== undefined && { random: seededRandom(seed) } })
    this.ref = this.root.child('subject', () => threadActor({
      name: 'subject', module: module ?? new URL('./subject.js', import.meta.url), export: 'subject', mailbox, boundary: subjectBoundary, params, ports: { out },
      errors: [SubjectError], ...rest, thread,
    }), { ...FAST, ...child })
  }

  static async started(thread: boolean, options: StageOptions = {}): Promise<Stage> {
    const stage = new Stage(thread, options)
    await stage.root.start()
    return stage
  }

  get figures() {
    const [child] = this.root.describe().children
    if (child?.kind !== 'actor') throw new Error('it is gone')
    return child
  }

  get lives(): number { return Atomics.load(this.words, LIVES) }
  open(gate: number): void { Atomics.store(this.words, GATES + gate, 1); Atomics.notify(this.words, GATES + gate) }
  word(at: number): number { return Atomics.load(this.words, at) }
  /** So many handlers have come to a gate. */
  async held(count: number): Promise<void> { await until(() => this.word(HELD) >= count, `${count} handlers at a gate`) }
  async says(what: string): Promise<void> { await until(() => this.told.includes(what), `"${what}" among ${JSON.stringify(this.told)}`) }
  /** Everything sent before this has been handled. */
  async flushed(): Promise<void> {
    await until(() => this.figures.depth === 0, 'an empty queue')
    await this.ref.ask('double', { n: 0 }, 20_000)
  }
  failures(): unknown[] { return this.events.flatMap(event => event.type === 'failed' ? [event.error] : []) }
}

/** Threads of this process that run. */
let running = 0
process.on('worker', worker => {
  running++
  worker.once('exit', () => { running-- })
})
export const workers = (): number => running

/** Runs the same body on a real thread and inline. */
export function both(title: string, body: (stage: (options?: StageOptions) => Promise<Stage>, thread: boolean) => Promise<void>): void {
  for (const thread of [true, false]) only(thread, `${title} (${thread ? 'thread' : 'inline'})`, body)
}

export function inThread(title: string, body: (stage: (options?: StageOptions) => Promise<Stage>, thread: boolean) => Promise<void>): void { only(true, title, body) }

function only(thread: boolean, title: string, body: (stage: (options?: StageOptions) => Promise<Stage>, thread: boolean) => Promise<void>): void {
  it(title, async () => {
    const stages: Stage[] = []
    try {
      await body(async options => {
        const stage = await Stage.started(thread, options)
        stages.push(stage)
        return stage
      }, thread)
    } finally {
      for (const stage of stages) { for (let gate = 0; gate < 16; gate++) stage.open(gate); await stage.root.stop() }
    }
  })
}
