import { setTimeout as sleep } from 'node:timers/promises'
import { fromHex } from '../../src/protocol/index.js'
import { until } from '../support/until.js'
import { Blocks, TIP } from './blocks.js'
import type { Check } from './network-run.js'
import { OurNode, RustPeer } from './nodes.js'
import { TWO_MIB } from './traffic.js'

const RUST_PEERS = 3

/**
 * H40: a node of ours stops while three Rust peers fetch a txlist of 2 MiB from it, sooner or later in the course of that. Whoever is
 * not answered in full has banned it until its own restart.
 */
export async function stopInTheMiddle(program: string, stops: number, log: (line: string) => void): Promise<readonly Check[]> {
  const failures: string[] = []
  for (let stop = 0; stop < stops; stop++) failures.push(...await stopOnce(program, stop * 60 / stops))
  log(`H40: ${stops} stops, ${stops * RUST_PEERS} exchanges, ${failures.length} of them failed`)
  return [{
    what: `H40: ${stops} stops while ${RUST_PEERS} Rust peers fetch a txlist of 2 MiB`, ok: failures.length === 0,
    found: failures.length === 0 ? 'no exchange failed, no ban' : `${failures.length} of ${stops * RUST_PEERS} failed, each a ban: ${failures[0]}`,
  }]
}

/** Gives what failed. */
async function stopOnce(program: string, after: number): Promise<readonly string[]> {
  const block = await (await Blocks.create()).next(TWO_MIB)
  const node = new OurNode('n1', { confirmedTip: TIP })
  const peers = Array.from({ length: RUST_PEERS }, (_, at) => new RustPeer(`r${at + 1}`, program))
  try {
    await Promise.all([node, ...peers].map(async peer => peer.start()))
    await node.publishTxList(block)
    await node.publishCommitment(block)
    for (const peer of peers) await node.dial(peer)
    await Promise.all(peers.map(async peer => until(async () => (await peer.seen(node))?.agent !== '', 'identified')))
    const answers = peers.map(async peer => peer.request(node, 'txList', fromHex(block.txListHash)).then(() => undefined, (error: unknown) => String(error)))
    // what is still on its way to a node that has already left nobody can save
    await until(async () => await node.txListRequests() >= RUST_PEERS, 'all requests under way')
    await sleep(after)
    await node.stop()
    return (await Promise.all(answers)).filter(failure => failure !== undefined)
  } finally {
    await Promise.all([node, ...peers].map(async peer => peer.stop()))
  }
}
