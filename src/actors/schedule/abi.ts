import { ScheduleError } from './errors.js'
import { ZERO_ADDRESS } from './facts.js'
import type { Hex, PostedSlot } from './facts.js'
import type { Log } from './l1.js'
import type { SlotClock } from './time.js'
import { SLOT, EPOCH } from './time.js'

/** What a log of the store or of the whitelist says. In the packed generation a post names its slots by their hash alone. */
export type Event =
  | { readonly kind: 'posted'; readonly epoch: number; readonly hash: Hex; readonly slots: readonly PostedSlot[] | undefined }
  | { readonly kind: 'blacklisted' | 'unblacklisted'; readonly root: Hex }
  | { readonly kind: 'added'; readonly proposer: Hex; readonly sequencer: Hex; readonly activeSince: number }
  | { readonly kind: 'removed'; readonly proposer: Hex; readonly sequencer: Hex }

/** A packed slot: committer, time, leaf index, registration root. */
const PACKED = 20 + 6 + 2 + 32
/** Bytes of the hash of a post. */
const HASH = 26

const FUNCTIONS = [
  'function getLookaheadStoreConfig() view returns (uint16, uint80, uint80)',
  'function LOOKAHEAD_BUFFER_SIZE() view returns (uint256)',
  'function preconfWhitelist() view returns (address)',
  'function getBlacklist(bytes32) view returns (uint48, uint48)',
  'function isOperatorActive(bytes32, uint256) view returns (bool)',
  'function operatorCount() view returns (uint8)',
  'function operatorMapping(uint256) view returns (address)',
  'function operators(address) view returns (uint32, uint32, uint8, address)',
  'function latestActivationEpoch() view returns (uint32)',
  'function getOperatorForCurrentEpoch() view returns (address)',
  'function propose(bytes lookahead, bytes data)',
] as const

const EVENTS = [
  'struct LookaheadSlot { address committer; uint256 timestamp; bytes32 registrationRoot; uint256 validatorLeafIndex; }',
  'event LookaheadPosted(uint256 indexed epochTimestamp, bytes32 lookaheadHash, LookaheadSlot[] lookaheadSlots)',
  'event Blacklisted(bytes32 indexed operatorRegistrationRoot, uint48 timestamp)',
  'event Unblacklisted(bytes32 indexed operatorRegistrationRoot, uint48 timestamp)',
  'event OperatorAdded(address indexed proposer, address indexed sequencer, uint256 activeSince)',
  'event OperatorRemoved(address indexed proposer, address indexed sequencer, uint256 inactiveSince)',
] as const
const PACKED_EVENTS = ['event LookaheadPosted(uint256 indexed epochTimestamp, bytes26 lookaheadHash)'] as const

/** Views of the contracts, by name. */
export type View =
  | 'getLookaheadStoreConfig' | 'LOOKAHEAD_BUFFER_SIZE' | 'preconfWhitelist' | 'getBlacklist' | 'isOperatorActive' | 'operatorCount' | 'operatorMapping'
  | 'operators' | 'latestActivationEpoch' | 'getOperatorForCurrentEpoch'

/** Reads and writes what the contracts speak. */
export type Abi = Awaited<ReturnType<typeof loadAbi>>

/** Loads viem. What a contract says in a wrong form throws ScheduleError `bad_response`. */
export async function loadAbi() {
  const { parseAbi, encodeFunctionData, decodeFunctionResult, decodeFunctionData, decodeEventLog, decodeAbiParameters, encodeAbiParameters, parseAbiParameters, keccak256, toEventSelector, toFunctionSelector } = await import('viem')
  const functions = parseAbi(FUNCTIONS)
  const events = [...parseAbi(EVENTS), ...parseAbi(PACKED_EVENTS)]
  const topics = new Set<string>(events.flatMap(each => each.type === 'event' ? [toEventSelector(each)] : []))
  const lookaheadData = parseAbiParameters(['(uint256 slotIndex, bytes currLookahead, bytes nextLookahead, bytes commitmentSignature)'])
  const slotList = parseAbiParameters(['uint256', '(address committer, uint256 timestamp, bytes32 registrationRoot, uint256 validatorLeafIndex)[]'])
  const proposeSelector = toFunctionSelector('propose(bytes,bytes)')

  const orBad = <T>(what: string, read: () => T): T => {
    try { return read() } catch (error) {
      throw error instanceof ScheduleError ? error : new ScheduleError('bad_response', `${what}: cannot be read`, what, { cause: error })
    }
  }

  /** The hash under which slots are posted; the first 26 bytes, as hex. */
  const hashOf = (bytes: Hex): Hex => keccak256(bytes).slice(0, 2 + 2 * HASH) as Hex

  /** The bytes of `nextLookahead` within the input of a transaction that calls `propose`, itself or through another contract. */
  const lookaheadIn = (input: Hex): readonly Hex[] => {
    const found: Hex[] = []
    const selector = proposeSelector.slice(2)
    for (let at = input.indexOf(selector, 2); at >= 0 && found.length < MAX_CALLS; at = input.indexOf(selector, at + 2)) {
      if (at % 2 !== 0) continue
      try {
        const call = decodeFunctionData({ abi: functions, data: `0x${input.slice(at)}` })
        if (call.functionName !== 'propose') continue
        const [data] = decodeAbiParameters(lookaheadData, call.args[0])
        found.push(data.nextLookahead)
      } catch { /* the bytes of a selector, and no call */ }
    }
    return found
  }

  return {
    /** Topics of all events that matter. */
    topics,
    keccak256,

    encode(view: View, ...args: readonly (Hex | bigint)[]): Hex {
      return encodeFunctionData({ abi: functions, functionName: view, args } as Parameters<typeof encodeFunctionData<typeof functions>>[0])
    },

    /** The values of an answer; a single one is a list of one. */
    decode(view: View, data: Hex): readonly unknown[] {
      return orBad(view, () => {
        const value: unknown = decodeFunctionResult({ abi: functions, functionName: view, data })
        return Array.isArray(value) ? value as readonly unknown[] : [value]
      })
    },

    /** The second word of `getConfig`'s answer: whoever says who may propose. */
    checkerIn(config: Hex): Hex {
      if (config.length < 2 + 128) throw new ScheduleError('bad_response', 'getConfig: two words at least', 'getConfig')
      return `0x${config.slice(2 + 64 + 24, 2 + 128)}`
    },

    /** `undefined`: none that matters. */
    event({ topics: given, data }: Log): Event | undefined {
      const [topic] = given
      if (topic === undefined || !topics.has(topic)) return undefined
      return orBad('eth_getLogs', () => {
        const { eventName, args } = decodeEventLog({ abi: events, topics: given as [Hex, ...Hex[]], data })
        switch (eventName) {
          case 'LookaheadPosted': {
            const hash = args.lookaheadHash.slice(0, 2 + 2 * HASH).toLowerCase() as Hex
            const slots = 'lookaheadSlots' in args ? args.lookaheadSlots : undefined
            if (slots !== undefined && hashOf(encodeAbiParameters(slotList, [args.epochTimestamp, slots])) !== hash) throw new ScheduleError('bad_response', 'LookaheadPosted: its slots have another hash', hash)
            return {
              kind: 'posted', epoch: Number(args.epochTimestamp), hash,
              slots: slots?.map(slot => ({ committer: low(slot.committer), time: Number(slot.timestamp), root: low(slot.registrationRoot) })),
            }
          }
          case 'Blacklisted': return { kind: 'blacklisted', root: low(args.operatorRegistrationRoot) }
          case 'Unblacklisted': return { kind: 'unblacklisted', root: low(args.operatorRegistrationRoot) }
          case 'OperatorAdded': return { kind: 'added', proposer: low(args.proposer), sequencer: low(args.sequencer), activeSince: Number(args.activeSince) }
          case 'OperatorRemoved': return { kind: 'removed', proposer: low(args.proposer), sequencer: low(args.sequencer) }
        }
      })
    },

    /** The slots that a post of the packed generation names, from the transaction that posted them; `undefined`: they are not in it. */
    slotsIn(input: Hex, epoch: number, hash: Hex): readonly PostedSlot[] | undefined {
      const prefix = epoch.toString(16).padStart(64, '0')
      const packed = lookaheadIn(input).find(bytes => hashOf(`0x${prefix}${bytes.slice(2)}`) === hash)
      if (packed === undefined) return undefined
      const count = Math.floor((packed.length - 2) / 2 / PACKED)
      return Array.from({ length: count }, (_, index) => {
        const record = packed.slice(2 + index * 2 * PACKED, 2 + (index + 1) * 2 * PACKED)
        return { committer: `0x${record.slice(0, 40)}`, time: Number(`0x${record.slice(40, 52)}`), root: `0x${record.slice(56)}` }
      })
    },
  }
}

/** Calls to `propose` that are looked at in one transaction. */
const MAX_CALLS = 16

const low = (hex: Hex): Hex => hex.toLowerCase() as Hex

/** Whether a list of slots keeps the contract's own rules: rising, each the start of a slot of the epoch, each with a committer. */
export function slotsAreSound(epoch: number, slots: readonly PostedSlot[], { genesis }: SlotClock): boolean {
  if (epoch < genesis || (epoch - genesis) % EPOCH !== 0) return false
  return slots.every(({ committer, time }, index) =>
    committer !== ZERO_ADDRESS && time >= epoch && time < epoch + EPOCH && (time - epoch) % SLOT === 0 && (index === 0 || time > slots[index - 1]!.time))
}
