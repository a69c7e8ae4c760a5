import { setTimeout as sleep } from 'node:timers/promises'
import { GetCommitmentsByNumberRequestCodec, toHex } from '../../src/protocol/index.js'
import { asText } from '../../src/operate/json.js'
import { until } from '../support/until.js'
import { TIP } from './blocks.js'
import type { Block } from './blocks.js'
import { meshed } from './nodes.js'
import type { OurNode, RustPeer } from './nodes.js'
import type { Scenario, Stage } from './scenario.js'

const FIRST = TIP + 1n

async function chainOf(stage: Stage, length: number): Promise<Block[]> {
  const blocks: Block[] = []
  for (let at = 0; at < length; at++) blocks.push(await stage.blocks.next(1_000))
  return blocks
}

const store = async (peer: RustPeer, blocks: readonly Block[]): Promise<unknown> =>
  peer.call('store', { commitments: blocks.map(({ ssz }) => toHex(ssz)), txLists: blocks.map(({ txList }) => toHex(txList)) })

/** The highest block of a node of ours, by its own word; 0 where it has none. */
async function headOf(node: OurNode): Promise<bigint> {
  const head = (await node.call('status'))['head'] as { readonly blockNumber: string } | null
  return BigInt(head?.blockNumber ?? 0)
}

async function reaches(node: OurNode, height: bigint, ms: number): Promise<boolean> {
  return until(async () => {
    if (await headOf(node) >= height) return true
    await sleep(200)
    return false
  }, `block ${height}`, ms).then(() => true, () => false)
}

const ailments = async (node: OurNode): Promise<readonly string[]> =>
  ((await node.call('status'))['ailments'] as unknown as ReadonlyArray<{ readonly code: string }>).map(({ code }) => code)

const H85: Scenario = {
  row: 'H85', off: 'authors-fault', what: 'somebody behind a Rust peer sends 40 commitments of a foreign signer, between 20 honest blocks of another Rust peer',
  async run(stage) {
    const arrived = new Set<string>()
    const [relay, author, attacker] = [await stage.rust('r1'), await stage.rust('r2'), await stage.rust('mallory')]
    const node = await stage.ours('n1', line => { if (line.event === 'commitment' && line['from'] !== null) arrived.add(asText(line['hash'])) })
    await node.dial(relay)
    await author.dial(relay)
    await attacker.dial(relay)
    for (const peer of [node, author, attacker]) await meshed(relay, peer)
    const blocks: Block[] = []
    for (let at = 0; at < 20; at++) {
      for (let foreign = 0; foreign < 2; foreign++) {
        await attacker.publishCommitment(await stage.blocks.foreign(BigInt(1_000 + 2 * at + foreign)))
        await sleep(50)
      }
      const block = await stage.blocks.next(1_000)
      blocks.push(block)
      await author.publishTxList(block)
      await author.publishCommitment(block)
      await sleep(100)
    }
    await until(() => arrived.size === blocks.length, 'all blocks', 5_000).catch(() => undefined)
    const seen = await node.seen(relay)
    const heard = blocks.filter(({ hash }) => arrived.has(hash)).length
    const inMesh = seen?.mesh.commitments === true && seen.mesh.txLists
    return {
      well: heard === blocks.length && inMesh && seen.score >= 0,
      found: `${heard} of ${blocks.length} blocks arrived; the relay is ${inMesh ? 'meshed' : 'pruned'}, its score ${seen?.score.toFixed(0) ?? 'none'}`,
    }
  },
}

const H86: Scenario = {
  row: 'H86', off: 'asked-again', what: 'the only peer, a Rust one, has live blocks only when we connect, and the history three seconds later',
  async run(stage) {
    const blocks = await chainOf(stage, 80)
    const rust = await stage.rust('r1')
    await store(rust, blocks.slice(50))
    const node = await stage.ours('n1')
    await node.dial(rust)
    await sleep(3_000)
    const before = await headOf(node)
    await store(rust, blocks.slice(0, 50))
    const well = before < FIRST && await reaches(node, FIRST + 79n, 45_000)
    return { well, found: well ? 'the whole chain within 45 s' : `at ${await headOf(node)} of ${FIRST + 79n} after 45 s` }
  },
}

const H87: Scenario = {
  row: 'H87', off: 'one-per-height', what: 'a Rust peer catches up from ours by number of items, with hand-overs beside blocks',
  async run(stage) {
    const node = await stage.ours('n1')
    const wanted: string[] = []
    for (let at = 0; at < 12; at++) {
      if (at % 3 === 2) await node.publishCommitment(await stage.blocks.handover())
      const block = await stage.blocks.next(1_000)
      wanted.push(String(block.blockNumber))
      await node.publishTxList(block)
      await node.publishCommitment(block)
    }
    const rust = await stage.rust('r1')
    await rust.dial(node)
    await until(async () => (await rust.seen(node))?.agent !== '' , 'identified')
    // a hand-over in each page
    const { heights } = await rust.call('catchUp', { peer: node.peerId, start: String(FIRST), count: '4' }) as { heights: readonly string[] }
    const skipped = wanted.filter(height => !heights.includes(height))
    return { well: skipped.length === 0, found: skipped.length === 0 ? 'no height was skipped' : `skipped ${skipped.length}: ${skipped.join(', ')}` }
  },
}

const H88: Scenario = {
  row: 'H88', off: 'authors-fault', what: 'a Rust peer\'s store holds a foreign block over the good one; then another peer comes that has the good one',
  async run(stage) {
    const before = await chainOf(stage, 10)
    const foreign = await stage.blocks.foreign()
    const after = await chainOf(stage, 10)
    const [rust, whole] = [await stage.rust('r1'), await stage.rust('r2')]
    await store(rust, [...before, ...after])
    await store(rust, [foreign])
    await store(whole, [...before, ...after])
    const node = await stage.ours('n1')
    await node.dial(rust)
    await reaches(node, FIRST + 9n, 10_000)
    await until(async () => { await sleep(200); return (await ailments(node)).includes('behind') }, 'behind', 40_000).catch(() => undefined)
    const stuck = await headOf(node)
    const says = await ailments(node)
    const charged = node.complaints.length
    await node.dial(whole)
    const taken = await reaches(node, FIRST + 19n, 40_000)
    return {
      well: stuck === FIRST + 9n && says.includes('behind') && charged === 0 && taken,
      found: `at ${stuck}, health says ${says.join(', ') || 'ok'}, charged ${charged} times; ${taken ? 'taken from the other' : 'not taken from the other'}`,
    }
  },
}

const H89: Scenario = {
  row: 'H89', off: 'by-items', what: 'a Rust peer asks ours for ten commitments from 20 heights below the first on',
  async run(stage) {
    const node = await stage.ours('n1')
    for (const block of await chainOf(stage, 12)) {
      await node.publishTxList(block)
      await node.publishCommitment(block)
    }
    const rust = await stage.rust('r1')
    await rust.dial(node)
    await until(async () => (await rust.seen(node))?.agent !== '', 'identified')
    const body = await rust.request(node, 'commitments', GetCommitmentsByNumberRequestCodec.encode({ startBlockNumber: FIRST - 20n, maxCount: 10 }))
    const count = (body.length - 4) / 382
    return { well: count === 10, found: `${count} commitments` }
  },
}

export const mixedScenarios: readonly Scenario[] = [H85, H86, H87, H88, H89]
