import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { actor, coalesce, dropOldest, keep, mailbox, reject } from '../../src/actors/kernel/index.js'
import type { ActorSpec, Ask, Context, Later, Logger, MailboxSpec, SupervisorEvent } from '../../src/actors/kernel/index.js'

/** One message per policy, and some that let a test do anything inside a handler. */
export type Job =
  | { readonly type: 'note'; readonly n: number }
  | { readonly type: 'fresh'; readonly n: number }
  | { readonly type: 'latest'; readonly key: string; readonly n: number }
  | { readonly type: 'kept'; readonly n: number }
  | { readonly type: 'boom'; readonly error?: unknown }
  | { readonly type: 'call'; readonly run: (ctx: Context<Job>) => void | Promise<void> }
  | Ask<'double', { readonly n: number }, number>
  | Ask<'compute', { readonly run: (ctx: Context<Job>) => number | Promise<number> | Later<number> }, number>

export const jobMailbox = (capacity: number): MailboxSpec<Job> => mailbox<Job>({
  capacity,
  whenFull: {
    note: reject('test'), boom: reject('test'), call: reject('test'), double: reject('test'), compute: reject('test'),
    fresh: dropOldest('test'), latest: coalesce('test', ({ key }) => key), kept: keep('test'),
  },
})

export interface JobberOptions {
  readonly name?: string
  readonly capacity?: number
  readonly mailbox?: MailboxSpec<Job>
  readonly init?: (ctx: Context<Job>) => void | Promise<void>
  readonly stop?: (ctx: Context<Job>, reason: 'stop' | 'restart') => void | Promise<void>
  readonly timers?: ActorSpec<Job, string[]>['timers']
}

/** Writes down what it handles: `note 1`, `fresh 2`, `latest a 3`, `tick`, `gone path`, and its life as `init`, `stop restart`. */
export function jobber(log: string[], options: JobberOptions = {}): ActorSpec<Job, string[]> {
  const { name = 'jobber', capacity = 1_000, init, stop } = options
  const said = name === 'jobber' ? '' : `${name} `
  return actor<Job, string[]>({
    name,
    mailbox: options.mailbox ?? jobMailbox(capacity),
    async init(ctx) {
      log.push(`${said}init`)
      await init?.(ctx)
      return log
    },
    receive: {
      note(_, { n }) { log.push(`${said}note ${n}`) },
      fresh(_, { n }) { log.push(`${said}fresh ${n}`) },
      latest(_, { key, n }) { log.push(`${said}latest ${key} ${n}`) },
      kept(_, { n }) { log.push(`${said}kept ${n}`) },
      boom(_, { error = new Error('boom') }) {
        log.push(`${said}boom`)
        throw error as Error
      },
      call: (_, { run }, ctx) => run(ctx),
      double(_, { n }) {
        log.push(`${said}double ${n}`)
        return n * 2
      },
      compute: (_, { run }, ctx) => run(ctx),
    },
    timers: options.timers ?? { tick() { log.push(`${said}tick`) }, tock() { log.push(`${said}tock`) } },
    terminated(_, path) { log.push(`${said}gone ${path}`) },
    stop(_, ctx, reason) {
      log.push(`${said}stop ${reason}`)
      return stop?.(ctx, reason)
    },
  })
}

export interface Deferred<T> { readonly promise: Promise<T>; resolve(value: T): void; reject(error: unknown): void }

export function deferred<T = void>(): Deferred<T> {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((yes, no) => { resolve = yes; reject = no })
  return { promise, resolve, reject }
}

/** What a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<Error & { readonly code?: string; readonly value?: unknown }> {
  try { await promise } catch (error) { return error as Error & { code?: string; value?: unknown } }
  throw new Error('it did not reject')
}

export interface Line { readonly level: string; readonly message: string; readonly fields: Readonly<Record<string, unknown>> }

/** A logger that keeps its lines. */
export function recordingLogger(): { readonly lines: Line[]; readonly log: Logger } {
  const lines: Line[] = []
  const write = (level: string) => (fields: object, message: string): void => { lines.push({ level, message, fields: { ...fields } }) }
  const log: Logger = {
    trace: write('trace'), debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error'), child: () => log,
  }
  return { lines, log }
}

/** Events as short text: `failed app/a restart`, `restarting app/a 100`. */
export function short(events: readonly SupervisorEvent[]): string[] {
  return events.map(event => [
    event.type, event.path, ...event.type === 'failed' ? [event.action] : [], ...event.type === 'restarting' ? [event.delayMs] : [],
    ...event.type === 'overdue' ? [event.ms] : [],
  ].join(' '))
}

/** Bytes that `work` leaves behind on the heap. */
export async function retained(work: () => Promise<void> | void): Promise<number> {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  gc()
  const before = process.memoryUsage().heapUsed
  await work()
  gc()
  return process.memoryUsage().heapUsed - before
}

/** A tree's one actor, by name. */
export function find<T extends { readonly children: readonly { readonly kind: string; readonly name: string }[] }>(tree: T, name: string) {
  const found = tree.children.find(child => child.name === name) as Extract<T['children'][number], { kind: 'actor' }> | undefined
  if (found === undefined) throw new Error(`no child ${name}`)
  return found
}
