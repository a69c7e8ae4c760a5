import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { started } from '../setup/registry.js'
import { realTransports } from '../support/transport.js'
import { until } from '../support/until.js'
import { wrongWith } from './documented.js'

export const MAIN = fileURLToPath(new URL('../../src/main.js', import.meta.url))

export interface Exit { readonly code: number | null; readonly signal: NodeJS.Signals | null }
export type Line = { readonly [key: string]: unknown }

/** The command line in a process of its own. */
export class Program {
  readonly child: ChildProcess
  readonly exit: Promise<Exit>
  readonly stdout: string[] = []
  stderr = ''
  #exited: Exit | undefined

  /** @param onLine whole lines of standard output; left out: they are kept in `stdout` */
  constructor(
    readonly args: readonly string[],
    { onLine, read = true, env = {} }: { onLine?: (line: string) => void; read?: boolean; env?: NodeJS.ProcessEnv } = {},
  ) {
    this.child = spawn(process.execPath, [MAIN, ...args], { stdio: 'pipe', env: { ...process.env, ...env } })
    this.child.stdin!.on('error', () => undefined)
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = `${this.stderr}${text}`.slice(-20_000)
    })
    // 'close': everything that it said has been read; a child whose output is not read never gets there.
    this.exit = new Promise(resolve =>
      this.child.once(read ? 'close' : 'exit', (code: number | null, signal: NodeJS.Signals | null) => {
        this.#exited = { code, signal }
        resolve(this.#exited)
      }),
    )
    if (read)
      this.read(
        onLine ??
          (line => {
            this.stdout.push(line)
          }),
      )
    started(() => {
      if (this.exited !== undefined) return
      // Also one that a test has stopped, or whose output nobody reads.
      this.child.kill('SIGCONT')
      this.child.kill('SIGKILL')
      this.child.stdout!.destroy()
    })
  }

  read(onLine: (line: string) => void): void {
    createInterface({ input: this.child.stdout! }).on('line', onLine)
  }
  get exited(): Exit | undefined {
    return this.#exited
  }
  get tail(): string {
    const state = this.exited === undefined ? 'still runs' : JSON.stringify(this.exited)
    return `${MAIN} ${this.args.join(' ')}\n${state}\n${this.stderr.slice(-3_000)}`
  }

  /** The exit, or an error that shows what it said last. */
  async exits(): Promise<Exit> {
    await until(() => this.exited, 'exit').catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.tail}`)
    })
    return this.exit
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }
}

/** A node behind `run --stdio`, spoken to in JSON lines; every line that it says is held against docs/stdio.md. */
export class StdioNode {
  readonly events: Line[] = []
  readonly answers: Line[] = []
  readonly wrong: string[] = []
  readonly #asked = new Map<string, string>()
  readonly program: Program
  #next = 1

  constructor(args: readonly string[], { read = true }: { read?: boolean } = {}) {
    this.program = new Program(['run', '--stdio', '--listen', '/ip4/127.0.0.1/tcp/0', ...args.includes('--data-dir') ? [] : ['--in-memory'], ...args], {
      read,
      onLine: line => {
        this.#take(line)
      },
    })
  }

  static async start(args: readonly string[]): Promise<StdioNode> {
    const node = new StdioNode(args)
    await node.event('ready')
    return node
  }

  get address(): string { return (this.events[0]!['addresses'] as string[])[0]! }
  get peerId(): string { return String(this.events[0]!['peerId']) }

  /** Its peer id as another one, that is connected to it alone, knows it. */
  peerIdOf(other: StdioNode): string { return String(other.of('peerReady')[0]!['peer']) }

  readNow(): void { this.program.read(line => { this.#take(line) }) }

  write(text: string | Uint8Array): void { this.program.child.stdin!.write(text) }
  end(): void { this.program.child.stdin!.end() }

  /** Sends a command without waiting; gives its id. */
  send(cmd: string, fields: Line = {}): string {
    const id = `${cmd}-${this.#next++}`
    this.#asked.set(id, cmd)
    this.write(`${JSON.stringify({ cmd, id, ...fields })}\n`)
    return id
  }

  async answer(id: unknown): Promise<Line> {
    return this.#until(
      () => this.answers.find(answer => JSON.stringify(answer['id']) === JSON.stringify(id)),
      `the answer to ${JSON.stringify(id)}`,
    )
  }

  /** The result of a command, or an error with its code. */
  async call(cmd: string, fields: Line = {}): Promise<Line> {
    const { result, error } = await this.answer(this.send(cmd, fields))
    if (error !== undefined) throw Object.assign(new Error(`${cmd}: ${JSON.stringify(error)}`), error)
    return result as Line
  }

  /** The error that a command gets. */
  async refusal(cmd: string, fields: Line = {}): Promise<Line> {
    const { error, result } = await this.answer(this.send(cmd, fields))
    if (error === undefined) throw new Error(`${cmd} succeeded: ${JSON.stringify(result)}`)
    return error as Line
  }

  async event(name: string, which: (line: Line) => boolean = () => true): Promise<Line> {
    return this.#until(() => this.events.find(line => line['event'] === name && which(line)), `the event ${name}`)
  }

  of(name: string): readonly Line[] { return this.events.filter(line => line['event'] === name) }

  async #until<T>(condition: () => T | undefined | Promise<T | undefined>, what: string): Promise<T> {
    const gone = (): never => { throw new Error('it ended') }
    return until(async () => await condition() ?? (this.program.exited === undefined ? undefined : gone()), what)
      .catch((error: unknown) => { throw new Error(`${what}: ${String(error)}\n${this.program.tail}`) })
  }

  #take(text: string): void {
    let line: Line
    try {
      line = JSON.parse(text) as Line
    } catch {
      this.wrong.push(`no JSON: ${text.slice(0, 200)}`)
      return
    }
    this.wrong.push(...wrongWith(line, this.#asked.get(String(line['id']))))
    if (typeof line['event'] === 'string') this.events.push(line)
    else this.answers.push(line)
  }
}

/** A suite of real processes over real TCP on loopback; skipped, and said so, with REAL_TRANSPORT_TEST=0. */
export function describeProcesses(title: string, suite: (this: Mocha.Suite) => void): void {
  if (!realTransports) {
    describe(title, () => { it.skip('skipped: REAL_TRANSPORT_TEST=0 turns off what needs real sockets') })
    return
  }
  describe(title, suite)
}

export interface Ran { readonly code: number | null; readonly out: string; readonly err: string }

/** The command line from beginning to end, with this on its standard input. */
export async function ran(args: readonly string[], input = ''): Promise<Ran> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: 'pipe' })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => { out += String(chunk) })
  child.stderr.on('data', (chunk: Buffer) => { err += String(chunk) })
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  return new Promise(resolve => { child.on('close', code => { resolve({ code, out, err }) }) })
}
