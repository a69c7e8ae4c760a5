import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { createInterface } from 'node:readline'
import { asText } from '../../src/operate/json.js'
import type { Json, JsonObject } from '../../src/operate/json.js'

/** An event line (docs/stdio.md): `event`, `at` (ms since the epoch), and its fields. */
export type Line = JsonObject & { readonly event: string; readonly at: number }

/** The process answered a command with an error. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  constructor(readonly code: string, message: string) { super(message) }
}

const START_WITHIN = 60_000
const COMMAND_WITHIN = 60_000
/** Then it is killed: exchanges are drained for 15 s at most. */
const STOP_WITHIN = 25_000
const KEPT_LOG_LINES = 20

interface Waiting {
  readonly resolve: (result: JsonObject) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/** A node in a process of its own that speaks JSON lines: ours (`run --stdio`) and the Rust peer alike. It ends with its input. */
export class LineProcess {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1
  #alive = true
  #log: readonly string[] = []
  /** How it ended, e.g. `exit code 1` or `SIGKILL`. */
  readonly exited: Promise<string>
  /** Where others reach it, and who it is; known once it is ready. */
  address = ''
  peerId = ''

  constructor(readonly name: string, command: string, args: readonly string[], onEvent: (line: Line) => void) {
    this.#child = spawn(command, args, { stdio: 'pipe' })
    this.exited = new Promise(resolve => {
      const end = (how: string): void => {
        this.#alive = false
        this.#failAll(new Error(`${name} ended: ${how}\n${this.#log.join('\n')}`))
        resolve(how)
      }
      this.#child.once('exit', (code, signal) => { end(signal ?? `exit code ${code}`) })
      this.#child.once('error', error => { end(error.message) })
    })
    this.#child.stdin.on('error', error => { this.#failAll(error) })
    createInterface({ input: this.#child.stdout }).on('line', line => { this.#take(line, onEvent) })
    createInterface({ input: this.#child.stderr }).on('line', line => { this.#log = [...this.#log.slice(1 - KEPT_LOG_LINES), line] })
  }

  get alive(): boolean { return this.#alive }
  /** The last lines of its log, for when something went wrong. */
  get lastLog(): readonly string[] { return this.#log }

  /** Resolves when it listens. */
  async ready(): Promise<void> {
    const { peerId, addresses } = await this.#wait(0, 'start', START_WITHIN)
    this.peerId = asText(peerId)
    this.address = asText((addresses as readonly Json[])[0])
  }

  /** One command, and its answer. @throws CommandError */
  async call(cmd: string, fields: JsonObject = {}, within = COMMAND_WITHIN): Promise<JsonObject> {
    const id = this.#nextId++
    const answer = this.#wait(id, cmd, within)
    if (this.#alive) this.#child.stdin.write(`${JSON.stringify({ ...fields, cmd, id })}\n`)
    else this.#failAll(new Error(`${this.name} has ended`))
    return answer
  }

  /** Ends it as a parent that goes away would; gives how it ended. */
  async stop(): Promise<string> {
    this.#child.stdin.end()
    const timer = setTimeout(() => { this.kill() }, STOP_WITHIN)
    const how = await this.exited
    clearTimeout(timer)
    return how
  }

  kill(): void { this.#child.kill('SIGKILL') }

  async #wait(id: number, what: string, ms: number): Promise<JsonObject> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new Error(`${this.name} did not answer ${what} within ${ms} ms`))
      }, ms)
      this.#waiting.set(id, { resolve, reject, timer })
    })
  }

  #take(text: string, onEvent: (line: Line) => void): void {
    const line = JSON.parse(text) as JsonObject
    if (typeof line['event'] === 'string') {
      if (line['event'] === 'ready') this.#settle(0, ({ resolve }) => { resolve(line) })
      onEvent(line as Line)
      return
    }
    this.#settle(Number(line['id']), ({ resolve, reject }) => {
      const error = line['error'] as JsonObject | undefined
      if (error === undefined) resolve(line['result'] as JsonObject)
      else reject(new CommandError(asText(error['code']), `${this.name}: ${asText(error['message'])}`))
    })
  }

  #settle(id: number, how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    clearTimeout(waiting.timer)
    how(waiting)
  }

  #failAll(error: Error): void {
    for (const id of [...this.#waiting.keys()]) this.#settle(id, ({ reject }) => { reject(error) })
  }
}
