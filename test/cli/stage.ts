import { PassThrough } from 'node:stream'
import { Broadcast, silentLogger } from '../../src/actors/kernel/index.js'
import type { NetworkEvent, StreamItem } from '../../src/index.js'
import type { StdioNode } from '../../src/cli/stdio-commands.js'
import { serveStdio } from '../../src/cli/stdio.js'
import type { StdioEnd } from '../../src/cli/stdio.js'
import { until } from '../support/until.js'
import type { Line } from './process.js'

export const HASH = new Uint8Array(32).fill(7)

/** A node that answers what the test says, and a session of it over streams in memory. */
export class Stage {
  readonly broadcast = new Broadcast<NetworkEvent>({ capacity: 8 })
  readonly input = new PassThrough()
  readonly output = new PassThrough({ highWaterMark: 1_024 })
  readonly lines: Line[] = []
  readonly calls: string[] = []
  readonly abort = new AbortController()
  stops = 0
  terminate!: (how: Awaited<StdioNode['ended']>) => void
  items: StreamItem[] = []
  ended: StdioEnd | undefined
  session: Promise<StdioEnd> | undefined
  readonly node: StdioNode

  constructor(answers: Partial<StdioNode> = {}) {
    const refuse = async (): Promise<never> => {
      throw new Error('not on this stage')
    }
    this.node = {
      peerId: 'peer-of-ours',
      chainId: 167_000n,
      outlook: { signing: refuse, upcoming: refuse, windows: refuse, ourWindowWithin: refuse },
      discoveryTable: refuse,
      describe: () => { throw new Error('not on this stage') },
      ended: new Promise(resolve => {
        this.terminate = resolve
      }),
      listenAddresses: async () => ['/memory/1/p2p/peer-of-ours'],
      subscribe: options => this.broadcast.subscribe(options),
      stop: async () => {
        this.stops++
        this.broadcast.close()
      },
      blocks: () => this.blocks(),
      head: async () => ({ blockNumber: 5n, submissionWindowEnd: 6n }),
      publishCommitment: refuse,
      publishTxList: refuse,
      requestHead: refuse,
      requestCommitments: refuse,
      requestTxList: refuse,
      updateHead: () => undefined,
      confirm: refuse,
      rewind: refuse,
      storedCommitments: refuse,
      storedTxList: async () => undefined,
      dial: refuse,
      hangUp: refuse,
      peers: async () => [],
      enr: async () => undefined,
      addBootnode: refuse,
      access: {
        block: refuse, unblock: refuse, protect: refuse, unprotect: refuse, lists: refuse, ban: refuse, liftBan: refuse, bans: refuse, standing: refuse,
        standings: refuse,
      },
      health: refuse,
      figures: refuse,
      reinstate: refuse,
      evidence: async () => [],
      sync: async () => ({ outcome: 'no_peers', code: undefined, from: 1n, to: 0n, blocks: 0, ms: 1.5 }),
      ...answers,
    }
  }

  async *blocks(): AsyncGenerator<StreamItem, void, undefined> {
    yield* this.items
  }

  start({ read = true } = {}): this {
    if (read) this.read()
    this.session = serveStdio(this.node, {
      input: this.input,
      output: this.output,
      log: silentLogger,
      signal: this.abort.signal,
      now: () => 1,
      patience: { answers: 200, reader: 200 },
    })
    void this.session.then(why => {
      this.ended = why
    })
    return this
  }

  read(): void {
    let text = ''
    this.output.setEncoding('utf8').on('data', (chunk: string) => {
      const parts = `${text}${chunk}`.split('\n')
      text = parts.pop()!
      this.lines.push(...parts.map(part => JSON.parse(part) as Line))
    })
  }

  say(...lines: (string | object)[]): void {
    for (const line of lines) this.input.write(`${typeof line === 'string' ? line : JSON.stringify(line)}\n`)
  }
  async line(which: (line: Line) => boolean, what: string): Promise<Line> {
    return until(() => this.lines.find(which), `${what} in ${JSON.stringify(this.lines).slice(0, 2_000)}`, 5_000)
  }
  async answer(id: unknown): Promise<Line> {
    return this.line(line => line['id'] === id && line['event'] === undefined, `answer ${String(id)}`)
  }
  names(): unknown[] {
    return this.lines.map(line => line['event'] ?? line['id'])
  }
}

export const head = (blockNumber: bigint): NetworkEvent => ({
  type: 'head',
  head: { blockNumber, submissionWindowEnd: 1n },
  hash: HASH,
})

/** Turns of the event loop. */
export async function turn(times = 1): Promise<void> {
  for (let time = 0; time < times; time++) await new Promise(resolve => { setImmediate(resolve) })
}

/** A promise and what settles it. */
export function gate<T>(): { readonly promise: Promise<T>; readonly open: (value: T) => void } {
  let open!: (value: T) => void
  return { promise: new Promise<T>(resolve => { open = resolve }), open }
}
