import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { asText } from '../json.js'
import type { Json } from '../json.js'

type JsonObject = { readonly [key: string]: Json }
/** An event line of the node (docs/stdio.md): `event`, `at` (ms since the epoch), and its fields. */
export type NodeLine = JsonObject & { readonly event: string; readonly at: number }

/** The node refused a command: its `code` and message. */
export class NodeCommandError extends Error {
  override readonly name = 'NodeCommandError'
  constructor(readonly code: string, message: string) { super(message) }
}

const MAIN = fileURLToPath(new URL('../../main.js', import.meta.url))
const COMMAND_WITHIN = 40_000
const START_WITHIN = 30_000
const STOP_WITHIN = 30_000

/** A node in a process of its own, spoken to as any program would: `run --stdio`. */
export class NodeProcess {
  #nextId = 1
  readonly #waiting = new Map<number, { resolve: (result: JsonObject) => void; reject: (error: Error) => void; timer: NodeJS.Timeout }>()
  readonly #exited: Promise<number | null>
  #lastLog: string[] = []
  /** Where others reach it; known once it is ready. */
  address = ''
  peerId = ''

  private constructor(readonly name: string, private readonly child: ChildProcessWithoutNullStreams, private readonly onEvent: (line: NodeLine) => void) {
    this.#exited = new Promise(resolve => child.once('exit', code => {
      this.#failAll(new Error(`${name} ended with code ${code}`))
      resolve(code)
    }))
    child.on('error', error => this.#failAll(error))
    child.stdin.on('error', error => this.#failAll(error))
    createInterface({ input: child.stdout }).on('line', line => this.#take(line))
    createInterface({ input: child.stderr }).on('line', line => { this.#lastLog = [...this.#lastLog.slice(-19), line] })
  }

  /** The last lines of its log, for when something went wrong. */
  get lastLog(): readonly string[] { return this.#lastLog }

  /** Starts a node and waits until it listens. */
  static async start(name: string, args: readonly string[], onEvent: (line: NodeLine) => void): Promise<NodeProcess> {
    const child = spawn(process.execPath, [MAIN, 'run', '--stdio', ...args], { stdio: 'pipe' })
    const { promise: ready, resolve, reject } = deferred<NodeLine>()
    const node = new NodeProcess(name, child, line => {
      if (line.event === 'ready') resolve(line)
      onEvent(line)
    })
    const timer = setTimeout(() => reject(new Error(`${name} was not ready within ${START_WITHIN} ms`)), START_WITHIN)
    void node.#exited.then(code => reject(new Error(`${name} ended with code ${code}:\n${node.lastLog.join('\n')}`)))
    try {
      const { peerId, addresses } = await ready
      node.peerId = asText(peerId)
      node.address = asText((addresses as readonly Json[])[0])
      return node
    } catch (error) {
      child.kill('SIGKILL')
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  /** One command, and its answer. @throws NodeCommandError */
  async call(cmd: string, fields: JsonObject = {}): Promise<JsonObject> {
    const id = this.#nextId++
    const { promise, resolve, reject } = deferred<JsonObject>()
    const timer = setTimeout(() => {
      this.#waiting.delete(id)
      reject(new Error(`${this.name} did not answer ${cmd} within ${COMMAND_WITHIN} ms`))
    }, COMMAND_WITHIN)
    this.#waiting.set(id, { resolve, reject, timer })
    this.child.stdin.write(`${JSON.stringify({ ...fields, cmd, id })}\n`)
    return promise
  }

  /** Ends it by the end of its input, as a parent that goes away would. */
  async stop(): Promise<void> {
    this.child.stdin.end()
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_WITHIN)
    await this.#exited
    clearTimeout(timer)
  }

  kill(): void { this.child.kill('SIGKILL') }

  #take(text: string): void {
    const line = JSON.parse(text) as JsonObject
    if (typeof line['event'] === 'string') {
      this.onEvent(line as NodeLine)
      return
    }
    const id = Number(line['id'])
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    clearTimeout(waiting.timer)
    const error = line['error'] as JsonObject | undefined
    if (error === undefined) waiting.resolve(line['result'] as JsonObject)
    else waiting.reject(new NodeCommandError(asText(error['code']), `${this.name}: ${asText(error['message'])}`))
  }

  #failAll(error: Error): void {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer)
      reject(error)
    }
    this.#waiting.clear()
  }
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let resolve!: (value: T) => void
  let reject!: (error: Error) => void
  const promise = new Promise<T>((yes, no) => { resolve = yes; reject = no })
  return { promise, resolve, reject }
}
