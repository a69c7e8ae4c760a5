import type { Abi, View } from './abi.js'
import { ScheduleError } from './errors.js'
import { ZERO_ADDRESS } from './facts.js'
import type { Hex, Operator, Roster, Variant } from './facts.js'
import type { L1 } from './l1.js'

/** Where who may propose is said, and in which generation of contracts. */
export interface Contracts {
  readonly variant: Variant
  /** The inbox's proposer checker: the lookahead store, or the whitelist itself. */
  readonly checker: Hex
  readonly whitelist: Hex
}

/** The most operators that a whitelist can have: it counts them in a byte. */
const MAX_OPERATORS = 255
/** Reads of one snapshot at a time. */
const AT_A_TIME = 4

/** Reads of Taiko's contracts on L1, each as of one block. @throws ScheduleError as `L1` does */
export class ContractReader {
  constructor(private readonly l1: L1, private readonly abi: Abi, private readonly inbox: Hex) {}

  /** Tells the generations apart. @throws ScheduleError `unknown_contract` */
  async find(block: Hex): Promise<Contracts> {
    const checker = await this.checker(block)
    const answers = async (view: View): Promise<boolean> => await this.l1.call(checker, this.abi.encode(view), block) !== undefined
    const store = await answers('getLookaheadStoreConfig') ? 'lookahead' : await answers('LOOKAHEAD_BUFFER_SIZE') ? 'packed-lookahead' : undefined
    if (store !== undefined) return { variant: store, checker, whitelist: await this.#address(checker, 'preconfWhitelist', block) }
    if (await answers('operatorCount')) return { variant: 'whitelist', checker, whitelist: checker }
    throw new ScheduleError('unknown_contract', 'the inbox names a proposer checker that is neither a lookahead store nor a whitelist', checker)
  }

  /** Whoever says who may propose, by the inbox. */
  async checker(block: Hex): Promise<Hex> {
    const config = await this.l1.call(this.inbox, GET_CONFIG, block)
    if (config === undefined) throw new ScheduleError('unknown_contract', 'there is no inbox of Taiko at this address', this.inbox)
    return this.abi.checkerIn(config)
  }

  /** The whitelist as it is after a block. */
  async roster(whitelist: Hex, block: Hex): Promise<Roster> {
    const count = Number(await this.#value(whitelist, 'operatorCount', block))
    if (!(count >= 0 && count <= MAX_OPERATORS)) throw new ScheduleError('bad_response', 'operatorCount: out of range', 'operatorCount')
    const [latestActivation, operators] = await Promise.all([
      // an earlier whitelist does not have it: then an operator counts by its own time
      this.l1.call(whitelist, this.abi.encode('latestActivationEpoch'), block),
      inTurn(Array.from({ length: count }, (_, index) => BigInt(index)), AT_A_TIME, async index => {
        const proposer = await this.#address(whitelist, 'operatorMapping', block, index)
        return this.#operator(whitelist, proposer, block)
      }),
    ])
    return { operators, latestActivation: latestActivation === undefined ? Infinity : Number(this.abi.decode('latestActivationEpoch', latestActivation)[0]) }
  }

  /** Whom the whitelist itself names for the epoch of a block; `undefined`: nobody. */
  async electedIn(whitelist: Hex, block: Hex): Promise<Operator | undefined> {
    const proposer = await this.#address(whitelist, 'getOperatorForCurrentEpoch', block)
    return proposer === ZERO_ADDRESS ? undefined : this.#operator(whitelist, proposer, block)
  }

  /** Whether an operator of the lookahead may act as of a block; `undefined`: the contract does not say. */
  async active({ variant, checker }: Contracts, root: Hex, block: Hex, time: number): Promise<boolean | undefined> {
    if (variant === 'packed-lookahead') {
      const answer = await this.l1.call(checker, this.abi.encode('isOperatorActive', root, BigInt(time)), block)
      return answer === undefined ? undefined : this.abi.decode('isOperatorActive', answer)[0] === true
    }
    const [blacklistedAt, unBlacklistedAt] = await this.#values(checker, 'getBlacklist', block, root)
    return !(Number(blacklistedAt) > Number(unBlacklistedAt))
  }

  async #operator(whitelist: Hex, proposer: Hex, block: Hex): Promise<Operator> {
    const [activeSince, , , sequencer] = await this.#values(whitelist, 'operators', block, proposer)
    return { proposer, sequencer: String(sequencer).toLowerCase() as Hex, activeSince: Number(activeSince) }
  }

  async #address(to: Hex, view: View, block: Hex, ...args: readonly (Hex | bigint)[]): Promise<Hex> {
    return String(await this.#value(to, view, block, ...args)).toLowerCase() as Hex
  }

  async #value(to: Hex, view: View, block: Hex, ...args: readonly (Hex | bigint)[]): Promise<unknown> {
    return (await this.#values(to, view, block, ...args))[0]
  }

  async #values(to: Hex, view: View, block: Hex, ...args: readonly (Hex | bigint)[]): Promise<readonly unknown[]> {
    const answer = await this.l1.call(to, this.abi.encode(view, ...args), block)
    if (answer === undefined) throw new ScheduleError('unknown_contract', `${view}: the contract does not answer`, to)
    return this.abi.decode(view, answer)
  }
}

/** `getConfig()`: of what it returns only the second word is read, whatever comes behind it. */
const GET_CONFIG: Hex = '0xc3f909d4'

/** Maps with at most so many under way; results in order. */
export async function inTurn<T, R>(items: readonly T[], atATime: number, map: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) results[index] = await map(items[index]!)
  }
  await Promise.all(Array.from({ length: Math.min(atATime, items.length) }, worker))
  return results
}
