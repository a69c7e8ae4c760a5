import { hours, seconds } from '../kernel/index.js'
import { fromHex, toHex } from '../../protocol/index.js'
import { ENDPOINT_DEFAULTS, checkEndpoints, checkPositive, endpointsIn, givenOf, majorityOf } from './endpoints-config.js'
import type { EndpointsConfig } from './endpoints-config.js'
import { ScheduleError } from './errors.js'
import type { Hex } from './facts.js'

export type FallbackSigner = 'proposer' | 'sequencer' | 'both'
export type Confirmations = 'latest' | 'safe' | 'finalized'

/** How L1 is followed. Times in milliseconds. */
export interface ScheduleConfig extends EndpointsConfig {
  /** Endpoints that only say that there is a new block, `ws:` or `wss:`. */
  readonly wakers: readonly string[]
  /** Taiko's inbox on L1. */
  readonly inbox: Hex
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
  ...ENDPOINT_DEFAULTS,
  fallbackSigner: 'both',
  handoverSlots: 0,
  confirmations: 'latest',
  genesis: undefined,
  pollEvery: seconds(4),
  pollSoon: seconds(1),
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
  const { urls, wakers } = endpointsIn(rpc, 'L1')
  const config: ScheduleConfig = { ...defaults, quorum: majorityOf(urls.length), ...givenOf(options), urls, wakers, inbox: addressOf(inbox) }
  checkPositive(config, POSITIVE)
  checkEndpoints(config)
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

function addressOf(address: string | Uint8Array): Hex {
  try {
    const bytes = typeof address === 'string' ? fromHex(address, 20) : address
    if (bytes instanceof Uint8Array && bytes.length === 20) return `0x${toHex(bytes)}`
  } catch { /* said below */ }
  throw new ScheduleError('bad_config', 'the inbox is an address of 40 hex digits', address)
}
