import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import type { RootHookObject } from 'mocha'
import { thorough } from '../support/samples.js'
import { endAll, overlook, tellOfEach, testBegins } from './registry.js'

/** What the command line keeps by default stays here, also of processes that a test starts. */
const data = mkdtempSync(join(tmpdir(), 'data-'))
for (const variable of ['XDG_DATA_HOME', 'LOCALAPPDATA']) process.env[variable] = data
process.once('exit', () => { rmSync(data, { recursive: true, force: true }) })

/**
 * Root hooks, by `--require`: mocha's parallel mode runs them in each of its processes. Whatever a test has started ends with it (registry.ts);
 * what a passing test leaves behind fails its file, by name; a thread that spins ends its process.
 */
const leaks: string[] = []

/** A thread that has not turned for so long is taken for one that never will. */
const SPINS_MS = 180_000

/** Ends this process where a test keeps its event loop from turning: nothing in the thread itself could. */
function watchLoop(): void {
  const beat = new Int32Array(new SharedArrayBuffer(4))
  setInterval(() => { Atomics.add(beat, 0, 1) }, 1_000).unref()
  const watch = new Worker(`
    const { workerData: { beat, limit, pid } } = require('node:worker_threads')
    let [last, since] = [-1, performance.now()]
    setInterval(() => {
      const now = Atomics.load(beat, 0)
      if (now !== last) { last = now; since = performance.now(); return }
      if (performance.now() - since < limit) return
      require('node:fs').writeSync(2, 'a test has kept the event loop of process ' + pid + ' from turning for ' + limit / 1000 + ' s\\n')
      process.kill(pid, 'SIGKILL')
    }, 1000)
  `, { eval: true, workerData: { beat, limit: SPINS_MS, pid: process.pid } })
  watch.unref()
  overlook(watch)
}

// For as long as the process lives; a test that counts threads leaves it out (`isOverlooked`).
watchLoop()

// An ordinary run draws the same samples everywhere; one in full draws new ones. TEST_SEED repeats one.
const seed = process.env['TEST_SEED'] ?? (thorough ? undefined : '1')
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) })

/** Of the test that runs, or ran last. */
let file = ''
let title = ''
/** Whether a test of this file has failed. It had no time to tidy up: one failure is enough. */
let failed = false

/**
 * What nobody handles fails its file. While tests run, mocha's parallel mode hears of errors but not of rejections. Between two files it does
 * not listen at all: the process would end, with all that is still to run there. Then it is the next file that fails.
 */
function hearDuringTests(): void {
  process.setUncaughtExceptionCaptureCallback(null)
  process.on('unhandledRejection', error => { report([`a rejection that nobody handled, in "${title}": ${stackOf(error)}`]) })
}

function hearBetweenFiles(): void {
  process.setUncaughtExceptionCaptureCallback(error => {
    const line = `an error outside of any test, after "${title}": ${stackOf(error)}`
    console.error(line)
    leaks.push(line)
  })
}

const stackOf = (error: unknown): string => error instanceof Error ? error.stack ?? error.message : String(error)

function report(lines: readonly string[]): void {
  if (!failed) leaks.push(...lines)
  else if (lines.length > 0) console.error(lines.join('\n'))
}

export const mochaHooks: RootHookObject = {
  // Not when this file is loaded: the process that only hands out the files loads it too.
  beforeAll() {
    hearDuringTests()
    if (process.env['TEST_UNIT'] !== '1') return
    tellOfEach(what => { if (leaks.length === 0) leaks.push(`${file}: ${what}: a unit test starts none; list its file in scripts/test.js among those that do`) })
  },
  beforeEach(this: Mocha.Context) {
    file = this.currentTest?.file ?? file
    title = this.currentTest?.fullTitle() ?? ''
    testBegins()
  },
  async afterEach(this: Mocha.Context) {
    const left = await endAll('test')
    const { currentTest } = this
    if (currentTest?.state === 'failed') failed = true
    if (left.length === 0 || currentTest === undefined) return
    const lines = left.map(what => `left by "${currentTest.fullTitle()}": ${what}`)
    report(lines)
  },
  async afterAll(this: Mocha.Context) {
    report((await endAll('suite')).map(what => `left by a suite: ${what}`))
    failed = false
    hearBetweenFiles()
    if (leaks.length > 0) throw new Error(leaks.splice(0).join('\n'))
  },
}
