import { seconds } from '../../kernel/index.js'
import { ENDPOINT_DEFAULTS, checkEndpoints, checkPositive, endpointsIn, givenOf, majorityOf } from '../endpoints-config.js'
import type { EndpointsConfig } from '../endpoints-config.js'
import { ScheduleError } from '../errors.js'

/** How the confirmed tip is read from L2 execution clients. Times in milliseconds. */
export interface ConfirmationsConfig extends EndpointsConfig {
  /** How often they are asked. */
  readonly pollEvery: number
  /** Nothing was read for so long: the confirmed tip is not followed any more. */
  readonly staleAfter: number
  /** How long chain may take to make a tip durable. */
  readonly confirmWithin: number
}

export interface L2Options extends Partial<Omit<ConfirmationsConfig, 'urls'>> {
  /** JSON-RPC endpoints of L2 execution clients, `http(s)://…`. */
  readonly rpc: string | readonly string[]
}

const POSITIVE = ['pollEvery', 'staleAfter', 'confirmWithin', 'callWithin', 'retryFirst', 'retryLast', 'maxResponse'] as const

/** All options, filled in and checked. @throws ScheduleError `bad_config` */
export function confirmationsConfig({ rpc, ...options }: L2Options): ConfirmationsConfig {
  const { urls, wakers } = endpointsIn(rpc, 'L2')
  if (wakers.length > 0) throw new ScheduleError('bad_config', 'an endpoint of L2 is http: or https:')
  const config: ConfirmationsConfig = {
    ...ENDPOINT_DEFAULTS, pollEvery: seconds(4), staleAfter: seconds(36), confirmWithin: seconds(30), quorum: majorityOf(urls.length), ...givenOf(options), urls,
  }
  checkPositive(config, POSITIVE)
  checkEndpoints(config)
  return config
}
