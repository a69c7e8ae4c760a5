import type { Ask, Endpoints } from './endpoints.js'
import { ScheduleError } from './errors.js'
import { ZERO_HASH } from './facts.js'
import type { Header, Hex } from './facts.js'

/** A log of L1, its shape checked. */
export interface Log {
  readonly address: Hex
  readonly topics: readonly Hex[]
  readonly data: Hex
  readonly blockNumber: number
  readonly blockHash: Hex
  readonly transactionHash: Hex
  readonly index: number
}

export type Tag = 'latest' | 'safe' | 'finalized' | 'earliest'

/** Logs of one block, or of a range of blocks. */
export type LogRange = { readonly blockHash: Hex } | { readonly from: number; readonly to: number }

/** The most logs that one answer is believed to hold: the answer's bytes are bounded before. */
const MAX_LOGS = 20_000

/** Typed reads of L1. What endpoints answer is checked for its form, and for being what was asked for. Each throws ScheduleError. */
export class L1 {
  constructor(private readonly endpoints: Endpoints) {}

  async chainId(): Promise<bigint> {
    return this.endpoints.agree(async ask => BigInt(hexOf(await ask('eth_chainId', []), 'eth_chainId')), String)
  }

  /**
   * The newest block that the quorum has: of the endpoints' own newest ones that height which so many of them have reached. `counts` is
   * false of one that is too old to be the newest.
   */
  async newest(tag: Tag, quorum: number, counts: (header: Header) => boolean): Promise<Header> {
    const newest = await this.endpoints.each(async ask => headerBy(ask, tag), counts)
    const sorted = [...newest].sort((a, b) => b.number - a.number)
    const common = sorted[quorum - 1]
    if (common === undefined) throw new ScheduleError('no_quorum', `fewer than ${quorum} endpoints tell their newest block`, quorum)
    if (newest.filter(each => headerKey(each) === headerKey(common)).length >= quorum) return common
    return this.headerAt(common.number)
  }

  headerAt(number: number): Promise<Header> { return this.endpoints.agree(async ask => headerBy(ask, number), headerKey) }

  headerOf(hash: Hex): Promise<Header> {
    return this.endpoints.agree(async ask => {
      const header = headerOf(await ask('eth_getBlockByHash', [hash, false]), 'eth_getBlockByHash', hash)
      if (header.hash !== hash) throw bad('eth_getBlockByHash', 'another block')
      return header
    }, headerKey)
  }

  /** In the order of the chain. */
  logs(range: LogRange, addresses: readonly Hex[]): Promise<readonly Log[]> {
    const where = 'blockHash' in range ? { blockHash: range.blockHash } : { fromBlock: quantity(range.from), toBlock: quantity(range.to) }
    return this.endpoints.agree(async ask => {
      const answer = await ask('eth_getLogs', [{ ...where, address: addresses }])
      if (!Array.isArray(answer) || answer.length > MAX_LOGS) throw bad('eth_getLogs', 'no list')
      const logs = answer.map(logOf)
      for (const { address, blockHash, blockNumber } of logs) {
        const inside = 'blockHash' in range ? blockHash === range.blockHash : blockNumber >= range.from && blockNumber <= range.to
        if (!inside || !addresses.includes(address)) throw bad('eth_getLogs', 'a log that was not asked for')
      }
      return logs.sort((a, b) => a.blockNumber - b.blockNumber || a.index - b.index)
    }, logs => JSON.stringify(logs))
  }

  /** What a call answers as of a block; `undefined` where the contract reverts or there is none. */
  call(to: Hex, data: Hex, blockHash: Hex): Promise<Hex | undefined> {
    return this.endpoints.agree(async ask => {
      let answer: unknown
      try {
        answer = await ask('eth_call', [{ to, data }, { blockHash }])
      } catch (error) {
        if (isRevert(error)) return undefined
        throw error
      }
      const result = hexOf(answer, 'eth_call')
      return result === '0x' ? undefined : result
    }, String)
  }

  /** The input of a transaction, and to whom it went. */
  transaction(hash: Hex): Promise<{ readonly to: Hex | undefined; readonly input: Hex }> {
    return this.endpoints.agree(async ask => {
      const answer = await ask('eth_getTransactionByHash', [hash])
      if (answer === null) throw new ScheduleError('not_there', 'an endpoint has no such transaction', hash)
      const { to, input, hash: its } = recordOf(answer, 'eth_getTransactionByHash')
      if (lower(its) !== hash) throw bad('eth_getTransactionByHash', 'another transaction')
      return { to: to === null || to === undefined ? undefined : sized(to, 20, 'eth_getTransactionByHash'), input: hexOf(input, 'eth_getTransactionByHash') }
    }, ({ to, input }) => `${to} ${input}`)
  }

  /** What is found in the input of a call within a transaction, where an endpoint traces it. What `find` finds has to prove itself: one endpoint is enough. */
  withinTransaction<T>(hash: Hex, find: (input: Hex) => T | undefined): Promise<T | undefined> {
    return this.endpoints.any(async ask => {
      for (const input of inputsIn(await ask('debug_traceTransaction', [hash, { tracer: 'callTracer' }]))) {
        const found = find(input)
        if (found !== undefined) return found
      }
      return undefined
    })
  }
}

/** Calls of one trace that are looked at. */
const MAX_CALLS = 4_096

/** The inputs of all calls of a trace, from the outside in. */
function * inputsIn(trace: unknown): IterableIterator<Hex> {
  const open: unknown[] = [trace]
  for (let seen = 0; open.length > 0 && seen < MAX_CALLS; seen++) {
    const { input, calls } = recordOf(open.shift(), 'debug_traceTransaction') as unknown as { readonly input: unknown; readonly calls?: unknown }
    if (Array.isArray(calls)) open.push(...(calls as unknown[]).slice(0, MAX_CALLS))
    if (input !== undefined) yield hexOf(input, 'debug_traceTransaction')
  }
}

async function headerBy(ask: Ask, block: Tag | number): Promise<Header> {
  const header = headerOf(await ask('eth_getBlockByNumber', [typeof block === 'number' ? quantity(block) : block, false]), 'eth_getBlockByNumber', block)
  if (typeof block === 'number' && header.number !== block) throw bad('eth_getBlockByNumber', 'another block')
  return header
}

/** What the endpoints have to agree on: all of it. */
const headerKey = ({ number, hash, parentHash, time, beaconRoot, logsBloom }: Header): string =>
  [number, hash, parentHash, time, beaconRoot, logsBloom].join(' ')

function headerOf(answer: unknown, method: string, asked: unknown): Header {
  if (answer === null) throw new ScheduleError('not_there', 'an endpoint has no such block', asked)
  const { number, hash, parentHash, timestamp, parentBeaconBlockRoot, logsBloom } = recordOf(answer, method)
  return {
    number: safe(number, method), hash: sized(hash, 32, method), parentHash: sized(parentHash, 32, method), time: safe(timestamp, method),
    beaconRoot: parentBeaconBlockRoot === undefined || parentBeaconBlockRoot === null ? ZERO_HASH : sized(parentBeaconBlockRoot, 32, method),
    logsBloom: typeof logsBloom === 'string' && logsBloom.length === 514 ? hexOf(logsBloom, method) : undefined,
  }
}

function logOf(answer: unknown): Log {
  const method = 'eth_getLogs'
  const { address, topics, data, blockNumber, blockHash, transactionHash, logIndex } = recordOf(answer, method)
  if (!Array.isArray(topics) || topics.length > 4) throw bad(method, 'topics')
  return {
    address: sized(address, 20, method), topics: topics.map(topic => sized(topic, 32, method)), data: hexOf(data, method),
    blockNumber: safe(blockNumber, method), blockHash: sized(blockHash, 32, method), transactionHash: sized(transactionHash, 32, method),
    index: safe(logIndex, method),
  }
}

/** A contract's own refusal, not the endpoint's: code 3, or an old client's text. */
function isRevert(error: unknown): boolean {
  if (!(error instanceof ScheduleError) || error.code !== 'rpc_refused') return false
  return error.value === 3 || /revert|invalid opcode|selector was not recognized/i.test(error.message)
}

function recordOf(value: unknown, method: string): Readonly<Record<'number' | 'hash' | 'parentHash' | 'timestamp' | 'parentBeaconBlockRoot' | 'logsBloom'
  | 'address' | 'topics' | 'data' | 'blockNumber' | 'blockHash' | 'transactionHash' | 'logIndex' | 'to' | 'input', unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(method, 'no object')
  return value as ReturnType<typeof recordOf>
}

const lower = (value: unknown): unknown => typeof value === 'string' ? value.toLowerCase() : value

function hexOf(value: unknown, method: string): Hex {
  if (typeof value !== 'string' || !/^0x[0-9a-fA-F]*$/.test(value)) throw bad(method, 'no hex')
  return value.toLowerCase() as Hex
}

function sized(value: unknown, bytes: number, method: string): Hex {
  const hex = hexOf(value, method)
  if (hex.length !== 2 + 2 * bytes) throw bad(method, `not ${bytes} bytes`)
  return hex
}

function safe(value: unknown, method: string): number {
  const hex = hexOf(value, method)
  const number = hex.length > 2 ? Number(hex) : NaN
  if (!Number.isSafeInteger(number)) throw bad(method, 'no number')
  return number
}

const bad = (method: string, what: string): ScheduleError => new ScheduleError('bad_response', `${method}: the answer is ${what}`, method)
const quantity = (value: number): Hex => `0x${value.toString(16)}`
