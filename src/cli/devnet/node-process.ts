import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { asText } from '../../operate/json.js'
import type { Json, JsonObject } from '../../operate/json.js'

/** An event line of the node (docs/stdio.md): `event`, `at` (ms since the epoch), and its fields. */
export type NodeLine = JsonObject & { readonly event: string; readonly at: number }

/** The node refused a command: its `code` and message. */
export class NodeCommandError extends Error {
  override readonly name = 'NodeCommandError'
  constructor(readonly code: string, message: string) { super(message) }
}

const MAIN = fileURLToPath(new URL('../../main.js', import.meta.url))
const COMMAND_WITHIN = 120_000
const START_WITHIN = 180_000
/** Then it is killed. */
const STOP_WITHIN = 30_000
const KEPT_LOG_LINES = 20

interface Waiting {
  readonly resolve: (result: JsonObject) => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

/** A node in a process of its own, spoken to as any program would: `run --stdio`. */
export class NodeProcess {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #onEvent: (line: NodeLine) => void
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1
  #log: readonly string[] = []
  #stopping = false
  #alive = true
  /** How it ended, e.g. `exit code 1` or `SIGKILL`. */
  readonly exited: Promise<string>
  /** Where others reach it, and who it is; known once it is ready. */
  address = ''
  peerId = ''

  /** Starts a process at once; `ready` says when it listens. */
  constructor(readonly name: string, args: readonly string[], onEvent: (line: NodeLine) => void) {
    this.#onEvent = onEvent
    this.#child = spawn(process.execPath, [MAIN, 'run', '--stdio', '--exempt-subnet', '127.0.0.0/8', ...args], { stdio: 'pipe' })
    this.exited = new Promise(resolve => {
      const end = (how: string): void => {
        this.#alive = false
        this.#failAll(new Error(`${name} ended: ${how}`))
        resolve(how)
      }
      this.#child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`))
      this.#child.once('error', error => end(error.message))
    })
    this.#child.stdin.on('error', error => this.#failAll(error))
    createInterface({ input: this.#child.stdout }).on('line', line => this.#take(line))
    createInterface({ input: this.#child.stderr }).on('line', line => {
      this.#log = [...this.#log.slice(1 - KEPT_LOG_LINES), line]
    })
  }

  get pid(): number | undefined { return this.#child.pid }
  get alive(): boolean { return this.#alive }
  /** Whether its end is our doing. */
  get stopping(): boolean { return this.#stopping }
  /** The last lines of its log, for when something went wrong. */
  get lastLog(): readonly string[] { return this.#log }

  /** Resolves when it listens. */
  async ready(): Promise<void> {
    const { peerId, addresses } = await this.#wait(0, 'start', START_WITHIN)
    this.peerId = asText(peerId)
    this.address = asText((addresses as readonly Json[])[0])
  }

  /** One command, and its answer within so many ms. @throws NodeCommandError */
  async call(cmd: string, fields: JsonObject = {}, within = COMMAND_WITHIN): Promise<JsonObject> {
    const id = this.#nextId++
    const answer = this.#wait(id, cmd, within)
    if (this.#alive) this.#child.stdin.write(`${JSON.stringify({ ...fields, cmd, id })}\n`)
    else this.#failAll(new Error(`${this.name} has ended`))
    return answer
  }

  /** Ends it by the end of its input, as a parent that goes away would. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#child.stdin.end()
    const timer = setTimeout(() => this.kill(), STOP_WITHIN)
    await this.exited
    clearTimeout(timer)
  }

  kill(): void {
    this.#stopping = true
    this.#child.kill('SIGKILL')
  }

  async #wait(id: number, what: string, ms: number): Promise<JsonObject> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new Error(`${this.name} did not answer ${what} within ${ms} ms`))
      }, ms)
      this.#waiting.set(id, { resolve, reject, timer })
    })
  }

  #take(text: string): void {
    let line: JsonObject
    try {
      line = JSON.parse(text) as JsonObject
    } catch {
      this.#failAll(new Error(`${this.name} wrote what is no JSON: ${text.slice(0, 80)}`))
      return
    }
    if (typeof line['event'] === 'string') {
      if (line['event'] === 'ready') this.#settle(0, ({ resolve }) => resolve(line))
      this.#onEvent(line as NodeLine)
      return
    }
    this.#settle(Number(line['id']), ({ resolve, reject }) => {
      const error = line['error'] as JsonObject | undefined
      if (error === undefined) resolve(line['result'] as JsonObject)
      else reject(new NodeCommandError(asText(error['code']), `${this.name}: ${asText(error['message'])}`))
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
    for (const id of [...this.#waiting.keys()]) this.#settle(id, ({ reject }) => reject(error))
  }
}
