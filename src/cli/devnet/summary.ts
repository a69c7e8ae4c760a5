import type { BrokerSummary } from './broker.js'
import type { HeldChain } from './compare.js'
import { ms, plain, table } from './frame.js'
import type { Paint } from './frame.js'
import type { Tally } from './tally.js'

/**
 * From the moment that the late node is up until it holds what the others held then, ms: the blocks, and their txlists.
 * `undefined`: never.
 */
export interface CatchUp { readonly blocks: number; readonly ms: number | undefined; readonly txListsMs: number | undefined }

/** How a devnet run ended. */
export interface Summary {
  readonly ok: boolean
  readonly seconds: number
  /** Commitments: blocks, and hand-overs without a block. */
  readonly published: number
  readonly blocks: number
  readonly txListBytes: number
  /** From the publisher's command to the commitment's acceptance at another node, ms. */
  readonly latency: { readonly samples: number; readonly p50Ms: number | undefined; readonly p99Ms: number | undefined }
  readonly catchUp: CatchUp
  /** Each node's chain, held against what was published, hash by hash. Empty where the run was interrupted. */
  readonly chains: readonly HeldChain[]
  /** Where the stream went to a broker. */
  readonly broker?: BrokerSummary | undefined
  readonly nodes: readonly Tally[]
  readonly failures: readonly string[]
}

const LABEL = 11

export function summaryText(
  { ok, seconds, published, blocks, txListBytes, latency, catchUp, chains, broker, nodes, failures }: Summary,
  paint: Paint = plain,
): string {
  const line = (label: string, text: string): string => `${paint('faint', label.padEnd(LABEL))} ${text}`
  return [
    ...table(nodes, paint),
    '',
    line('published', `${whatWas(published, blocks)}, ${mebibytes(txListBytes)} of txlists, in ${seconds.toFixed(1)} s`),
    line('latency', `published to accepted elsewhere: p50 ${ms(latency.p50Ms)}, p99 ${ms(latency.p99Ms)} of ${latency.samples}`),
    line(
      'catch-up',
      catchUp.ms === undefined
        ? paint('bad', 'none')
        : `${catchUp.blocks} blocks behind; caught up in ${ms(catchUp.ms)}, their txlists in ${ms(catchUp.txListsMs)}`,
    ),
    ...chains.map(chain => line(`chain`, `${chain.node.padEnd(6)} ${chainText(chain, paint)}`)),
    ...broker === undefined ? [] : [line('broker', brokerText(broker, paint))],
    ...failures.map(failure => line(paint('bad', 'FAILED'.padEnd(LABEL)), failure)),
    '',
    ok
      ? paint('good', 'All four nodes hold the same chain.')
      : paint('bad', chains.length === 0 ? 'The nodes were not compared.' : 'The nodes do NOT all hold the same chain.'),
  ].join('\n')
}

function chainText({ commitments, same, firstDifference, txListsMissing }: HeldChain, paint: Paint): string {
  const chain = same
    ? `${commitments} commitments, the same hash by hash`
    : paint('bad', `${commitments} commitments, DIFFERENT: ${firstDifference ?? ''}`)
  return `${chain}, ${txListsMissing === 0 ? 'all txlists' : paint('bad', `${txListsMissing} TXLISTS MISSING`)}`
}

function brokerText({ url, subject, blocks, rewinds, same }: BrokerSummary, paint: Paint): string {
  return `${url} ${subject}: ${blocks} blocks and ${rewinds} rewinds, ${same ? 'the same hash by hash' : paint('bad', 'DIFFERENT')}`
}

const mebibytes = (bytes: number): string => `${(bytes / 1_048_576).toFixed(1)} MiB`

function whatWas(published: number, blocks: number): string {
  const bare = published - blocks
  return bare === 0 ? `${blocks} blocks` : `${blocks} blocks and ${bare} bare hand-over${bare === 1 ? '' : 's'}`
}
