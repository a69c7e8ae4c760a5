import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { constants, setPriority } from 'node:os'
import { TXLIST } from './blocks.js'
import { nowMs } from './clock.js'
import type { Command, NodeApi, NodeOptions, Reply, Role, Started } from './wire.js'

const SCRIPT = new URL('./node-process.js', import.meta.url)

/** How long a command may take, ms. */
const WITHIN = 120_000
/** How long a process may take to end, ms. */
const END_WITHIN = 10_000

type Argument<C extends Command> = Parameters<NodeApi[C]>[0]
type Value<C extends Command> = Awaited<ReturnType<NodeApi[C]>>

interface Waiting { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }

/** A node in a process of its own, and how to ask it. */
export class BenchNode {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  #next = 0
  readonly #ended: Promise<void>
  #started: Started | undefined
  /** When its process was asked for. */
  readonly forkedMs = nowMs()

  private constructor(readonly role: Role, execArgv: readonly string[]) {
    this.#child = fork(SCRIPT, [role], { serialization: 'advanced', execArgv: [...execArgv] })
    this.#child.on('message', (reply: Reply) => {
      const waiting = this.#waiting.get(reply.id)
      this.#waiting.delete(reply.id)
      if ('error' in reply) waiting?.reject(new Error(`${role}: ${reply.error}`))
      else waiting?.resolve(reply.value)
    })
    this.#ended = new Promise(resolve => {
      this.#child.on('exit', (code, signal) => {
        for (const { reject } of this.#waiting.values()) reject(new Error(`the ${role} process ended (${code ?? signal})`))
        this.#waiting.clear()
        resolve()
      })
    })
  }

  /** Forks and starts one. `execArgv`: such as `--cpu-prof`. */
  static async start(role: Role, options: NodeOptions = {}, execArgv: readonly string[] = ['--expose-gc']): Promise<BenchNode> {
    const node = new BenchNode(role, execArgv)
    node.#started = await node.ask('start', options)
    return node
  }

  get started(): Started {
    if (this.#started === undefined) throw new Error('the node has not started')
    return this.#started
  }
  get peerId(): string { return this.started.peerId }
  get address(): string { return this.started.address }

  ask<C extends Command>(command: C, ...[argument, options]: Argument<C> extends undefined ? [] : [Argument<C>, { readonly withinMs: number }?]): Promise<Value<C>> {
    const id = this.#next++
    return new Promise<Value<C>>((resolve, reject) => {
      const ms = options?.withinMs ?? WITHIN
      const timer = setTimeout(() => { this.#waiting.delete(id); reject(new Error(`${this.role}: no answer to ${command} within ${ms} ms`)) }, ms)
      this.#waiting.set(id, {
        resolve: value => { clearTimeout(timer); resolve(value as Value<C>) },
        reject: error => { clearTimeout(timer); reject(error) },
      })
      this.#child.send({ id, command, argument })
    })
  }

  /** It gets what the others leave of the cores: one that stands for a machine elsewhere, whose work is not to be theirs. */
  yieldCores(): void {
    if (this.#child.pid !== undefined) setPriority(this.#child.pid, constants.priority.PRIORITY_LOW)
  }

  async stop(): Promise<void> {
    const killer = setTimeout(() => { this.#child.kill('SIGKILL') }, END_WITHIN)
    await this.ask('stop').catch(() => undefined)
    await this.#ended
    clearTimeout(killer)
  }
}

/** The nodes of a bench, stopped together whatever happens. */
export class Nodes {
  readonly #nodes = new Set<BenchNode>()

  async start(role: Role, options?: NodeOptions, execArgv?: readonly string[]): Promise<BenchNode> {
    const node = await BenchNode.start(role, options, execArgv)
    this.#nodes.add(node)
    return node
  }

  async stop(node: BenchNode): Promise<void> {
    this.#nodes.delete(node)
    await node.stop()
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#nodes].map(async node => this.stop(node)))
  }
}

/** Sends the txlist that all blocks name, and gives it time to get through. */
export async function sendTxList(from: BenchNode): Promise<void> {
  await from.ask('publish', { topic: 'txLists', messages: [TXLIST] })
  await new Promise(resolve => { setTimeout(resolve, 200) })
}

/** Nodes in a line: each dials the one before it, and all are in each other's mesh. */
export async function inLine(nodes: readonly BenchNode[]): Promise<void> {
  for (const [at, node] of nodes.entries()) {
    const before = nodes[at - 1]
    if (before !== undefined) await node.ask('dial', before.address)
  }
  await Promise.all(nodes.map(async (node, at) => node.ask('meshed', at === 0 || at === nodes.length - 1 ? 1 : 2)))
}
