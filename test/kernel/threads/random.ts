import type { Worker } from 'node:worker_threads'
import { KernelError, seededRandom, silentLogger, supervisor, threadActor } from '../../../src/actors/kernel/index.js'
import type { ActorSnapshot, ChildOptions, Ref, Supervisor, TreeSnapshot } from '../../../src/actors/kernel/index.js'
import { until } from '../../support/until.js'
import { GATES, NOTES, SubjectError, subjectBoundary, subjectMailbox } from './subject.js'
import type { Params, Task } from './subject.js'

const STEPS = 14
const HANG_WITHIN = 120
const DRAIN_WITHIN = 20_000

/** What came of one tree, to show that something happened. */
export interface Tally { lives: number; kills: number; hangs: number; floods: number; handled: number; asks: number; drained: number }

interface Subject {
  readonly path: string
  readonly thread: boolean
  readonly ref: Ref<Task>
  readonly words: Int32Array
  /** Notes that were accepted, and those that it has told of. */
  readonly accepted: number[]
  readonly told: number[]
  /** Is drained at the stop, and does not end by itself without a failure. */
  readonly drains: boolean
  gate: number
}

/** Ends with the code that it was refused with; a reply is `ok`. */
const outcome = (asked: Promise<unknown>): Promise<string> => asked.then(() => 'ok', (error: unknown) => error instanceof KernelError ? error.code : `strange: ${String(error)}`)
const EXPECTED = new Set(['ok', 'crashed', 'interrupted', 'closed', 'rejected', 'timeout', 'stopped'])

const pause = (ms: number): Promise<void> => new Promise(resolve => { setTimeout(resolve, ms) })

/**
 * A random tree with actors in threads and inline: killed, made to hang, flooded, crashed, added, removed and stopped at any moment. Whatever the
 * timing, by the clauses: what an actor handles is what it accepted, in order, each once; what is missing is counted as crashed; every ask
 * settles; who is drained loses nothing at the stop; nothing is left. @throws Error that names what does not hold
 */
export async function randomThreads(seed: number): Promise<Tally> {
  const random = seededRandom(seed)
  const upTo = (n: number): number => Math.floor(random() * n)
  const tally: Tally = { lives: 0, kills: 0, hangs: 0, floods: 0, handled: 0, asks: 0, drained: 0 }
  const workers = new Set<Worker>()
  const onWorker = (worker: Worker): void => { workers.add(worker); worker.once('exit', () => { workers.delete(worker) }) }
  process.on('worker', onWorker)
  const subjects: Subject[] = []
  const asks: Promise<string>[] = []
  const options = () => ({ strategy: (['one_for_one', 'rest_for_one', 'one_for_all'] as const)[upTo(3)]!, maxRestarts: upTo(5) === 0 ? upTo(4) : 1_000, within: 60_000 })
  /** Paths of those that have failed since the stop began. */
  let failedLate: Set<string> | undefined
  const root = supervisor('root', { ...options(), log: silentLogger, random, onEvent: ({ type, path }) => { if (type === 'failed') failedLate?.add(path) } })

  const add = (tree: Supervisor, name: string): void => {
    const thread = upTo(4) > 0
    const words = new Int32Array(new SharedArrayBuffer((GATES + 64) * 4))
    const told: number[] = []
    const out = { send: (message: { readonly type: string; readonly what?: string }) => { if (message.what?.startsWith('note ') === true) told.push(Number(message.what.slice(5))); return 'ok' as const } }
    const params: Params = { words, failingInits: upTo(3) === 0 ? [2 + upTo(3)] : [] }
    const kind = (['permanent', 'permanent', 'transient', 'temporary'] as const)[upTo(4)]!
    const drains = kind === 'permanent' && upTo(2) === 0
    const child: ChildOptions = {
      kind, backoff: { firstMs: 1, maxMs: 4, factor: 2, jitter: 0.2 }, stopWithin: 400, ...drains && { drainWithin: DRAIN_WITHIN, stopWithin: DRAIN_WITHIN },
    }
    const credits = 1 + upTo(6)
    const ref = tree.child(name, () => threadActor({
      name, module: new URL('./subject.js', import.meta.url), export: 'subject', mailbox: subjectMailbox(20), boundary: subjectBoundary, params, ports: { out },
      errors: [SubjectError], thread, credits, hangWithin: HANG_WITHIN,
    }), child)
    subjects.push({ path: ref.path, thread, ref, words, told, accepted: [], drains, gate: 0 })
  }
  for (let n = 0; n < 1 + upTo(3); n++) add(root, `a${n}`)
  const sub = upTo(2) === 0 ? root.tree('sub', options()) : undefined
  if (sub !== undefined) add(sub, 'b0')

  const note = ({ ref, accepted }: Subject, n: number): void => {
    const feedback = ref.send({ type: 'note', n })
    if (feedback === 'ok' || feedback === 'backoff') accepted.push(n)
  }
  let notes = 0
  const act = (subject: Subject): void => {
    const { ref } = subject
    // What is accepted before the first start has yet to pass the policies (K11).
    if (actors(root.describe()).some(({ path, phase }) => path === subject.path && phase === 'declared')) return
    const what = upTo(10)
    for (let n = 0; n < upTo(30); n++) note(subject, ++notes)
    if (what < 3) { tally.floods++; for (let n = 0; n < 60; n++) note(subject, ++notes) }
    if (what === 3) void ref.send({ type: 'boom', n: 0 })
    if (what === 4) void ref.send({ type: 'call', what: 'finish', n: 0 })
    if (what === 5) void ref.send({ type: 'call', what: 'fail', n: 0 })
    if (what >= 6 && workers.size > 0) { tally.kills++; void [...workers][upTo(workers.size)]!.terminate() }
    if (what === 9 && subject.thread && subject.gate < 60) { tally.hangs++; void ref.send({ type: 'hold', gate: subject.gate++, how: 'block' }) }
    for (let n = 0; n < upTo(4); n++) asks.push(outcome(ref.ask('double', { n }, 5_000)))
    if (upTo(3) === 0) asks.push(outcome(ref.ask('held', { gate: 60 + upTo(3), later: upTo(2) === 0 }, 20 + upTo(400))))
  }

  try {
    await root.start()
    for (let step = 0; step < STEPS; step++) {
      const subject = subjects[upTo(subjects.length)]!
      act(subject)
      if (upTo(12) === 0 && root.describe().phase === 'running') add(root, `c${step}`)
      if (upTo(15) === 0) void root.remove(subject.path.split('/').at(-1)!)
      await pause(upTo(25))
    }
    // What is left is let go, and gets the time that it needs, but in every third tree, which is stopped as it is.
    const resting = upTo(3) > 0
    for (const { words } of subjects) for (let at = GATES; at < words.length; at++) { Atomics.store(words, at, 1); Atomics.notify(words, at) }
    if (resting) {
      await until(() => actors(root.describe()).every(rests), 'the tree to rest', 20_000).catch((cause: unknown) => {
        const restless = actors(root.describe()).filter(actor => !rests(actor)).map(({ path, phase, depth, answering, restarts, thread }) => ({ path, phase, depth, answering, restarts, inThread: thread?.inThread }))
        throw new Error(`it does not rest: ${JSON.stringify(restless)}`, { cause })
      })
    }
    const found = (actor: ActorSnapshot): Subject => subjects.find(({ path }) => path === actor.path)!
    for (const actor of actors(root.describe())) check(found(actor), actor, resting)
    const draining = new Set(actors(root.describe()).filter(actor => actor.phase === 'running' && found(actor).drains).map(({ path }) => path))
    failedLate = new Set()
    await root.stop()
    for (const actor of actors(root.describe())) {
      if (!draining.has(actor.path) || failedLate.has(actor.path)) continue
      tally.drained++
      checkDrained(found(actor), actor)
    }
  } finally {
    await root.stop()
    process.off('worker', onWorker)
  }
  for (const subject of subjects) {
    inOrder(subject)
    tally.lives += Atomics.load(subject.words, 0)
    tally.handled += subject.told.length
  }
  tally.asks = asks.length
  for (const code of await Promise.all(asks)) if (!EXPECTED.has(code)) throw new Error(`an ask ended with ${code}`)
  await until(() => workers.size === 0, 'the end of every thread')
  return tally
}

const actors = (tree: TreeSnapshot): ActorSnapshot[] => tree.children.flatMap(child => child.kind === 'tree' ? actors(child) : [child])
const rests = ({ phase, depth, thread, answering }: ActorSnapshot): boolean => phase === 'stopped' || (phase === 'running' && depth === 0 && answering === 0 && (thread?.inThread ?? 0) === 0)

function inOrder({ path, accepted, told }: Subject): void {
  let at = -1
  for (const n of told) {
    const next = accepted.indexOf(n, at + 1)
    if (next < 0) throw new Error(`${path} handled ${n} twice, out of order, or without having accepted it`)
    at = next
  }
}

/** Of what it had accepted, nothing was dropped at the stop. */
function checkDrained({ path, words, accepted }: Subject, { drops }: ActorSnapshot): void {
  const missing = accepted.length - Atomics.load(words, NOTES) - (drops.crashed ?? 0)
  if (missing > 0 || (drops.stopped ?? 0) > 0) throw new Error(`${path} was drained, and ${missing} of ${accepted.length} messages are missing`)
}

function check(subject: Subject, { drops, phase }: ActorSnapshot, resting: boolean): void {
  inOrder(subject)
  const handled = Atomics.load(subject.words, NOTES)
  if (handled > subject.accepted.length) throw new Error(`${subject.path} handled ${handled} of ${subject.accepted.length} messages`)
  const lost = subject.accepted.length - handled - (drops.crashed ?? 0) - (drops.stopped ?? 0)
  if (resting && phase === 'running' && lost > 0) throw new Error(`${subject.path} has lost ${lost} of ${subject.accepted.length} messages`)
}
