import { rm } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import type { Remote } from 'comlink'
import { wrap } from 'comlink'
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs'
import type { EngineName, Tuning } from './engine.js'
import type { EngineThread } from './thread.js'
import { commitments, txLists } from './work.js'

/**
 * One scenario with one engine, in a process of its own because some of them end it. Reports as JSON lines on stdout as it
 * goes, so that what was seen before an abort is not lost: `fault-child.js SCENARIO ENGINE FOLDER [BALLAST] [TUNING]`.
 */
const [scenario, engineArgument, folder = '', ballast = '', tuningJson = '{}'] = process.argv.slice(2)
const engine = engineArgument as EngineName
const tuning = JSON.parse(tuningJson) as Tuning
const BATCH = 64
/** Gives up on a disk that does not fill. */
const MOST_COMMITS = 4_000

const report = (line: Readonly<Record<string, unknown>>) => { process.stdout.write(`${JSON.stringify(line)}\n`) }
process.on('unhandledRejection', (error) => { report({ unhandled: String(error) }) })

interface Running { readonly worker: Worker; readonly thread: Remote<EngineThread> }

async function start(): Promise<Running> {
  const worker = new Worker(new URL('./thread.js', import.meta.url))
  worker.on('error', (error: Error) => { report({ threadError: error.message }) })
  worker.on('message', (message: unknown) => {
    if (typeof message === 'object' && message !== null && 'unhandledInThread' in message) report({ ...message })
  })
  const thread = wrap<EngineThread>(nodeEndpoint(worker))
  await within(10_000, thread.open(engine, folder, tuning))
  return { worker, thread }
}

/** A call to a thread that died never settles. */
function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => { timer = setTimeout(() => { reject(new Error(`no answer in ${ms} ms`)) }, ms) })
  return Promise.race([work, late]).finally(() => { clearTimeout(timer) })
}

/** Every batch written, by its first height, with its bytes to compare. */
const acknowledged = new Map<number, Uint8Array>()
let height = 0

async function writeOne(running: Running): Promise<void> {
  const packed = commitments(height, BATCH)
  const first = height
  height += BATCH
  await within(10_000, running.thread.commit(first, packed))
  acknowledged.set(first, packed)
  if (first % (16 * BATCH) === 0) await within(10_000, running.thread.putTxLists(txLists(1, 200_000), 200_000))
}

async function writeUntilFailure(running: Running): Promise<string> {
  for (let count = 0; count < MOST_COMMITS; count++) {
    try {
      await writeOne(running)
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
  return 'never failed'
}

/** Of the acknowledged batches, how many are there byte for byte. */
async function intact(running: Running): Promise<{ readonly acknowledged: number; readonly lost: number }> {
  let lost = 0
  for (const [first, packed] of acknowledged) {
    const found = await running.thread.scan(first, BATCH).catch(() => new Uint8Array())
    if (Buffer.compare(found, packed) !== 0) lost++
  }
  return { acknowledged: acknowledged.size, lost }
}

async function closed(running: Running): Promise<void> {
  await within(5_000, running.thread.close()).catch((error: unknown) => { report({ close: String(error) }) })
  await running.worker.terminate()
}

/** Fills until an error, makes room, goes on writing on the same handle, then opens anew and looks. */
async function fullDisk(): Promise<void> {
  let running = await start()
  report({ failure: await writeUntilFailure(running), commits: acknowledged.size })
  for (let again = 0; again < 3; again++) {
    report({ again: await writeOne(running).then(() => 'ok', (error: unknown) => String(error)) })
  }
  report({ whileFull: await intact(running) })
  if (ballast !== '') await rm(ballast)
  const before = acknowledged.size
  for (let again = 0; again < 20; again++) await writeOne(running).catch(() => undefined)
  report({ sameHandleAfterRoom: acknowledged.size - before })
  await closed(running)
  running = await start()
  report({ reopened: await intact(running) })
  report({ writesAfterReopen: await writeOne(running).then(() => 'ok', (error: unknown) => String(error)) })
  await closed(running)
}

async function fileSizeLimit(): Promise<void> {
  const running = await start()
  report({ failure: await writeUntilFailure(running), commits: acknowledged.size })
  report({ reads: await intact(running) })
  await closed(running)
  report({ survived: true })
}

/** Terminates the thread in the middle of a commit, five times, each followed by a new thread on the same folder. */
async function threadTerminated(): Promise<void> {
  for (let times = 0; times < 5; times++) {
    const running = await start()
    for (let count = 0; count < 10; count++) await writeOne(running)
    const packed = commitments(height, 4_096)
    void running.thread.commit(height, packed).catch(() => undefined)
    height += 4_096
    await new Promise((resolve) => setTimeout(resolve, 3 + times * 3))
    await running.worker.terminate()
  }
  const running = await start()
  report({ reopened: await intact(running) })
  await closed(running)
  report({ survived: true })
}

const scenarios: Readonly<Record<string, () => Promise<void>>> = { fullDisk, fileSizeLimit, threadTerminated }
const chosen = scenarios[scenario ?? '']
if (chosen === undefined) throw new Error(`unknown scenario ${scenario ?? ''}`)
await chosen().catch((error: unknown) => { report({ gaveUp: String(error) }) })
process.exit(0)
