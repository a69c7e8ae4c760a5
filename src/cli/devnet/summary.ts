import type { Tally } from './tally.js'
import { tableText } from './display.js'

/** How a devnet run ended. */
export interface Summary {
  readonly ok: boolean
  readonly seconds: number
  /** Blocks and hand-overs published. */
  readonly published: number
  readonly txListBytes: number
  /** From the publisher's command to the commitment's acceptance at another node, ms. */
  readonly latency: { readonly samples: number; readonly p50Ms: number | undefined; readonly p99Ms: number | undefined }
  /** From the late node's start until it held what the others held then. */
  readonly catchUp: { readonly blocks: number; readonly ms: number | undefined }
  /** Each node's chain, held against what was published, hash by hash. */
  readonly chains: readonly { readonly node: string; readonly commitments: number; readonly same: boolean; readonly firstDifference: string | undefined; readonly txListsMissing: number }[]
  readonly nodes: readonly Tally[]
  readonly failures: readonly string[]
}

const ms = (value: number | undefined): string => value === undefined ? 'none' : `${value.toFixed(1)} ms`

export function summaryText({ ok, seconds, published, txListBytes, latency, catchUp, chains, nodes, failures }: Summary): string {
  return [
    '', tableText(nodes), '',
    `published     ${published} commitments, ${(txListBytes / 1_024).toFixed(0)} KiB of txlists, in ${seconds.toFixed(1)} s`,
    `latency       publish to accepted elsewhere: p50 ${ms(latency.p50Ms)}, p99 ${ms(latency.p99Ms)} (${latency.samples} samples)`,
    `catch-up      ${catchUp.blocks} blocks behind, caught up after ${ms(catchUp.ms)}`,
    ...chains.map(({ node, commitments, same, firstDifference, txListsMissing }) =>
      `chain         ${node.padEnd(8)} ${commitments} commitments, ${same ? 'the same hash by hash' : `DIFFERENT: ${firstDifference ?? ''}`}, ${txListsMissing === 0 ? 'all txlists' : `${txListsMissing} TXLISTS MISSING`}`),
    ...failures.map(failure => `FAILED        ${failure}`),
    ok ? 'All four nodes hold the same chain.' : 'The nodes do NOT hold the same chain.', '',
  ].join('\n')
}
