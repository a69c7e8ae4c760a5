import { setTimeout as sleep } from 'node:timers/promises'
import { GetRawTxListRequestCodec, fromHex, toHex } from '../../src/protocol/index.js'
import { asText } from '../../src/operate/json.js'
import type { JsonObject } from '../../src/operate/json.js'
import { until } from '../support/until.js'
import type { Block } from './blocks.js'
import { MixedNetwork } from './mixed-network.js'
import { quantile } from './ledger.js'
import { meshed } from './nodes.js'
import type { OurNode, Peer, RustPeer } from './nodes.js'
import { TWO_MIB, askOurs, publishFor } from './traffic.js'
import type { Asked, Pace } from './traffic.js'

export interface Plan {
  /** Of publishing, ms; the start, the meshes and the end come on top. */
  readonly ms: number
  readonly pace: Pace
  /** Blocks that only Rust peers hold, for the late node. */
  readonly history: number
  /** So many of them have a txlist of their own; the others share one. */
  readonly historyTxLists: number
  /** Requests in a row of one node of ours to one Rust peer. */
  readonly rowOfRequests: number
  /** Between two commitments of the attacker behind the Rust peers, ms. */
  readonly attackEvery: number
  /** What p99 of commitments outside of bursts stays below, ms; left out where the run is too short to say. */
  readonly p99?: number
  /** How long one of ours stays away, ms. */
  readonly away: number
}

export const fullPlan = (minutes: number): Plan => ({
  ms: minutes * 60_000, history: 6_000, historyTxLists: 60, rowOfRequests: 28, away: 20_000, attackEvery: 2_000, p99: 500,
  pace: { blockEvery: 2_000, burstEvery: 30_000, large: 4, small: 16, askEvery: 15_000 },
})

export const quickPlan: Plan = {
  ms: 30_000, history: 2_300, historyTxLists: 12, rowOfRequests: 9, away: 3_000, attackEvery: 500,
  pace: { blockEvery: 500, burstEvery: 8_000, large: 3, small: 10, askEvery: 4_000 },
}

/** One fact of the run and whether it is as it must be. */
export interface Check { readonly what: string; readonly ok: boolean; readonly found: string }

export interface NetworkResult {
  readonly net: MixedNetwork
  readonly seconds: number
  readonly asked: Asked
  readonly checks: readonly Check[]
  /** The lowest score that a Rust peer ever gave a node of ours, and the other way round at the end. */
  readonly lowestOfOurs: number
  readonly lowestOfRust: number
}

type Log = (line: string) => void

/**
 * A line, which grows to a star, which grows to a full mesh; a node that joins late and catches up from Rust peers alone; one of ours
 * that leaves in the middle of exchanges and comes back. The Rust peers run through, so that a ban of theirs would last.
 */
export async function runNetwork(program: string, plan: Plan, log: Log): Promise<NetworkResult> {
  const began = performance.now()
  const net = await MixedNetwork.create(program, plan.history)
  const over = new AbortController()
  const checks: Check[] = []
  try {
    await net.start()
    await fillHistory(net, plan, log)
    const asking = askOurs(net, plan.pace, over.signal)
    const attacking = net.attack(plan.attackEvery, over.signal).catch((error: unknown) => { checks.push({ what: 'the attack goes on', ok: false, found: messageOf(error) }) })
    try {
      await play(net, plan, log, checks)
    } catch (error) {
      checks.push({ what: 'the run goes through', ok: false, found: messageOf(error) })
    }
    over.abort()
    const asked = await asking
    await attacking
    await net.ledger.settled(20_000)
    log('everything published; comparing what each node holds')
    checks.push(...await verdicts(net, asked), ...await underAttack(net, plan))
    return { net, seconds: (performance.now() - began) / 1_000, asked, checks, ...await scores(net) }
  } finally {
    over.abort()
    await net.remove()
  }
}

async function play(net: MixedNetwork, plan: Plan, log: Log, checks: Check[]): Promise<void> {
  const [r1, r2, r3] = net.rust as [RustPeer, RustPeer, RustPeer]
  const [n1, n2, n3] = net.ours as [OurNode, OurNode, OurNode]
  const line = [r1, n1, r2, n2, r3, n3]
  const everybody = [...net.rust, ...net.ours]

  await net.connect(line.slice(1).map((peer, at) => [line[at]!, peer] as const))
  log(`a line: ${line.map(({ name }) => name).join(' – ')}`)
  await publishFor(net, plan.ms * 0.2, plan.pace)

  await net.connect(everybody.map(peer => [r2, peer] as const))
  log(`a star around ${r2.name} besides`)
  const row = requestRow(net, n1, r2, plan.rowOfRequests)
  await publishFor(net, plan.ms * 0.2, plan.pace)

  await net.connect(everybody.flatMap((a, at) => everybody.slice(at + 1).map(b => at % 2 === 0 ? [a, b] as const : [b, a] as const)))
  log('everybody with everybody')
  await publishFor(net, plan.ms * 0.1, plan.pace)
  checks.push(...await joinLate(net, plan, log))
  await publishFor(net, plan.ms * 0.2, plan.pace)
  checks.push(...await leaveAndComeBack(net, n2, plan, log))
  await publishFor(net, plan.ms * 0.3, plan.pace)
  checks.push(await row)
}

/** Blocks that the Rust peers hold and nobody has gossiped; two of the three tell a head. */
async function fillHistory(net: MixedNetwork, plan: Plan, log: Log): Promise<void> {
  const shared = new TextEncoder().encode('the txlist that most of the history shares')
  const txLists = new Map<string, Uint8Array>()
  let last: Block | undefined
  for (let at = 0; at < plan.history; at++) {
    last = await net.chain.next(at < plan.historyTxLists ? 2_000 + at : shared)
    txLists.set(last.txListHash, last.txList)
    net.history.push({ blockNumber: last.blockNumber, hash: last.hash, ssz: last.ssz, txListHash: last.txListHash })
    if (at % 500 === 0) await sleep(0)
  }
  await Promise.all(net.rust.map(async (rust, at) => {
    await rust.call('store', { commitments: net.history.map(({ ssz }) => toHex(ssz)), txLists: [...txLists.values()].map(toHex) })
    if (at > 0 && last !== undefined) await rust.setHead(last.blockNumber, last.windowEnd)
  }))
  log(`${plan.history} blocks of history are with the Rust peers`)
}

/** Requests in a row, as fast as our own quota lets them through (H07). */
async function requestRow(net: MixedNetwork, from: OurNode, to: RustPeer, count: number): Promise<Check> {
  const failures: string[] = []
  for (let at = 0; at < count; at++) {
    await from.call('requestCommitments', { peer: to.peerId, start: String(net.history[0]!.blockNumber), max: '256' })
      .catch((error: unknown) => { failures.push(messageOf(error)) })
  }
  return { what: `${count} requests in a row of ${from.name} to ${to.name} (H07)`, ok: failures.length === 0, found: failures[0] ?? `${count} answered` }
}

/** The late node catches up from the Rust peers alone, the commitments and their txlists, at their quota. */
async function joinLate(net: MixedNetwork, plan: Plan, log: Log): Promise<readonly Check[]> {
  const { late } = net
  const target = net.lastBlock.blockNumber
  const began = performance.now()
  await late.start()
  await Promise.all(net.rust.map(async rust => meshed(rust, late)))
  const caughtUp = await reached(() => (net.heads.get(late.name) ?? 0n) >= target, 90_000)
  const ms = performance.now() - began
  net.live.add(late)
  log(`late has ${caughtUp ? 'caught up' : 'NOT caught up'}: ${plan.history + net.blocks.length} blocks in ${(ms / 1_000).toFixed(1)} s`)
  return [{
    what: `late caught up from Rust peers alone (${net.history.length} + ${net.blocks.length} blocks)`, ok: caughtUp,
    found: caughtUp ? `${(ms / 1_000).toFixed(1)} s` : `at ${net.heads.get(late.name) ?? 0n} of ${target}`,
  }]
}

/**
 * One of ours stops while Rust peers ask it for a large txlist and it asks them (H40); what is published without it, it fetches when it
 * is back under the same identity.
 */
async function leaveAndComeBack(net: MixedNetwork, node: OurNode, plan: Plan, log: Log): Promise<readonly Check[]> {
  const [by] = net.rust as [RustPeer]
  await net.publish(by, TWO_MIB)
  await net.ledger.settled(20_000)
  net.live.delete(node)
  // a round of the askers that has begun ends first
  await sleep(1_000)
  const body = GetRawTxListRequestCodec.encode({ rawTxListHash: fromHex(net.lastBlock.txListHash) })
  const outcome = async (work: Promise<unknown>): Promise<string> => work.then(() => 'answered', messageOf)
  const before = await node.txListRequests()
  const asked = net.rust.map(async rust => outcome(rust.request(node, 'txList', body)))
  const asking = net.rust.map(async rust => outcome(node.call('requestCommitments', { peer: rust.peerId, start: String(net.history[0]!.blockNumber), max: '256' })))
  await until(async () => await node.txListRequests() >= before + net.rust.length, 'their requests under way')
  const stopped = node.stop()
  const [theirs, own] = await Promise.all([Promise.all(asked), Promise.all(asking)])
  await stopped
  net.disconnected(node)
  log(`${node.name} has left; Rust peers: ${theirs.join(', ')}; its own requests: ${own.join(', ')}`)

  const there = net.blocks.length
  await publishFor(net, plan.away, { ...plan.pace, burstEvery: Infinity })
  const missed = net.blocks.slice(there)
  const target = net.lastBlock.blockNumber
  await node.start()
  const others = [...net.live]
  await net.connect(others.map(peer => [node, peer] as const))
  // with its txlists, which follow the commitments: it is asked for them from here on
  const back = await reached(() => (net.heads.get(node.name) ?? 0n) >= target && missed.every(({ txListHash }) => net.storedBy(node).has(txListHash)), 60_000)
  net.live.add(node)
  log(`${node.name} is back${back ? '' : ', and NOT caught up'}`)
  return [
    { what: `${node.name} stopped in the middle of exchanges (H40): Rust peers' requests`, ok: theirs.every(each => each === 'answered'), found: theirs.join(', ') },
    { what: `${node.name} is back under its identity and has what it missed`, ok: back, found: `at ${net.heads.get(node.name) ?? 0n} of ${target}` },
  ]
}

async function verdicts(net: MixedNetwork, asked: Asked): Promise<readonly Check[]> {
  const nodes = [...net.ours, net.late]
  const differences: string[] = []
  for (const node of nodes) {
    await reached(async () => (await net.difference(node)).length === 0, 60_000)
    differences.push(...await net.difference(node))
  }
  const missing = net.ledger.missing()
  const bans = (await Promise.all(net.rust.map(async rust => (await rust.bans()).map(({ peer, reason }) => `${rust.name} banned ${nameOf(net, peer)}: ${reason}`)))).flat()
  const refused = (await Promise.all(nodes.map(async node => (await node.peers()).filter(peer => peer.refused === true).map(({ peer }) => `${node.name} by ${nameOf(net, peer)}`)))).flat()
  const complaints = net.all.flatMap(peer => peer.complaints.map(({ node, text }) => `${node}: ${text}`))
  const figures = await Promise.all(nodes.map(async node => (await node.call('figures'))['network'] as JsonObject))
  const lost = figures.map(figure => asText((figure['gossip'] as JsonObject)['streamsLost'])).filter(count => count !== '0')
  const list = (items: readonly string[]): string => items.length === 0 ? 'none' : `${items.length}: ${items.slice(0, 4).join('; ')}`
  return [
    { what: 'everything delivered to everybody, both ways', ok: missing.length === 0, found: missing.length === 0 ? `${net.ledger.deliveries().length} deliveries` : list(missing) },
    { what: 'every node of ours holds the same chain, byte by byte, and all txlists', ok: differences.length === 0, found: differences.length === 0 ? `${net.blocks.length} blocks, ${nodes.length} nodes` : list(differences) },
    { what: 'message ids of both makes are equal', ok: net.ledger.otherIds.length === 0, found: list(net.ledger.otherIds) },
    { what: 'requests of Rust peers to ours answered in full', ok: asked.failures.length === 0, found: asked.failures.length === 0 ? `${asked.requests}, the slowest ${asked.slowestMs.toFixed(0)} ms` : list(asked.failures) },
    { what: 'bans by Rust peers', ok: bans.length === 0, found: list(bans) },
    { what: 'Rust peers that refuse ours', ok: refused.length === 0, found: list(refused) },
    { what: 'rejections, violations, failed parts, broken connections', ok: complaints.length === 0, found: list(complaints) },
    { what: 'gossip streams lost', ok: lost.length === 0, found: list(lost) },
  ]
}

/** Nobody honest has paid for what the attacker sent through the Rust peers (H85). */
async function underAttack(net: MixedNetwork, { p99 }: Plan): Promise<readonly Check[]> {
  const nodes = [...net.ours, net.late]
  const figures = await Promise.all(nodes.map(async node => (await node.call('figures'))['network'] as unknown as { gossip: { refused: { commitments: { refused_author: number } } } }))
  const ignored = figures.reduce((sum, { gossip }) => sum + gossip.refused.commitments.refused_author, 0)
  const pruned: string[] = []
  for (const node of nodes) {
    for (const rust of net.rust) {
      const mesh = (await node.seen(rust))?.mesh
      const theirs = (await rust.seen(node))?.mesh
      if (mesh?.commitments !== true || !mesh.txLists || theirs?.commitments !== true || !theirs.txLists) pruned.push(`${node.name} and ${rust.name}`)
    }
  }
  const slow = (['ours', 'rust'] as const).flatMap(from => {
    const samples = net.ledger.deliveries(({ topic, crowded, from: by, to }) => topic === 'commitments' && !crowded && by === from && to.make !== from).map(({ ms }) => ms)
    const value = quantile(samples, 0.99) ?? Infinity
    return p99 === undefined || value < p99 ? [] : [`${value.toFixed(0)} ms from ${from}`]
  })
  return [
    { what: `H85: ${net.foreign} commitments of a foreign signer behind the Rust peers: not listened to`, ok: ignored > 0, found: `${ignored} dropped at a look` },
    { what: 'H85: all of both makes in each other\'s meshes at the end', ok: pruned.length === 0, found: pruned.length === 0 ? `${nodes.length * net.rust.length} pairs` : pruned.join(', ') },
    ...p99 === undefined ? [] : [{ what: `commitments cross within ${p99} ms (p99), both ways`, ok: slow.length === 0, found: slow.length === 0 ? 'they do' : slow.join(', ') }],
  ]
}

async function scores(net: MixedNetwork): Promise<Pick<NetworkResult, 'lowestOfOurs' | 'lowestOfRust'>> {
  const ours = new Set([...net.ours, net.late].map(({ peerId }) => peerId))
  const rust = new Set(net.rust.map(({ peerId }) => peerId))
  const lowest = async (from: readonly Peer[], of: ReadonlySet<string>): Promise<number> => {
    const seen = (await Promise.all(from.map(async peer => peer.peers()))).flat().filter(({ peer }) => of.has(peer))
    return Math.min(...seen.map(({ score, lowestScore }) => lowestScore ?? score))
  }
  return { lowestOfOurs: await lowest(net.rust, ours), lowestOfRust: await lowest([...net.ours, net.late], rust) }
}

const messageOf = (error: unknown): string => error instanceof Error ? error.message : String(error)

const nameOf = (net: MixedNetwork, peerId: string): string => net.all.find(peer => peer.peerId === peerId)?.name ?? peerId

async function reached(condition: () => boolean | Promise<boolean>, ms: number): Promise<boolean> {
  const look = async (): Promise<boolean> => {
    if (await condition()) return true
    await sleep(100)
    return false
  }
  return until(look, 'reached', ms).then(() => true, () => false)
}
