/** An actor for the tests of threads, which does what it is told. */
import { pbkdf2Sync } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread } from 'node:worker_threads'
import { actor, behaviour, coalesce, dropOldest, keep, mailbox, reject, threadBoundary } from '../../../src/actors/kernel/index.js'
import type { Ask, Context, MailboxSpec, Port } from '../../../src/actors/kernel/index.js'

/** An error with everything that errors of rooms have. */
export class SubjectError extends Error {
  override readonly name = 'SubjectError'
  constructor(readonly code: string, message: string, readonly value?: unknown, readonly limit?: number, options?: ErrorOptions) { super(message, options) }
}

/** Has private state, which a clone loses. */
export class Sealed {
  readonly #word: string
  constructor(word: string) { this.#word = word }
  get word(): string { return this.#word }
}

export type Task =
  | { readonly type: 'note'; readonly n: number }
  | { readonly type: 'fresh'; readonly n: number }
  | { readonly type: 'latest'; readonly key: string; readonly n: number }
  | { readonly type: 'kept'; readonly n: number }
  | { readonly type: 'boom'; readonly n: number }
  /** What only a thread survives. */
  | { readonly type: 'die'; readonly how: 'exit' | 'throw' | 'rejection' | 'memory' }
  /** Keeps the handler until the gate is open: waiting, or with the event loop standing still. */
  | { readonly type: 'hold'; readonly gate: number; readonly how: 'await' | 'block' | 'native' }
  | { readonly type: 'call'; readonly what: 'finish' | 'fail' | 'after' | 'every' | 'pipe' | 'self' | 'log' | 'flood' | 'random'; readonly n: number }
  | { readonly type: 'moved'; readonly bytes: Uint8Array }
  | { readonly type: 'fancy'; readonly sealed: Sealed }
  | Ask<'double', { readonly n: number }, number>
  | Ask<'held', { readonly gate: number; readonly later: boolean }, string>
  /** Computes until nobody waits for it any more; gives how often it has looked. */
  | Ask<'compute', object, number>
  | Ask<'refuse', { readonly how: 'subject' | 'type' | 'later' }, never>
  | Ask<'echo', { readonly value: unknown }, unknown>
  | Ask<'sealed', { readonly sealed: Sealed }, Sealed>
  | Ask<'info', object, Info>

export interface Info { readonly threadId: number; readonly execArgv: readonly string[]; readonly nodeOptions: string | undefined; readonly nice: number; readonly random: number }
export type Told = { readonly type: 'told'; readonly what: string } | { readonly type: 'bytes'; readonly length: number; readonly buffer: number }
export interface Ports { readonly out: Port<Told> }
export interface Params {
  /** Words that test and actor share: those that follow, then gates. */
  readonly words: Int32Array
  readonly failingInits: readonly number[]
  readonly slowStop?: number
}

export const LIVES = 0
/** Handlers that wait at a gate. */
export const HELD = 1
export const ABORTED = 2
/** Notes that were handled, over all lives. */
export const NOTES = 3
/** Threads that have ended by themselves. */
export const EXITED = 4
export const GATES = 8

export const subjectMailbox = (capacity: number): MailboxSpec<Task> => mailbox<Task>({
  capacity,
  whenFull: {
    note: reject('test'), fresh: dropOldest('test'), latest: coalesce('test', ({ key }) => key), kept: keep('test'), boom: reject('test'),
    die: reject('test'), hold: reject('test'), call: reject('test'), moved: reject('test'), fancy: reject('test'), double: reject('test'),
    compute: reject('test'), held: reject('test'), refuse: reject('test'), echo: reject('test'), sealed: reject('test'), info: reject('test'),
  },
})

const sealing = {
  encode: (word: string) => new TextEncoder().encode(word),
  decode: (bytes: Uint8Array) => new Sealed(new TextDecoder().decode(bytes)),
}

export const subjectBoundary = threadBoundary<Task, Params, Ports>({
  params: { direction: 'in', sample: () => ({ words: new Int32Array(new SharedArrayBuffer(64)), failingInits: [1] }) },
  note: { direction: 'in', sample: () => ({ type: 'note', n: 1 }) },
  fresh: { direction: 'in', sample: () => ({ type: 'fresh', n: 1 }) },
  latest: { direction: 'in', sample: () => ({ type: 'latest', key: 'a', n: 1 }) },
  kept: { direction: 'in', sample: () => ({ type: 'kept', n: 1 }) },
  boom: { direction: 'in', sample: () => ({ type: 'boom', n: 1 }) },
  die: { direction: 'in', sample: () => ({ type: 'die', how: 'exit' }) },
  hold: { direction: 'in', sample: () => ({ type: 'hold', gate: 0, how: 'await' }) },
  call: { direction: 'in', sample: () => ({ type: 'call', what: 'self', n: 1 }) },
  moved: { direction: 'in', sample: () => ({ type: 'moved', bytes: new Uint8Array(4) }), transfer: ({ bytes }) => [bytes.buffer as ArrayBuffer] },
  fancy: {
    direction: 'in', sample: () => ({ type: 'fancy', sealed: new Sealed('x') }),
    codec: { encode: ({ sealed }) => sealing.encode(sealed.word), decode: bytes => ({ type: 'fancy', sealed: sealing.decode(bytes) }) },
  },
  double: { direction: 'in', sample: () => ({ type: 'double', n: 1 }) },
  'double.reply': { direction: 'out', sample: () => 2 },
  compute: { direction: 'in', sample: () => ({ type: 'compute' }) },
  'compute.reply': { direction: 'out', sample: () => 1 },
  held: { direction: 'in', sample: () => ({ type: 'held', gate: 0, later: true }) },
  'held.reply': { direction: 'out', sample: () => 'done' },
  refuse: { direction: 'in', sample: () => ({ type: 'refuse', how: 'type' }) },
  'refuse.reply': { direction: 'out', sample: () => undefined as never },
  echo: { direction: 'in', sample: () => ({ type: 'echo', value: new Map([[1n, { bytes: new Uint8Array([1, 2]) }]]) }) },
  'echo.reply': { direction: 'out', sample: () => [new Date(1)] },
  sealed: {
    direction: 'in', sample: () => ({ type: 'sealed', sealed: new Sealed('x') }),
    codec: { encode: ({ sealed }) => sealing.encode(sealed.word), decode: bytes => ({ type: 'sealed', sealed: sealing.decode(bytes) }) },
  },
  'sealed.reply': { direction: 'out', sample: () => new Sealed('y'), codec: { encode: sealed => sealing.encode(sealed.word), decode: sealing.decode } },
  info: { direction: 'in', sample: () => ({ type: 'info' }) },
  'info.reply': { direction: 'out', sample: () => ({ threadId: 1, execArgv: ['--x'], nodeOptions: undefined, nice: 1, random: 0.5 }) },
  'out.told': { direction: 'out', sample: () => ({ type: 'told', what: 'x' }) },
  'out.bytes': { direction: 'out', sample: () => ({ type: 'bytes', length: 1, buffer: 1 }) },
})

interface State { readonly tell: (what: string) => void; readonly words: Int32Array; readonly ports: Ports; readonly params: Params }

async function gate(words: Int32Array, at: number): Promise<void> {
  Atomics.add(words, HELD, 1)
  while (Atomics.load(words, GATES + at) === 0) await sleep(1)
}

export const subject = behaviour<Task, Params, Ports, State>(subjectBoundary, (params, ports) => {
  const { words, failingInits } = params
  const tell = (what: string): void => { void ports.out.send({ type: 'told', what }) }
  const note = (state: State, { type, n }: { readonly type: string; readonly n: number }): void => {
    if (type === 'note') Atomics.add(words, NOTES, 1)
    state.tell(`${type} ${n}`)
  }
  return actor<Task, State>({
    name: 'subject',
    mailbox: subjectMailbox(64),
    init() {
      if (!isMainThread) process.once('exit', () => { Atomics.add(words, EXITED, 1) })
      const life = Atomics.add(words, LIVES, 1) + 1
      tell(`init ${life}`)
      if (failingInits.includes(life)) throw new SubjectError('init', `life ${life} does not start`, life)
      return { tell, words, ports, params }
    },
    receive: {
      note, fresh: note, kept: note,
      latest(state, { key, n }) { state.tell(`latest ${key} ${n}`) },
      boom(state, { n }) {
        state.tell(`boom ${n}`)
        throw new SubjectError('boom', 'boom', { n: 5n, view: new Uint8Array([1]) }, 7, { cause: new RangeError('deep') })
      },
      async die(state, { how }) {
        state.tell(`die ${how}`)
        await sleep(20)
        if (how === 'exit') process.exit(3)
        if (how === 'throw') setTimeout(() => { throw new SubjectError('loose', 'out of the blue') }, 0)
        if (how === 'rejection') void Promise.reject(new SubjectError('loose', 'nobody awaits it'))
        if (how === 'memory') { const held: unknown[] = []; for (;;) held.push(Array.from({ length: 10_000 }, (_, n) => ({ n }))) }
        await sleep(60_000)
      },
      hold(_, { gate: at, how }) {
        if (how === 'await') return gate(words, at)
        // In code that does not ask whether its thread is to end.
        if (how === 'native') { pbkdf2Sync('word', 'salt', 1_500_000, 32, 'sha512'); return undefined }
        Atomics.add(words, HELD, 1)
        Atomics.wait(words, GATES + at, 0)
        return undefined
      },
      call(state, { what, n }, ctx) { calls[what](state, n, ctx) },
      moved(_, { bytes }) { void ports.out.send({ type: 'bytes', length: bytes.length, buffer: bytes.buffer.byteLength }) },
      fancy(state, { sealed }) { state.tell(`fancy ${sealed.word}`) },
      double: (_, { n }) => n * 2,
      held(_, { gate: at, later }, ctx) {
        const { askSignal } = ctx
        askSignal!.addEventListener('abort', () => { Atomics.add(words, ABORTED, 1) })
        const done = gate(words, at).then(() => `gate ${at}`)
        return later ? ctx.later(done) : done
      },
      compute(state, _message, ctx) {
        let looks = 0
        for (; !ctx.cancelled; looks++) Atomics.wait(words, GATES - 1, 0, 5)
        state.tell('computed')
        return looks
      },
      refuse(_, { how }, ctx) {
        const cause = how === 'type' ? new TypeError('of a type') : new SubjectError('refused', 'not now', 'a value', 3, { cause: new RangeError('deep') })
        if (how === 'later') return ctx.later<never>(Promise.reject(cause))
        throw cause
      },
      echo: (_, { value }) => value === 'function' ? () => value : value,
      sealed: (_, { sealed }) => new Sealed(`${sealed.word}!`),
      async info(_, _message, ctx) {
        const { threadId } = await import('node:worker_threads')
        const { getPriority } = await import('node:os')
        return { threadId, execArgv: process.execArgv, nodeOptions: process.env['NODE_OPTIONS'], nice: getPriority(), random: ctx.random() }
      },
    },
    timers: { tick(state) { state.tell('tick') } },
    async stop(state, _ctx, reason) {
      if (params.slowStop !== undefined) await gate(words, params.slowStop)
      state.tell(`stop ${reason}`)
    },
  })
})

const calls: Readonly<Record<Extract<Task, { readonly type: 'call' }>['what'], (state: State, n: number, ctx: Context<Task>) => void>> = {
  finish: (_, _n, ctx) => { ctx.stop() },
  fail: (_, n, ctx) => { ctx.fail(new SubjectError('ground', 'gone', n)) },
  after: (_, n, ctx) => { ctx.after('tick', n) },
  every: (_, n, ctx) => { ctx.every('tick', n) },
  pipe: (_, n, ctx) => { ctx.pipe(Promise.resolve(n), { ok: value => ({ type: 'note', n: value }), failed: () => ({ type: 'note', n: -1 }) }) },
  self: (_, n, ctx) => { void ctx.self.send({ type: 'note', n }) },
  log: (_, n, ctx) => { for (let at = 0; at < n; at++) ctx.log.warn({ at, err: new SubjectError('logged', 'in a record') }, 'a record') },
  flood: ({ tell }, n) => { for (let at = 0; at < n; at++) tell(`flood ${at}`) },
  random: ({ tell }, _n, ctx) => { tell(`random ${ctx.random()}`) },
}
