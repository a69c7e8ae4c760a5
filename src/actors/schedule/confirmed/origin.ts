import type { Ask, Endpoints } from '../endpoints.js'
import { ScheduleError } from '../errors.js'
import type { Hex } from '../facts.js'

/** The last L2 block that L1 has, by an L2 execution client (LOOKAHEAD §10). */
export interface Origin {
  readonly blockNumber: bigint
  readonly blockHash: Hex
  /** The L1 block that has it. */
  readonly l1Block: bigint
}

/** Heights that a block of the protocol may have (SPEC §6). */
const MAX_HEIGHT = 2n ** 64n - 2n
const METHOD = 'taiko_headL1Origin'

/** Reads the confirmed tip of several clients. */
export class Origins {
  /** Endpoints whose chain was seen to be ours. */
  readonly #ours = new Set<number>()

  /** @param chainId of L2: a client of another chain says nothing of ours */
  constructor(private readonly endpoints: Endpoints, private readonly quorum: number, private readonly chainId: bigint) {}

  /**
   * The highest block that as many clients as the quorum say L1 has, at least: one that lies high or lags moves nothing. `undefined`: they say that it has none.
   * @throws ScheduleError
   */
  async confirmed(): Promise<Origin | undefined> {
    const answers = await this.endpoints.all(async (ask, at) => {
      await this.#checkChain(ask, at)
      return headOrigin(ask)
    })
    const known = answers.filter(each => each !== undefined).sort((a, b) => a.blockNumber < b.blockNumber ? 1 : -1)
    return known[this.quorum - 1]
  }

  async #checkChain(ask: Ask, at: number): Promise<void> {
    if (this.#ours.has(at)) return
    let chainId: unknown
    try {
      chainId = await ask('eth_chainId', [])
    } catch (error) {
      // one that serves the origin alone is as good
      if (!(error instanceof ScheduleError && error.code === 'rpc_refused')) throw error
    }
    const its = integerOf(chainId)
    if (its !== undefined && its !== this.chainId) throw new ScheduleError('bad_response', `eth_chainId: it is a client of chain ${its}, and not of ${this.chainId}`, 'eth_chainId')
    this.#ours.add(at)
  }
}

async function headOrigin(ask: Ask): Promise<Origin | undefined> {
  let answer: unknown
  try {
    answer = await ask(METHOD, [])
  } catch (error) {
    // clients refuse where they have none yet
    if (error instanceof ScheduleError && error.code === 'rpc_refused' && /not found/i.test(error.message)) return undefined
    throw error
  }
  if (answer === null || answer === undefined) return undefined
  if (typeof answer !== 'object' || Array.isArray(answer)) throw bad('no object')
  const { blockID, l2BlockHash, l1BlockHeight } = answer as Readonly<Record<'blockID' | 'l2BlockHash' | 'l1BlockHeight', unknown>>
  const blockNumber = integerOf(blockID)
  if (blockNumber === undefined || blockNumber > MAX_HEIGHT) throw bad('no block number')
  if (typeof l2BlockHash !== 'string' || !/^0x[0-9a-fA-F]{64}$/.test(l2BlockHash)) throw bad('no hash of a block')
  const l1Block = integerOf(l1BlockHeight ?? 0)
  if (l1Block === undefined) throw bad('no height of L1')
  // so a client tells of a block that is but a preconfirmation: after a reorg of L1 the pointer may be left on one
  if (l1Block === 0n) return undefined
  return { blockNumber, blockHash: l2BlockHash.toLowerCase() as Hex, l1Block }
}

/** Clients write numbers as hex or decimal text, or as numbers. */
function integerOf(value: unknown): bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? BigInt(value) : undefined
  return typeof value === 'string' && /^(0x[0-9a-fA-F]{1,64}|\d{1,78})$/.test(value) ? BigInt(value) : undefined
}

const bad = (what: string): ScheduleError => new ScheduleError('bad_response', `${METHOD}: the answer is ${what}`, METHOD)
