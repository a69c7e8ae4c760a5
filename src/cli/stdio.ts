import { setTimeout as sleep } from 'node:timers/promises'
import type { Readable, Writable } from 'node:stream'
import type { Logger } from '../actors/kernel/index.js'
import { errorToJson } from '../operate/json.js'
import type { Json, JsonObject } from '../operate/json.js'
import { LINE_TOO_LONG, boundedLines } from '../operate/lines.js'
import { eventLine } from '../operate/event-lines.js'
import { named } from '../operate/methods.js'
import { CommandError } from '../operate/parameters.js'
import { sessionCommands } from './stdio-commands.js'
import type { Session, StdioNode } from './stdio-commands.js'
import { commandOf, idOf, parseLine } from './stdio-line.js'
import { LineOutput } from './stdio-output.js'
import { BlockStreams } from './stdio-streams.js'

/** A line's length at most, characters: a txlist of 2 MiB in hex and its frame. */
export const MAX_LINE = 2 * 2_097_152 + 4_096
/** Commands under way at most, and their lines' characters; further lines wait in the pipe. */
const MAX_UNDER_WAY = 64
const MAX_CHARACTERS_UNDER_WAY = 4 * MAX_LINE
/** Limits for the end of a session (H32), ms. */
export interface Patience {
  /** For commands under way after `stop` or a signal. After the end of input each has its own deadline. */
  readonly answers: number
  /** For the reader to take what is left when all is stopped. */
  readonly reader: number
}
const defaultPatience: Patience = { answers: 5_000, reader: 5_000 }

/** Why a session ended. `failed`: a part of the node could not be kept running. */
export type StdioEnd = 'end_of_input' | 'stop' | 'signal' | 'reader_gone' | 'failed'

export interface StdioOptions {
  readonly input: Readable
  readonly output: Writable
  readonly log: Logger
  readonly signal: AbortSignal
  /** Wall time for the `at` of each line, ms since the epoch. */
  readonly now: () => number
  readonly patience?: Patience
}

/**
 * Speaks JSON lines for a program in any language: commands in, answers and events out (docs/stdio.md).
 * 1. `ready` goes out, then commands are read and events are told.
 * 2. Until `stop`, the end of input, the signal, a reader that is gone, or a node that failed.
 * 3. Commands under way are finished and answered, and the node is stopped.
 * 4. Remaining events are written, and `stopped` as the last line.
 */
export async function serveStdio(
  node: StdioNode,
  { input, output, log, signal, now, patience = defaultPatience }: StdioOptions,
): Promise<StdioEnd> {
  // at once: the first who subscribes is told of the start
  const events = node.subscribe()
  const lines = new LineOutput(output, now)
  const ending = new Ending()
  signal.addEventListener(
    'abort',
    () => {
      ending.because('signal')
    },
    { once: true },
  )
  lines.gone.addEventListener(
    'abort',
    () => {
      ending.because('reader_gone')
    },
    { once: true },
  )
  void node.ended.then(({ reason }) => {
    if (reason === 'escalated') ending.because('failed')
  })
  if (signal.aborted) ending.because('signal')

  const ready: JsonObject = { event: 'ready', peerId: node.peerId, addresses: [...(await node.listenAddresses())] }
  void lines.write(() => ready)
  const telling = tellEvents(events, lines, ready, log)
  const session: Session = { node, streams: new BlockStreams(node, lines), ending: ending.signal }
  const underWay = new UnderWay()

  ending.signal.addEventListener(
    'abort',
    () => {
      underWay.wake()
      input.destroy()
    },
    { once: true },
  )
  if (ending.signal.aborted) input.destroy()
  try {
    for await (const line of boundedLines(input, MAX_LINE)) {
      if (ending.signal.aborted) break
      underWay.add(typeof line === 'string' ? line.length : 0, async done => carryOut(session, line, lines, ending, done))
      while (underWay.full && !ending.signal.aborted) await underWay.change()
    }
  } catch (error) {
    if (!ending.signal.aborted) log.error({ error }, 'standard input failed')
  }
  const why = ending.because('end_of_input')

  // After the end of input each command has its own deadline, unless a signal comes now.
  if (why === 'end_of_input' && !signal.aborted) await Promise.race([underWay.done(), aborted(signal)])
  await within(underWay.done(), patience.answers)
  session.streams.endAll()
  await node.stop()
  // Whatever was still under way has failed by now. Only a reader who does not read can hold this up.
  await within(Promise.all([underWay.written(), telling]), patience.reader)
  void lines.write(() => ({ event: 'stopped', reason: why }))
  await within(lines.written, patience.reader)
  return why
}

/**
 * Events as they come. A reader that does not read holds up its own lines and nothing else: the subscription is bounded and
 * says `lagged`.
 */
async function tellEvents(events: ReturnType<StdioNode['subscribe']>, lines: LineOutput, ready: JsonObject, log: Logger): Promise<void> {
  const told = JSON.stringify(ready)
  let first = true
  try {
    for await (const event of events) {
      if (event.type === 'lagged') {
        await lines.write(() => ({ event: 'lagged', count: String(event.count), lane: event.lane }))
        continue
      }
      // The first start is told by `ready`; later ones are restarts of the driver.
      if (event.type === 'started' && first) {
        first = false
        if (JSON.stringify(eventLine(event)) === told) continue
      }
      await lines.write(() => eventLine(event))
    }
  } catch (error) {
    log.error({ error }, 'events ended early')
  }
}

/**
 * Runs one line and writes its answer. An error is the answer; never rejects. `done` is called when only the writing is left.
 */
async function carryOut(
  session: Session,
  line: string | typeof LINE_TOO_LONG,
  lines: LineOutput,
  ending: Ending,
  done: () => void,
): Promise<void> {
  let id: Json = null
  let answer: () => JsonObject
  try {
    if (line === LINE_TOO_LONG)
      throw new CommandError('line_too_long', `a line has at most ${MAX_LINE} characters`, undefined, MAX_LINE)
    const object = parseLine(line)
    id = idOf(object)
    const { cmd, fields } = commandOf(object)
    if (cmd === 'stop') {
      ending.because('stop')
      answer = () => ({ id, result: {} })
    } else {
      const result = await named(sessionCommands, cmd).run(session, fields)
      answer = () => ({ id, result: result() })
    }
  } catch (error) {
    answer = () => ({ id, error: errorToJson(error) })
  }
  done()
  await lines.write(answer).catch(async (error: unknown) => lines.write(() => ({ id, error: errorToJson(error) })))
}

/** The first reason to end, and a signal that is aborted with it. */
class Ending {
  readonly #controller = new AbortController()
  #reason: StdioEnd | undefined

  get signal(): AbortSignal { return this.#controller.signal }
  /** Gives the first one. */
  because(reason: StdioEnd): StdioEnd {
    this.#reason ??= reason
    this.#controller.abort()
    return this.#reason
  }
}

/** Commands that were begun and whose answers are not written yet. */
class UnderWay {
  readonly #running = new Set<Promise<void>>()
  readonly #writing = new Set<Promise<void>>()
  #characters = 0
  #wake: () => void = () => undefined

  get full(): boolean { return this.#writing.size >= MAX_UNDER_WAY || this.#characters >= MAX_CHARACTERS_UNDER_WAY }

  /** @param work calls its argument when it is done but for the writing; never rejects */
  add(characters: number, work: (done: () => void) => Promise<void>): void {
    let done!: () => void
    const running = new Promise<void>(resolve => { done = resolve })
    this.#characters += characters
    this.#running.add(running)
    const writing: Promise<void> = work(() => {
      this.#running.delete(running)
      this.#characters -= characters
      done()
      this.wake()
    }).then(() => {
      this.#writing.delete(writing)
      this.wake()
    })
    this.#writing.add(writing)
  }

  async change(): Promise<void> { return new Promise(resolve => { this.#wake = resolve }) }
  wake(): void { this.#wake() }
  async done(): Promise<void> { await Promise.all(this.#running) }
  async written(): Promise<void> { await Promise.all(this.#writing) }
}

const aborted = async (signal: AbortSignal): Promise<void> =>
  new Promise(resolve => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })

/** Waits for the work, but not for longer than `ms`. */
async function within(work: Promise<unknown>, ms: number): Promise<void> {
  const over = new AbortController()
  await Promise.race([work, sleep(ms, undefined, { signal: over.signal }).catch(() => undefined)])
  over.abort()
}
