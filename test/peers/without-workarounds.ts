import { setTimeout as sleep } from 'node:timers/promises'
import { until } from '../support/until.js'
import { asText } from '../../src/operate/json.js'
import type { Block } from './blocks.js'
import { mixedScenarios } from './mixed-rows.js'
import { meshed } from './nodes.js'
import type { Peer } from './nodes.js'
import { Stage } from './scenario.js'
import type { Comparison, Scenario } from './scenario.js'

const H37: Scenario = {
  row: 'H37', off: 'yamux-frames', what: 'a burst of six txlists of 2 MiB to a Rust peer',
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
  row: 'H38', off: 'forward-to-author',
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
  row: 'H39', off: 'reopen-gossip-stream', what: 'two connections, and the Rust peer closes the one with our gossip stream',
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

const scenarios: readonly Scenario[] = [H37, H38, H39, ...mixedScenarios]
export const rows: readonly string[] = scenarios.map(({ row }) => row)

/** Each scenario twice: as the node is, and with its work-around or protection switched off (./without/hooks.ts). */
export async function compareWorkarounds(program: string, wanted: readonly string[], log: (line: string) => void): Promise<readonly Comparison[]> {
  const comparisons: Comparison[] = []
  for (const scenario of scenarios.filter(({ row }) => wanted.includes(row))) {
    const { row, what, off } = scenario
    const withIt = await Stage.run(program, scenario, undefined)
    log(`${row} with ${off}: ${withIt.found}`)
    const withoutIt = await Stage.run(program, scenario, off)
    log(`${row} without it: ${withoutIt.found}`)
    comparisons.push({ row, what, withIt: withIt.found, withoutIt: withoutIt.found, matters: withIt.well && !withoutIt.well })
  }
  return comparisons
}
