import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import type { Logger } from '../actors/kernel/index.js'
import type { P2pService } from '../actors/service/index.js'
import { errorToJson, toJson } from './json.js'
import type { Json } from './json.js'
import { LINE_TOO_LONG, boundedLines } from './lines.js'
import { CommandError, Fields, commands, parseCommandLine } from './stdio-commands.js'
import { eventLine } from './stdio-events.js'

/** A line's length at most, characters: a txlist of 2 MiB in hex and its frame. */
const MAX_LINE = 2 * 2_097_152 + 4_096
/** Commands under way at most; further lines wait in the pipe. */
const MAX_UNDER_WAY = 64

interface StdioOptions {
  readonly input: Readable
  readonly output: Writable
  readonly log: Logger
  /** Ends the session as the end of input does. */
  readonly signal: AbortSignal
  /** Wall time for the `at` of each line, ms since the epoch. */
  readonly now: () => number
}

/**
 * Speaks JSON lines for a program in any language: commands in, answers and events out (docs/stdio.md). Resolves after `stop`, the
 * end of input, or the signal, when every command under way is answered. Stopping the node is the caller's.
 */
export async function serveStdio(service: P2pService, { input, output, log, signal, now }: StdioOptions): Promise<void> {
  const ended = new AbortController()
  const end = () => { ended.abort() }
  if (signal.aborted) end()
  signal.addEventListener('abort', end, { once: true })
  const write = lineWriter(output, now)

  // A reader that does not read holds up its own lines and nothing else: the subscription behind it is bounded and says `lagged`.
  const events = (async () => {
    for await (const event of service.subscribe({ signal: ended.signal })) {
      await write(event.type === 'lagged' ? { event: 'lagged', count: event.count } : eventLine(event))
    }
  })()

  const underWay = new Set<Promise<void>>()
  ended.signal.addEventListener('abort', () => { input.destroy() }, { once: true })
  try {
    for await (const line of boundedLines(input, MAX_LINE)) {
      if (line !== LINE_TOO_LONG && line.trim() === '') continue
      const command = answer(service, line, end).then(write).finally(() => underWay.delete(command))
      underWay.add(command)
      if (underWay.size >= MAX_UNDER_WAY) await Promise.race(underWay)
    }
  } catch (error) {
    if (!ended.signal.aborted) log.error({ error }, 'standard input failed')
  }
  await Promise.allSettled(underWay)
  end()
  await events.catch((error: unknown) => { log.warn({ error }, 'events ended early') })
}

/** Carries one line out. Whatever goes wrong is its answer. */
async function answer(service: P2pService, line: string | typeof LINE_TOO_LONG, end: () => void): Promise<{ readonly [key: string]: Json }> {
  let id: Json = null
  try {
    if (line === LINE_TOO_LONG) throw new CommandError('line_too_long', `a line has at most ${MAX_LINE} characters`)
    const command = parseCommandLine(line)
    id = toJson(command.id)
    if (command.cmd === 'stop') {
      end()
      return { id, result: {} }
    }
    const run = Object.hasOwn(commands, command.cmd) ? commands[command.cmd] : undefined
    if (run === undefined) throw new CommandError('unknown_command', `there is no command "${command.cmd.slice(0, 80)}"`, command.cmd.slice(0, 80))
    return { id, result: toJson(await run(service, new Fields(command.fields))) }
  } catch (error) {
    return { id, error: errorToJson(error) }
  }
}

/** Writes lines whole, one after the other, and waits where the reader is slow. Lines after the reader has gone are dropped. */
function lineWriter(output: Writable, now: () => number): (line: { readonly [key: string]: Json }) => Promise<void> {
  let gone = false
  output.once('error', () => { gone = true })
  return async line => {
    if (gone || output.destroyed) return
    if (!output.write(`${JSON.stringify({ ...line, at: now() })}\n`)) await once(output, 'drain').catch(() => { gone = true })
  }
}
