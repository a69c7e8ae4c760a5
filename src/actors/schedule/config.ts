import { hours, seconds } from '../kernel/index.js'
import { fromHex, toHex } from '../../protocol/index.js'
import { ScheduleError } from './errors.js'
import type { Hex } from './facts.js'

export type FallbackSigner = 'proposer' | 'sequencer' | 'both'
export type Confirmations = 'latest' | 'safe' | 'finalized'

/** How L1 is followed. Times in milliseconds. */
export interface ScheduleConfig {
  /** Endpoints that are asked, `http:` or `https:`, the preferred one first. */
  readonly urls: readonly string[]
  /** Endpoints that only say that there is a new block, `ws:` or `wss:`. */
  readonly wakers: readonly string[]
  /** Taiko's inbox on L1. */
  readonly inbox: Hex
  /** So many endpoints have to give the same answer. Default: a majority of three or more, else 1. */
  readonly quorum: number
  /** Which of an operator's two addresses signs as the fallback. */
  readonly fallbackSigner: FallbackSigner
  /** More than 0: the fallback of the next epoch may sign in the last window of this one too. */
  readonly handoverSlots: number
  /** Which of L1's blocks count. */
  readonly confirmations: Confirmations
  /** When slot 0 began, seconds; left out: by chain id, and 0 where that is not known. */
  readonly genesis: number | undefined

  /** How often the newest block is looked for while a new one is late, and how soon again while one is due. */
  readonly pollEvery: number
  readonly pollSoon: number
  /** An endpoint answers within this. */
  readonly callWithin: number
  /** Pauses after failures, doubled from the first to the last. */
  readonly retryFirst: number
  readonly retryLast: number
  /** Bytes of one answer. */
  readonly maxResponse: number
  /** A newest block older than this by wall time: L1 is not followed any more. */
  readonly staleAfter: number
  /** A reorg deeper than so many blocks is read anew. */
  readonly maxReorg: number
  /** So far back windows are answered. */
  readonly history: number
  /** Blocks that one request for logs spans at first, and requests under way while history is read. */
  readonly logRange: number
  readonly concurrency: number
  /** Lookups of old windows that wait. */
  readonly maxWaiting: number
  /** How long the store may take. */
  readonly storeWithin: number
}

export interface L1Options extends Partial<Omit<ScheduleConfig, 'urls' | 'wakers' | 'inbox'>> {
  /** JSON-RPC endpoints of L1: `http(s)://…`, and `ws(s)://…` for those that only announce new blocks. At least one of the first kind. */
  readonly rpc: string | readonly string[]
  /** Taiko's inbox on L1: 20 bytes, or 40 hex digits. */
  readonly inbox: string | Uint8Array
}

const defaults: Omit<ScheduleConfig, 'urls' | 'wakers' | 'inbox' | 'quorum'> = {
  fallbackSigner: 'both',
  handoverSlots: 0,
  confirmations: 'latest',
  genesis: undefined,
  pollEvery: seconds(4),
  pollSoon: seconds(1),
  callWithin: seconds(5),
  retryFirst: 200,
  retryLast: seconds(5),
  maxResponse: 4 * 1_048_576,
  staleAfter: seconds(36),
  maxReorg: 64,
  history: hours(24 * 14),
  logRange: 10_000,
  concurrency: 4,
  maxWaiting: 1_024,
  storeWithin: seconds(5),
}

const POSITIVE = ['pollEvery', 'pollSoon', 'callWithin', 'retryFirst', 'retryLast', 'maxResponse', 'staleAfter', 'maxReorg', 'logRange', 'concurrency', 'maxWaiting', 'storeWithin'] as const

/** All options, filled in and checked. @throws ScheduleError `bad_config` */
export function scheduleConfig({ rpc, inbox, ...options }: L1Options): ScheduleConfig {
  const all = typeof rpc === 'string' ? [rpc] : rpc
  const wakers = all.filter(url => protocolOf(url).startsWith('ws'))
  const urls = all.filter(url => !wakers.includes(url))
  if (urls.length === 0) throw new ScheduleError('bad_config', 'at least one endpoint of L1 is http: or https:', rpc)
  if (new Set(all).size < all.length) throw new ScheduleError('bad_config', 'an endpoint of L1 is given twice', rpc)
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<ScheduleConfig>
  const quorum = urls.length > 2 ? Math.floor(urls.length / 2) + 1 : 1
  const config: ScheduleConfig = { ...defaults, quorum, ...given, urls, wakers, inbox: addressOf(inbox) }
  for (const name of POSITIVE) if (!(config[name] > 0 && config[name] < Infinity)) throw new ScheduleError('bad_config', `${name} is above 0`, config[name])
  if (!Number.isInteger(config.quorum) || config.quorum < 1 || config.quorum > urls.length) {
    throw new ScheduleError('bad_config', `the quorum is from 1 to ${urls.length}, the number of endpoints that are asked`, config.quorum)
  }
  if (!Number.isInteger(config.handoverSlots) || config.handoverSlots < 0 || config.handoverSlots > 32) {
    throw new ScheduleError('bad_config', 'handoverSlots is from 0 to 32', config.handoverSlots)
  }
  if (!(config.history >= 0)) throw new ScheduleError('bad_config', 'history is not negative', config.history)
  if (config.genesis !== undefined && !(Number.isSafeInteger(config.genesis) && config.genesis >= 0)) throw new ScheduleError('bad_config', 'genesis is a time in whole seconds', config.genesis)
  oneOf('fallbackSigner', config.fallbackSigner, ['proposer', 'sequencer', 'both'])
  oneOf('confirmations', config.confirmations, ['latest', 'safe', 'finalized'])
  return config
}

function oneOf(name: string, value: string, choices: readonly string[]): void {
  if (!choices.includes(value)) throw new ScheduleError('bad_config', `${name} is one of ${choices.join(', ')}`, value)
}

/** The scheme of an endpoint's address. @throws ScheduleError `bad_config`; a URL may hold a secret, so it is not repeated */
function protocolOf(url: string): string {
  let parsed: URL
  try { parsed = new URL(url) } catch { throw new ScheduleError('bad_config', 'an endpoint of L1 is no URL') }
  if (!['http:', 'https:', 'ws:', 'wss:'].includes(parsed.protocol)) throw new ScheduleError('bad_config', 'an endpoint of L1 is http:, https:, ws: or wss:', parsed.protocol)
  return parsed.protocol
}

function addressOf(address: string | Uint8Array): Hex {
  try {
    const bytes = typeof address === 'string' ? fromHex(address, 20) : address
    if (bytes instanceof Uint8Array && bytes.length === 20) return `0x${toHex(bytes)}`
  } catch { /* said below */ }
  throw new ScheduleError('bad_config', 'the inbox is an address of 40 hex digits', address)
}
