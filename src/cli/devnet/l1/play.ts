import { setTimeout as sleep } from 'node:timers/promises'
import type { KeySigner } from '../../../protocol/index.js'
import { DEFAULT_CHAIN_ID, toHex } from '../../../protocol/index.js'
import type { Hex, PostedSlot } from '../../../actors/schedule/facts.js'
import type { WindowRow } from '../../../actors/schedule/ingress.js'
import { EPOCH, SLOT } from '../../../actors/schedule/time.js'
import { UsageError } from '../../failure.js'
import type { Display } from '../display.js'
import type { NodeProcess } from '../node-process.js'
import type { Turn } from '../sequencer.js'
import { DevL1, rootNamed } from './dev-l1.js'
import { L2StandIn } from './l2-stand-in.js'

const NAMES = ['alice', 'bob'] as const
type Name = typeof NAMES[number]

/** One slot of L1: what happens in the block that begins it, and who signs in it then. */
interface Scene {
  readonly signer: Name
  /** As the node tells it once it has read that block. */
  readonly as: WindowRow['as']
  readonly happens: string
  readonly act: (l1: DevL1, play: L1Play) => Promise<void>
}

const NOTHING = async (): Promise<void> => undefined
const BOB = rootNamed('bob')

/** The lookahead of the epoch names alice and bob in turn, in its first seven slots; the whitelist has alice and bob, of whom the first is elected. */
const POSTED: readonly Name[] = ['alice', 'bob', 'alice', 'bob', 'alice', 'bob', 'alice']
const SCENES: readonly Scene[] = [
  { signer: 'alice', as: 'lookahead', happens: 'the epoch has begun; its lookahead names alice and bob in turn', act: NOTHING },
  { signer: 'bob', as: 'lookahead', happens: 'the next slot', act: NOTHING },
  { signer: 'alice', as: 'lookahead', happens: 'bob is struck off', act: l1 => l1.blacklist(BOB) },
  { signer: 'bob', as: 'lookahead', happens: 'a reorg: the block that struck bob off is gone', act: NOTHING },
  { signer: 'alice', as: 'lookahead', happens: 'bob is struck off again', act: l1 => l1.blacklist(BOB) },
  { signer: 'alice', as: 'both', happens: 'bob\'s slot: alice signs as the fallback', act: NOTHING },
  { signer: 'alice', as: 'lookahead', happens: 'alice leaves the whitelist', act: (l1, play) => l1.remove(play.addressOf('alice')) },
  { signer: 'bob', as: 'fallback', happens: 'behind the last posted slot: the whitelist elects bob', act: NOTHING },
  { signer: 'alice', as: 'lookahead', happens: 'the next lookahead is posted: its first slot, alice\'s, has the rest of this epoch', act: (l1, play) => l1.post(play.epoch + EPOCH, [play.slot(play.epoch + EPOCH + SLOT, 'alice')]) },
]
/** The turn that a reorg of the last block begins. */
const REORG = 3
/** A block of L1 that is older than 36 s is not followed any more. */
const MAX_SLOT_SECONDS = 12
/** L1's time is so far ahead of the clock, s: nodes that take long to start find no block that is too old. */
const AHEAD = 300
const KNOWN_WITHIN = 60_000
const LOOK_EVERY = 100

/** How the blocks of a run are spread over its turns. @throws UsageError where a slot of L1 would be longer than on mainnet */
export function turnLength(blocks: number, blocksPerSecond: number): number {
  const perTurn = Math.ceil(blocks / SCENES.length)
  const most = SCENES.length * Math.floor(MAX_SLOT_SECONDS * blocksPerSecond)
  if (blocks > most) throw new UsageError(`with --l1 there are at most ${most} blocks at ${blocksPerSecond} a second: a slot of L1 is no longer than ${MAX_SLOT_SECONDS} s`)
  return perTurn
}

/** A real L1 and what happens on it during a run of the devnet; and an L2 client that says what L1 has. */
export class L1Play {
  /** What the terminal shows of L1 now. */
  shown: readonly string[] = []

  private constructor(readonly l1: DevL1, readonly l2: L2StandIn, readonly epoch: number, private readonly signers: readonly KeySigner[], private readonly display: Display) {}

  /** Starts L1: an epoch begins, with its lookahead posted. @throws Error where there is no chain to start, with the remedy */
  static async start(signers: readonly KeySigner[], display: Display): Promise<L1Play> {
    const epoch = Math.floor(Date.now() / 1_000) + AHEAD
    const l1 = await DevL1.start({ time: epoch - 4 * EPOCH, genesis: epoch % EPOCH })
    let l2: L2StandIn | undefined
    try {
      l2 = await L2StandIn.start(DEFAULT_CHAIN_ID)
      const play = new L1Play(l1, l2, epoch, signers, display)
      for (const name of NAMES) await l1.add(play.addressOf(name), play.addressOf(name), EPOCH)
      // one block a few epochs back, one where the fallback's randomness is taken: the slots between are missed
      for (const time of [epoch - 3 * EPOCH, epoch - 2 * EPOCH + SLOT, epoch - EPOCH]) await l1.mine(time)
      await l1.post(epoch, POSTED.map((name, turn) => play.slot(play.#endOfSlot(turn), name)))
      await l1.mine(epoch - SLOT)
      await l1.mine(epoch)
      display.happened({ event: 'l1', text: `L1 is a development chain (anvil) at ${l1.url}`, fields: { url: l1.url, inbox: l1.inbox, epoch } })
      return play
    } catch (error) {
      await Promise.all([l1.stop(), l2?.close()])
      throw error
    }
  }

  /** The turns, in the order of the scenes. */
  get turns(): readonly Turn[] {
    return SCENES.map(({ signer }, turn) => ({ preconfer: NAMES.indexOf(signer), end: this.#endOf(turn) }))
  }

  /** How a node follows this L1. */
  get nodeOptions(): readonly string[] {
    const { url, wsUrl, inbox, genesis } = this.l1
    return ['--l1.rpc', url, '--l1.rpc', wsUrl, '--l1.inbox', inbox, '--l1.genesis', String(genesis), '--l2.rpc', this.l2.url, '--l2.confirm']
  }

  addressOf(name: Name): Hex { return `0x${toHex(this.signers[NAMES.indexOf(name)]!.address)}` }
  slot(time: number, name: Name): PostedSlot { return { time, committer: this.addressOf(name), root: rootNamed(name) } }

  /** Begins a turn's slot on L1. Resolves when these nodes know who signs in it, and tells so. */
  async begin(turn: number, nodes: readonly NodeProcess[], signal: AbortSignal): Promise<void> {
    const { happens, act, as } = SCENES[turn]!
    await act(this.l1, this)
    if (turn === REORG) await this.l1.reorg(1)
    else if (turn > 0) await this.l1.mine(this.epoch + SLOT * turn)
    const { number, time } = await this.l1.head()
    this.display.happened({ event: 'l1', text: `L1 block ${number}: ${happens}`, fields: { block: number, time, turn, happens } })
    this.#show(number, happens, [])
    let rows: readonly WindowRow[] = []
    for (const node of nodes) rows = await this.#known(node, turn, time, signal)
    const present = rows.findIndex(({ to }) => to === this.#endOf(turn))
    const [now, ...next] = rows.slice(present, present + 3).map(row => this.#told(row))
    this.#show(number, happens, [now!, ...next])
    this.display.happened({ event: 'l1Signers', text: `  now ${now}${next.length === 0 ? '' : `; then ${next.join('; then ')}`}`, fields: { turn, as, now: rows[present]!, next: rows.slice(present + 1, present + 3) } })
  }

  /** L1 has the blocks up to this one. */
  confirm(blockNumber: bigint): void { this.l2.confirmed = blockNumber }

  async stop(): Promise<void> { await Promise.all([this.l1.stop(), this.l2.close()]) }

  /** The windows of the present epoch, once the node knows that of this turn. */
  async #known(node: NodeProcess, turn: number, time: number, signal: AbortSignal): Promise<readonly WindowRow[]> {
    const { as, signer } = SCENES[turn]!
    const deadline = performance.now() + KNOWN_WITHIN
    let told = 'nothing'
    while (performance.now() < deadline) {
      const { windows } = await node.call('schedule', { time: String(time) }) as unknown as { readonly windows: readonly (Omit<WindowRow, 'from' | 'to'> & { readonly from: string; readonly to: string })[] | null }
      const rows = (windows ?? []).map(row => ({ ...row, from: Number(row.from), to: Number(row.to) }))
      const row = rows.find(({ to }) => to === this.#endOf(turn))
      if (row?.as === as && row.signers.includes(this.addressOf(signer))) return rows
      told = row === undefined ? 'nothing' : this.#told(row)
      await sleep(LOOK_EVERY, undefined, { signal })
    }
    throw new Error(`${node.name} does not know who signs in turn ${turn + 1}: ${told}`)
  }

  #endOfSlot(turn: number): number { return this.epoch + SLOT * (turn + 1) }

  #endOf(turn: number): number {
    if (turn < POSTED.length) return this.#endOfSlot(turn)
    return turn === POSTED.length ? this.epoch + EPOCH - SLOT : this.epoch + EPOCH + SLOT
  }

  #told({ to, signers, why }: WindowRow): string {
    const names = signers.map(address => NAMES.find(name => this.addressOf(name) === address) ?? address)
    return `${names.join(' or ') || 'nobody'} until slot ${(to - this.epoch) / SLOT}: ${why}`
  }

  #show(block: number, happens: string, told: readonly string[]): void {
    const labels = ['now ', 'then', 'then']
    this.shown = [`L1    block ${block}: ${happens}`, ...told.map((text, at) => `${labels[at]!}  ${text}`)]
  }
}
