import type { Abi } from './abi.js'
import { slotsAreSound } from './abi.js'
import type { ContractReader, Contracts } from './contracts.js'
import { ScheduleError } from './errors.js'
import type { Fact, Hex, PostedSlot } from './facts.js'
import type { L1, Log } from './l1.js'
import type { SlotClock } from './time.js'

/** Turns logs into facts. */
export class FactReader {
  constructor(private readonly l1: L1, private readonly abi: Abi, readonly contracts: Contracts, readonly reader: ContractReader, private readonly clock: SlotClock) {}

  get addresses(): readonly Hex[] {
    const { checker, whitelist } = this.contracts
    return checker === whitelist ? [checker] : [checker, whitelist]
  }

  /** Whether a block's bloom says that it may hold something for us. */
  mayMatter(bloom: Hex | undefined): boolean {
    return bloom === undefined || this.addresses.some(address => inBloom(bloom, address, this.abi.keccak256))
  }

  /** What logs say, in their order. @throws ScheduleError */
  async facts(logs: readonly Log[]): Promise<readonly { readonly log: Log; readonly fact: Fact }[]> {
    const found: { log: Log; fact: Fact }[] = []
    for (const log of logs) {
      const fact = await this.#fact(log)
      if (fact !== undefined) found.push({ log, fact })
    }
    return found
  }

  async #fact(log: Log): Promise<Fact | undefined> {
    const { variant, checker, whitelist } = this.contracts
    const event = this.abi.event(log)
    if (event === undefined) return undefined
    if (event.kind === 'added' || event.kind === 'removed') {
      if (log.address !== whitelist) return undefined
      const { kind, ...operator } = event
      return kind === 'added' ? { kind, operator: operator as Extract<typeof event, { kind: 'added' }> } : { kind, ...operator }
    }
    if (log.address !== checker || variant === 'whitelist') return undefined
    switch (event.kind) {
      case 'posted': {
        const slots = event.slots ?? await this.#packedSlots(log, event.epoch, event.hash)
        return { kind: 'posted', epoch: event.epoch, slots: slots !== undefined && slotsAreSound(event.epoch, slots, this.clock) ? slots : undefined }
      }
      case 'blacklisted': return { kind: 'activity', root: event.root, active: false }
      // of the packed generation that was but one of the reasons
      case 'unblacklisted': return { kind: 'activity', root: event.root, active: variant === 'lookahead' ? true : undefined }
    }
  }

  /** `undefined`: the hash matches nothing in the transaction, so that nobody is believed. */
  async #packedSlots({ transactionHash }: Log, epoch: number, hash: Hex): Promise<readonly PostedSlot[] | undefined> {
    try {
      const find = (input: Hex) => this.abi.slotsIn(input, epoch, hash)
      return find((await this.l1.transaction(transactionHash)).input) ?? await this.l1.withinTransaction(transactionHash, find)
    } catch (error) {
      if (error instanceof ScheduleError && error.code === 'rpc_refused') return undefined
      throw error
    }
  }
}

/** Whether a bloom filter of logs may contain something (three bits of its hash, Yellow Paper 4.3.1). */
function inBloom(bloom: Hex, item: Hex, keccak256: (bytes: Hex) => Hex): boolean {
  const hash = keccak256(item)
  return [0, 2, 4].every(pair => {
    const bit = Number.parseInt(hash.slice(2 + 2 * pair, 6 + 2 * pair), 16) & 2_047
    const byte = 255 - (bit >> 3)
    return (Number.parseInt(bloom.slice(2 + 2 * byte, 4 + 2 * byte), 16) & (1 << (bit & 7))) !== 0
  })
}
