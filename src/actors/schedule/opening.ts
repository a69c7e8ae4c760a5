import type { Clock, Logger, Random } from '../kernel/index.js'
import { loadAbi } from './abi.js'
import type { ScheduleConfig } from './config.js'
import { ContractReader } from './contracts.js'
import type { Contracts } from './contracts.js'
import { Endpoints } from './endpoints.js'
import type { Header } from './facts.js'
import { L1 } from './l1.js'
import { Loader } from './loading.js'
import type { Begun } from './loading.js'
import { FactReader } from './reading.js'
import type { Settled } from './record.js'
import { httpRpc } from './rpc.js'
import type { OpenRpc } from './rpc.js'
import { SlotClock, genesisOf } from './time.js'

/** What reads L1, once the contracts are found. */
export interface Reading {
  readonly l1: L1
  readonly chainId: bigint
  readonly clock: SlotClock
  readonly contracts: Contracts
  readonly reader: ContractReader
  readonly facts: FactReader
  readonly loader: Loader
}

export interface Opened extends Begun { readonly reading: Reading }

/** What was kept, of which chain and contracts: of any others it is worth nothing. */
export interface Kept extends Settled { readonly chainId: bigint; readonly contracts: Contracts; readonly genesis: number }

/** What an opening needs. */
export interface Ground {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly signal: AbortSignal
}

/** The endpoints; they are there for as long as the actor, over every opening. */
export async function openEndpoints(config: ScheduleConfig, ground: Ground, open?: OpenRpc): Promise<Endpoints> {
  return new Endpoints(open ?? await httpRpc(), config, ground)
}

/** Finds the contracts, and reads L1 up to its newest block. @throws ScheduleError */
export async function openL1(config: ScheduleConfig, endpoints: Endpoints, kept: Kept | undefined, counts: (header: Header) => boolean): Promise<Opened> {
  const [abi, l1] = [await loadAbi(), new L1(endpoints)]
  const chainId = await l1.chainId()
  const clock = new SlotClock(config.genesis ?? genesisOf(chainId))
  const head = await l1.newest(config.confirmations, config.quorum, counts)
  const reader = new ContractReader(l1, abi, config.inbox)
  const contracts = await reader.find(head.hash)
  const facts = new FactReader(l1, abi, contracts, reader, clock)
  const loader = new Loader(l1, facts, reader, clock, config)
  const old = kept !== undefined && isOf(kept, chainId, contracts, clock) ? kept : undefined
  // what was kept is taken on where the rest is not more than is answered at all
  const from = old !== undefined && old.until > head.time - config.history / 1_000 ? old.until : Infinity
  const begun = await loader.begin(head, from)
  if (old !== undefined) begun.record.adopt(old)
  return { ...begun, reading: { l1, chainId, clock, contracts, reader, facts, loader } }
}

function isOf({ chainId, contracts, genesis }: Kept, its: bigint, now: Contracts, clock: SlotClock): boolean {
  return chainId === its && genesis === clock.genesis && contracts.variant === now.variant && contracts.checker === now.checker && contracts.whitelist === now.whitelist
}
