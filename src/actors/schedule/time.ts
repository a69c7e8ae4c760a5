/** L1's time: whole seconds since the epoch of Unix. */
export const SLOT = 12
export const EPOCH = 32 * SLOT

/** When slot 0 began, by L1 chain id. Any other chain counts from 0, as the contracts do. */
const GENESIS: ReadonlyMap<bigint, number> = new Map([
  [1n, 1_606_824_023],
  [17_000n, 1_695_902_400],
  [560_048n, 1_742_213_400],
  [7_014_190_335n, 1_718_967_660],
])

export const genesisOf = (chainId: bigint): number => GENESIS.get(chainId) ?? 0

/** Slots and epochs of one chain. An epoch is named by the time of its first slot. */
export class SlotClock {
  constructor(readonly genesis: number) {}

  /** The epoch that a time lies in. */
  epochOf(time: number): number { return this.genesis + Math.floor((time - this.genesis) / EPOCH) * EPOCH }

  /** Whether a slot begins then. */
  isSlot(time: number): boolean { return time >= this.genesis && (time - this.genesis) % SLOT === 0 }
}
