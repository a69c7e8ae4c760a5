import { setTimeout as sleep } from 'node:timers/promises'
import { GetCommitmentsByNumberRequestCodec, GetHeadRequestCodec, GetRawTxListRequestCodec, fromHex } from '../../src/protocol/index.js'
import type { MixedNetwork } from './mixed-network.js'
import type { OurNode, Peer, RustPeer } from './nodes.js'

export const TWO_MIB = 2_097_152

export interface Pace {
  /** Between two blocks, ms. */
  readonly blockEvery: number
  /** Between two bursts, ms; each of `large` txlists of 2 MiB and `small` ones. */
  readonly burstEvery: number
  readonly large: number
  readonly small: number
  /** Between two rounds in which every Rust peer asks every node of ours, ms. */
  readonly askEvery: number
}

const randomSize = (): number => 1_024 + Math.floor(Math.random() * 100 * 1_024)

/** Publishes at that pace for so long; publishers take turns, ours and theirs. */
export async function publishFor(net: MixedNetwork, ms: number, pace: Pace): Promise<void> {
  const end = performance.now() + ms
  let nextBurst = performance.now() + pace.burstEvery / 2
  for (let turn = 0; performance.now() < end; turn++) {
    const publishers = inTurn(net)
    const by = publishers[turn % publishers.length]!
    // a publisher of ours has the parent of what it publishes
    await net.settled()
    if (performance.now() < nextBurst) await (turn % 5 === 4 ? net.publish(by, TWO_MIB) : net.publish(by, randomSize(), false))
    else {
      nextBurst += pace.burstEvery
      for (let at = 0; at < pace.large; at++) await net.publish(by, TWO_MIB)
      for (let at = 0; at < pace.small; at++) await net.publish(by, randomSize())
    }
    await sleep(Math.max(0, Math.min(pace.blockEvery, end - performance.now())))
  }
}

/** Rust and ours alternating; the late node, which knows Rust peers only, as well. */
function inTurn(net: MixedNetwork): readonly Peer[] {
  const of = (peers: readonly Peer[]): readonly Peer[] => peers.filter(peer => net.live.has(peer))
  const rust = of(net.rust)
  return of([...net.ours, net.late]).flatMap((peer, at) => [peer, rust[at % rust.length]!])
}

/** What came of the Rust peers' requests to nodes of ours. */
export interface Asked { requests: number; commitments: number; txListBytes: number; slowestMs: number; readonly failures: string[] }

/** Every Rust peer asks every node of ours for its head, for the last page and for a txlist, until `over`. */
export async function askOurs(net: MixedNetwork, pace: Pace, over: AbortSignal): Promise<Asked> {
  const asked: Asked = { requests: 0, commitments: 0, txListBytes: 0, slowestMs: 0, failures: [] }
  while (!over.aborted) {
    await sleep(pace.askEvery, undefined, { signal: over }).catch(() => undefined)
    if (over.aborted || net.everywhere === 0) continue
    const nodes = net.ours.filter(node => net.live.has(node))
    await Promise.all(net.rust.flatMap(from => nodes.map(async to => askOnce(net, from, to, asked))))
  }
  return asked
}

async function askOnce(net: MixedNetwork, from: RustPeer, to: OurNode, asked: Asked): Promise<void> {
  const seen = await from.seen(to)
  if ((seen?.connections ?? 0) === 0) return
  const ask = async (kind: 'head' | 'commitments' | 'txList', body: Uint8Array): Promise<Buffer> => {
    const began = performance.now()
    const answer = await from.request(to, kind, body)
    asked.requests++
    asked.slowestMs = Math.max(asked.slowestMs, performance.now() - began)
    return answer
  }
  try {
    const known = net.blocks.slice(0, net.everywhere)
    const page = known.slice(-200)
    const any = known[Math.floor(Math.random() * known.length)]!
    await ask('head', GetHeadRequestCodec.encode({ reserved: new Uint8Array(0) }))
    const commitments = await ask('commitments', GetCommitmentsByNumberRequestCodec.encode({ startBlockNumber: page[0]!.blockNumber, maxCount: page.length }))
    asked.commitments += (commitments.length - 4) / 382
    if (!commitments.subarray(4).equals(Buffer.concat(page.map(({ ssz }) => ssz)))) asked.failures.push(`${to.name} answered ${from.name} with another page`)
    const txList = await ask('txList', GetRawTxListRequestCodec.encode({ rawTxListHash: fromHex(any.txListHash) }))
    asked.txListBytes += txList.length - 36
    if (txList.length === 36) asked.failures.push(`${to.name} does not have the txlist of block ${any.blockNumber}`)
  } catch (error) {
    asked.failures.push(`${from.name} asking ${to.name}: ${error instanceof Error ? error.message : String(error)}`)
  }
}
