import { setTimeout as sleep } from 'node:timers/promises'
import { loadCrypto } from '../../protocol/index.js'
import { toJson } from '../../operate/json.js'
import { Broker } from './broker.js'
import { compare } from './compare.js'
import type { Display } from './display.js'
import type { NodeProcess } from './node-process.js'
import type { L1Play } from './l1/play.js'
import { Nodes } from './nodes.js'
import { CONFIRMED_TIP, Sequencer } from './sequencer.js'
import type { Piece, PlannedTurns } from './sequencer.js'
import type { CatchUp, Summary } from './summary.js'
import { asError, messageOf } from '../../protocol/thrown.js'

export interface DevnetOptions {
  readonly blocksPerSecond: number
  readonly blocks: number
  readonly display: Display
  /** Who may sign follows a real L1, on which things happen. */
  readonly l1?: boolean
  /** Ends the run early: nodes and folders are removed, the summary says that it was interrupted. */
  readonly signal: AbortSignal
  /** Where the ordered stream goes, too. */
  readonly sink?: string | undefined
}

/** The late node joins after this share of the blocks. */
const LATE_AFTER = 0.6
/** ms without any progress after which the nodes are considered finished; and the same once one of them is gone. */
const SETTLE_WITHIN = 60_000
/** The same for the broker. */
const SETTLE_WITHIN_BROKER = 15_000
const SETTLE_WITHIN_WHEN_OVER = 3_000
const REDRAW = 100
const LOOK_EVERY = 10

const NOT_CAUGHT_UP: CatchUp = { blocks: 0, ms: undefined, txListsMs: undefined }

/**
 * The main job.
 * 1. Two preconfers and a follower start and connect.
 * 2. The preconfers publish, each in its windows.
 * 3. A late node joins and catches up.
 * 4. When all have stored everything, their chains and txlists are read back and compared. With L1, all have to confirm what L1 has first.
 * 5. Everything is removed again.
 *
 * Whatever goes wrong is among the `failures` of the summary.
 */
export async function runDevnet({ blocksPerSecond, blocks, display, l1 = false, signal, sink }: DevnetOptions): Promise<Summary> {
  const began = performance.now()
  const seconds = (): number => (performance.now() - began) / 1_000
  const nodes = await Nodes.create(display, signal)
  const pieces: Piece[] = []
  const l1Room: L1Room = { play: undefined }
  const broker = sink === undefined ? undefined : new Broker(sink)
  let catchUp = NOT_CAUGHT_UP
  const redraw = setInterval(
    () =>
      display.show({
        tallies: nodes.tallies,
        blocks,
        firstBlock: CONFIRMED_TIP + 1n,
        builders: nodes.builders,
        turn: pieces.at(-1)?.turn,
        seconds: seconds(),
        latency: latencyOf(nodes),
        ...l1Room.play !== undefined && { l1: l1Room.play.shown },
        broker: broker?.text,
      }),
    REDRAW,
  )
  try {
    try {
      catchUp = await play(nodes, pieces, { blocks, blocksPerSecond, broker }, l1 ? l1Room : undefined, display)
    } catch (error) {
      if (signal.aborted)
        nodes.fail(`interrupted: ${messageOf(signal.reason)}`)
      else if (nodes.failures.length === 0) nodes.fail(messageOf(error))
    }
    if (!signal.aborted) await settled(nodes, pieces)
    if (!signal.aborted && l1Room.play !== undefined) await confirmed(nodes, pieces, l1Room.play)
    if (!signal.aborted && broker !== undefined) await reached(() => broker.has(pieces), new AbortController().signal, SETTLE_WITHIN_BROKER)
    const chains = signal.aborted ? [] : await Promise.all(nodes.all.map(async node => compare(node, pieces)))
    const tallies = nodes.tallies.map(tally => ({ ...tally, peers: new Set(tally.peers) }))
    return {
      ok:
        nodes.failures.length === 0 &&
        catchUp.ms !== undefined &&
        chains.length === nodes.tallies.length &&
        chains.every(({ same, txListsMissing }) => same && txListsMissing === 0) &&
        (broker === undefined || broker.summary(pieces).same),
      seconds: seconds(),
      published: pieces.length,
      blocks: nodes.builders.length,
      txListBytes: pieces.reduce((sum, { txList }) => sum + (txList?.length ?? 0), 0),
      latency: latencyOf(nodes),
      catchUp,
      chains,
      broker: broker?.summary(pieces),
      nodes: tallies,
      failures: nodes.failures,
    }
  } finally {
    clearInterval(redraw)
    display.close()
    await broker?.close()
    try { await nodes.remove() } finally { await l1Room.play?.stop() }
  }
}

async function play(
  nodes: Nodes,
  pieces: Piece[],
  { blocks, blocksPerSecond, broker }: Pick<DevnetOptions, 'blocks' | 'blocksPerSecond'> & { readonly broker: Broker | undefined },
  l1Room: L1Room | undefined,
  display: Display,
): Promise<CatchUp> {
  const sequencer = new Sequencer({ origin: Math.floor(Date.now() / 1_000), blocks, blocksPerSecond }, await loadCrypto())
  let planned: PlannedTurns | undefined
  if (l1Room === undefined) await nodes.writeSchedule(toJson(sequencer.schedule()))
  else {
    const { L1Play, turnLength } = await import('./l1/play.js')
    const blocksEach = turnLength(blocks, blocksPerSecond)
    l1Room.play = await L1Play.start(sequencer.signers, display)
    nodes.followL1(l1Room.play.nodeOptions)
    planned = { turns: l1Room.play.turns, blocksEach }
  }
  nodes.expect('alice', 'preconfer')
  nodes.expect('bob', 'preconfer')
  nodes.expect('fred', 'follower')
  nodes.expect('lucy', 'latecomer')
  const [alice, bob, fred] = await Promise.all([nodes.start('alice', [], broker?.options), nodes.start('bob'), nodes.start('fred', [], broker?.options)])
  broker?.follow()
  await nodes.mesh([alice, bob, fred])

  let joining: Promise<CatchUp> | undefined
  let failed: Error | undefined
  let turn: number | undefined
  for await (const piece of sequencer.pieces(Date.now() / 1_000, planned)) {
    await until(piece.at, nodes.over)
    if (turn !== piece.turn) await l1Room?.play?.begin(turn = piece.turn, [alice, bob, fred], nodes.over)
    pieces.push(piece)
    await nodes.publish(piece, piece.preconfer === 0 ? alice : bob, piece.preconfer)
    if (joining === undefined && nodes.builders.length >= blocks * LATE_AFTER) {
      joining = joinLate(nodes, [fred, bob], pieces).catch((error: unknown) => {
        failed = asError(error)
        return NOT_CAUGHT_UP
      })
    }
  }
  nodes.turnsOver()
  const caughtUp = await joining
  if (failed !== undefined) throw failed
  return caughtUp ?? NOT_CAUGHT_UP
}

/** L1, where it is followed: it starts when the keys of those who sign are known. */
interface L1Room { play: L1Play | undefined }

/** L1 has the chain up to the last block but a few: every node confirms it, by its L2 client. */
async function confirmed(nodes: Nodes, pieces: readonly Piece[], l1: L1Play): Promise<void> {
  const blocks = pieces.filter(({ kind }) => kind !== 'hand-over')
  const tip = blocks[Math.floor(blocks.length / 2)]?.blockNumber
  if (tip === undefined) return
  l1.confirm(tip)
  const lacking = (): readonly string[] => nodes.alive.filter(({ name }) => nodes.confirmed.get(name) !== tip).map(({ name }) => name)
  if (await reached(() => lacking().length === 0 ? true : lacking().join(), nodes.over)) nodes.say({ event: 'l1Confirmed', text: `L1 has the chain up to ${tip}, and all nodes have confirmed it`, fields: { blockNumber: tip } })
  else nodes.fail(`L1 has the chain up to ${tip}, which ${lacking().join(', ')} did not confirm`)
}

/** Starts the late node; resolves when it holds what the others held when it came. */
async function joinLate(nodes: Nodes, peers: readonly NodeProcess[], pieces: readonly Piece[]): Promise<CatchUp> {
  const late = nodes.tally('lucy')
  await nodes.start('lucy', peers)
  const target = nodes.tallies.reduce((highest, { head }) => head > highest ? head : highest, 0n)
  const missed = pieces.filter(({ blockNumber }) => blockNumber <= target)
  const blocks = Number(target - CONFIRMED_TIP)
  late.state = 'syncing'
  const began = performance.now()
  if (!await reached(() => late.head >= target ? true : late.head, nodes.over)) {
    nodes.fail(`lucy did not catch up: she is at ${late.head} of ${target}`)
    return { ...NOT_CAUGHT_UP, blocks }
  }
  const ms = performance.now() - began
  nodes.say({
    event: 'caughtUp',
    text: `lucy has caught up ${blocks} blocks in ${ms.toFixed(0)} ms`,
    fields: { node: 'lucy', blocks, ms },
  })
  const complete = await reached(() => {
    const lacking = nodes.lacks('lucy', missed)
    return lacking === 0 ? true : lacking
  }, nodes.over)
  late.state = 'following'
  return { blocks, ms, txListsMs: complete ? performance.now() - began : undefined }
}

/** Until every node that runs has the last block as its head and has stored everything, or nothing moves any more. */
async function settled(nodes: Nodes, pieces: readonly Piece[]): Promise<void> {
  const last = pieces.findLast(({ kind }) => kind !== 'hand-over')
  if (last === undefined) return
  const within = nodes.over.aborted ? SETTLE_WITHIN_WHEN_OVER : SETTLE_WITHIN
  await reached(() => {
    const standings = nodes.alive.map(({ name }) => `${nodes.tally(name).head}, lacks ${nodes.lacks(name, pieces)}`)
    return standings.every(standing => standing === `${last.blockNumber}, lacks 0`) ? true : standings.join()
  }, new AbortController().signal, within)
}

/**
 * Polls until it is reached. False when nothing has changed for `within` ms. @throws what the signal was aborted with
 */
async function reached(
  look: () => true | string | number | bigint,
  signal: AbortSignal,
  within = SETTLE_WITHIN,
): Promise<boolean> {
  let seen: unknown
  for (let changedAt = performance.now(); performance.now() - changedAt < within;) {
    const now = look()
    if (now === true) return true
    if (now !== seen) changedAt = performance.now()
    seen = now
    await sleep(LOOK_EVERY, undefined, { signal })
  }
  return false
}

const latencyOf = ({ latencies }: Nodes): Summary['latency'] =>
  ({ samples: latencies.count, p50Ms: latencies.quantile(0.5), p99Ms: latencies.quantile(0.99) })

async function until(unixSeconds: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const wait = unixSeconds * 1_000 - Date.now()
  if (wait > 0) await sleep(wait, undefined, { signal })
}
