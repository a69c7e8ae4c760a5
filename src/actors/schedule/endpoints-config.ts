import { seconds } from '../kernel/index.js'
import { ScheduleError } from './errors.js'

/** Whom to ask, and how. Times in milliseconds. */
export interface EndpointsConfig {
  /** Endpoints that are asked, `http:` or `https:`, the preferred one first. */
  readonly urls: readonly string[]
  /** So many endpoints have to give the same answer. Default: a majority of three or more, else 1. */
  readonly quorum: number
  /** An endpoint answers within this. */
  readonly callWithin: number
  /** Pauses after failures, doubled from the first to the last. */
  readonly retryFirst: number
  readonly retryLast: number
  /** Bytes of one answer. */
  readonly maxResponse: number
}

export const ENDPOINT_DEFAULTS = { callWithin: seconds(5), retryFirst: 200, retryLast: seconds(5), maxResponse: 4 * 1_048_576 } as const

export const majorityOf = (endpoints: number): number => endpoints > 2 ? Math.floor(endpoints / 2) + 1 : 1

/** The endpoints of an option, by their schemes: those that are asked, and those that only announce. @throws ScheduleError `bad_config` */
export function endpointsIn(rpc: string | readonly string[], of: 'L1' | 'L2'): { readonly urls: readonly string[]; readonly wakers: readonly string[] } {
  const all = typeof rpc === 'string' ? [rpc] : rpc
  const wakers = all.filter(url => protocolOf(url, of).startsWith('ws'))
  const urls = all.filter(url => !wakers.includes(url))
  if (urls.length === 0) throw new ScheduleError('bad_config', `at least one endpoint of ${of} is http: or https:`)
  if (new Set(all).size < all.length) throw new ScheduleError('bad_config', `an endpoint of ${of} is given twice`)
  return { urls, wakers }
}

/** @throws ScheduleError `bad_config` */
export function checkEndpoints({ quorum, urls }: EndpointsConfig): void {
  if (!Number.isInteger(quorum) || quorum < 1 || quorum > urls.length) {
    throw new ScheduleError('bad_config', `the quorum is from 1 to ${urls.length}, the number of endpoints that are asked`, quorum)
  }
}

/** @throws ScheduleError `bad_config` */
export function checkPositive<K extends string>(config: Readonly<Record<K, number>>, names: readonly K[]): void {
  for (const name of names) if (!(config[name] > 0 && config[name] < Infinity)) throw new ScheduleError('bad_config', `${name} is above 0`, config[name])
}

/** Options that were given, over their defaults: one that is `undefined` was not. */
export const givenOf = <T extends object>(options: T): T => Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T

/** The scheme of an endpoint's address. @throws ScheduleError `bad_config`; a URL may hold a secret, so it is not repeated */
function protocolOf(url: string, of: string): string {
  let parsed: URL
  try { parsed = new URL(url) } catch { throw new ScheduleError('bad_config', `an endpoint of ${of} is no URL`) }
  if (!['http:', 'https:', 'ws:', 'wss:'].includes(parsed.protocol)) throw new ScheduleError('bad_config', `an endpoint of ${of} is http:, https:, ws: or wss:`, parsed.protocol)
  return parsed.protocol
}
