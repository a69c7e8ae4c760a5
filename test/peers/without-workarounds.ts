import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../support/until.js'
import { asText } from '../../src/cli/json.js'
import { Blocks, TIP } from './blocks.js'
import type { Block } from './blocks.js'
import type { Line } from './line-process.js'
import { OurNode, RustPeer, meshed } from './nodes.js'
import type { Peer } from './nodes.js'
import { SlowLink } from './slow-link.js'
import type { Workaround } from './without/hooks.js'

/** What became of the same scenario with a work-around and without it. */
export interface Comparison {
  readonly row: string
  readonly what: string
  readonly withIt: string
  readonly withoutIt: string
  /** It goes well with the work-around, and not without it. */
  readonly matters: boolean
}

interface Outcome { readonly well: boolean; readonly found: string }

interface Scenario {
  readonly row: string
  readonly workaround: Workaround
  readonly what: string
  run(stage: Stage): Promise<Outcome>
}

/** The processes of one scenario, ended whatever happens. */
class Stage {
  readonly #peers: Peer[] = []
  readonly #links: SlowLink[] = []
  readonly blocks: Blocks
  private constructor(private readonly program: string, private readonly without: Workaround | undefined, blocks: Blocks) { this.blocks = blocks }

  static async run(program: string, scenario: Scenario, without: Workaround | undefined): Promise<Outcome> {
    const stage = new Stage(program, without, await Blocks.create())
    try {
      return await scenario.run(stage)
    } finally {
      await Promise.all(stage.#peers.map(async peer => peer.stop()))
      for (const link of stage.#links) link.close()
    }
  }

  async ours(name: string): Promise<OurNode> {
    const { without } = this
    return this.#add(new OurNode(name, { confirmedTip: TIP, ...without === undefined ? {} : { without } }))
  }

  async rust(name: string, onLine: (line: Line) => void = () => undefined): Promise<RustPeer> {
    return this.#add(new RustPeer(name, this.program, (_, line) => { onLine(line) }))
  }

  /** The address of a peer through a link that takes its time. */
  async slowLink(to: Peer, delay: number): Promise<string> {
    const link = await SlowLink.to(to.address, delay)
    this.#links.push(link)
    return link.address
  }

  async #add<T extends Peer>(peer: T): Promise<T> {
    this.#peers.push(peer)
    return peer.start()
  }
}

const H37: Scenario = {
  row: 'H37', workaround: 'yamux-frames', what: 'a burst of six txlists of 2 MiB to a Rust peer',
  async run(stage) {
    const arrived = new Set<string>()
    let broke: string | undefined
    const rust = await stage.rust('r1', line => {
      if (line.event === 'gossip') arrived.add(asText(line['key']))
      if (line.event === 'connectionClosed') broke ??= asText(line['cause'])
    })
    const node = await stage.ours('n1')
    await node.dial(rust)
    await meshed(node, rust)
    const blocks: Block[] = []
    for (let at = 0; at < 6; at++) blocks.push(await stage.blocks.next(2_097_152))
    await Promise.all(blocks.map(async block => node.publishTxList(block)))
    await until(() => arrived.size === 6 || broke !== undefined, 'all or nothing', 30_000)
    return { well: arrived.size === 6 && broke === undefined, found: broke === undefined ? `${arrived.size} of 6 arrived` : `${arrived.size} of 6 arrived; closed: ${broke}` }
  },
}

/** Blocks of the author; each is two messages. */
const H38_BLOCKS = 30
/** How slow the author's own connections are, ms: its messages reach ours through the other Rust peer first. */
const H38_DELAY = 40

const H38: Scenario = {
  row: 'H38', workaround: 'forward-to-author',
  what: `a full mesh of two Rust peers and three of ours, ${2 * H38_BLOCKS} messages of a Rust peer whose links to ours are slow`,
  async run(stage) {
    const author = await stage.rust('r1')
    const other = await stage.rust('r2')
    const nodes = await Promise.all(['n1', 'n2', 'n3'].map(async name => stage.ours(name)))
    const slow = await stage.slowLink(author, H38_DELAY)
    await author.dial(other)
    for (const [at, node] of nodes.entries()) {
      await node.call('dial', { addr: slow })
      for (const next of [other, ...nodes.slice(at + 1)]) await node.dial(next)
    }
    const everybody: readonly Peer[] = [author, other, ...nodes]
    for (const [at, peer] of everybody.entries()) for (const next of everybody.slice(at + 1)) await meshed(peer, next)
    for (let at = 0; at < H38_BLOCKS; at++) {
      const block = await stage.blocks.next(1_000)
      await author.publishTxList(block)
      await author.publishCommitment(block)
    }
    await sleep(2_000)
    const seen = (await author.peers()).filter(({ peer }) => nodes.some(({ peerId }) => peerId === peer))
    const lowest = Math.min(...seen.map(({ lowestScore }) => lowestScore ?? 0))
    const pruned = seen.filter(({ mesh }) => !mesh.commitments || !mesh.txLists).length
    return { well: lowest >= 0 && pruned === 0, found: `lowest score with the author ${lowest.toFixed(0)}, ${pruned} of ${nodes.length} pruned` }
  },
}

const H39: Scenario = {
  row: 'H39', workaround: 'reopen-gossip-stream', what: 'two connections, and the Rust peer closes the one with our gossip stream',
  async run(stage) {
    const arrived = new Set<string>()
    const rust = await stage.rust('r1', line => { if (line.event === 'gossip') arrived.add(asText(line['key'])) })
    const node = await stage.ours('n1')
    await node.dial(rust)
    await meshed(node, rust)
    await rust.dial(node)
    await until(async () => (await rust.seen(node))?.connections === 2, 'two connections')
    // identify on the second one is over
    await sleep(1_000)
    await rust.call('closeOldest', { peer: node.peerId })
    await until(async () => (await rust.seen(node))?.connections === 1, 'one connection')
    // four heartbeats, each of which could open the stream again
    await sleep(2_000)
    const blocks: Block[] = []
    for (let at = 0; at < 10; at++) {
      const block = await stage.blocks.next(1_000)
      blocks.push(block)
      await node.publishTxList(block)
      await node.publishCommitment(block)
      await sleep(100)
    }
    await sleep(1_000)
    const heard = blocks.filter(({ hash }) => arrived.has(hash)).length
    return { well: heard === blocks.length, found: `${heard} of ${blocks.length} commitments arrived` }
  },
}

const scenarios: readonly Scenario[] = [H37, H38, H39]
export const rows: readonly string[] = scenarios.map(({ row }) => row)

/** Each scenario twice: as the node is, and with the work-around switched off (./without/hooks.ts). */
export async function compareWorkarounds(program: string, wanted: readonly string[], log: (line: string) => void): Promise<readonly Comparison[]> {
  const comparisons: Comparison[] = []
  for (const scenario of scenarios.filter(({ row }) => wanted.includes(row))) {
    const { row, what, workaround } = scenario
    const withIt = await Stage.run(program, scenario, undefined)
    log(`${row} with ${workaround}: ${withIt.found}`)
    const withoutIt = await Stage.run(program, scenario, workaround)
    log(`${row} without it: ${withoutIt.found}`)
    comparisons.push({ row, what, withIt: withIt.found, withoutIt: withoutIt.found, matters: withIt.well && !withoutIt.well })
  }
  return comparisons
}
