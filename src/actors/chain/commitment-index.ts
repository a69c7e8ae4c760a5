import type { Commitment } from './commitment.js'
import type { CommitmentStatus } from './ports.js'

/**
 * The commitments that are objects: near the head, pending, or beside the chain. Everything is found by hash, by parent, by height,
 * by what may be signed once (equivocation) and by turn (hand-over). What is older lies in the store only.
 */
export class CommitmentIndex {
  /** In the order of arrival. */
  readonly pending = new Set<Commitment>()
  /** Known and not canonical, in the order of becoming so. */
  readonly aside = new Set<Commitment>()
  readonly #byHash = new Map<string, Commitment>()
  // Nearly all of these hold one: an array is a fifth of a set.
  readonly #children = new Map<string, Commitment[]>()
  readonly #heights = new Map<bigint, Commitment[]>()
  readonly #blocks = new Map<bigint, Commitment>()
  readonly #slots = new Map<string, Commitment[]>()
  readonly #ends = new Map<string, Commitment[]>()

  /** @param dropped hears of each commitment that leaves */
  constructor(private readonly dropped: (commitment: Commitment) => void = () => undefined) {}

  get size(): number { return this.#byHash.size }

  get(key: string): Commitment | undefined { return this.#byHash.get(key) }

  /** The canonical block of a height. */
  blockAt(height: bigint): Commitment | undefined { return this.#blocks.get(height) }

  /** Canonical hand-overs without a block that name this height. */
  handoversAt(height: bigint): Commitment[] {
    return this.at(height).filter(({ handoverOnly, standing }) => handoverOnly && standing === 'canonical')
  }

  /** Whatever is known of a height. Changes while commitments come and go, as do the lists below: to be copied by who makes them. */
  at(height: bigint): readonly Commitment[] { return this.#heights.get(height) ?? NONE }

  childrenOf(key: string): readonly Commitment[] { return this.#children.get(key) ?? NONE }

  /** The first of this signer, window and height; where the application has retired that one, the next that came. */
  first(slot: string): Commitment | undefined {
    const all = this.#slots.get(slot)
    return all?.find(({ standing }) => standing !== 'retired') ?? all?.[0]
  }

  /** The ends of a signer's turn. */
  endsOf(turn: string): readonly Commitment[] { return this.#ends.get(turn) ?? NONE }

  add(commitment: Commitment, standing: CommitmentStatus): void {
    commitment.keep()
    const { key, parentKey, number, slot, eop, turn, rival } = commitment
    this.#byHash.set(key, commitment)
    into(this.#children, parentKey, commitment)
    into(this.#heights, number, commitment)
    // A rival was refused: it bars nobody.
    if (slot !== undefined && !rival) into(this.#slots, slot, commitment)
    if (eop && !rival) into(this.#ends, turn, commitment)
    this.move(commitment, standing)
  }

  move(commitment: Commitment, standing: CommitmentStatus): void {
    this.pending.delete(commitment)
    this.aside.delete(commitment)
    if (this.#blocks.get(commitment.number) === commitment) this.#blocks.delete(commitment.number)
    commitment.standing = standing
    if (standing === 'pending') this.pending.add(commitment)
    else if (standing !== 'canonical') this.aside.add(commitment)
    else if (!commitment.handoverOnly) this.#blocks.set(commitment.number, commitment)
  }

  remove(commitment: Commitment): void {
    const { key, parentKey, number, slot, turn } = commitment
    if (this.#byHash.get(key) !== commitment) return
    this.#byHash.delete(key)
    outOf(this.#children, parentKey, commitment)
    outOf(this.#heights, number, commitment)
    outOf(this.#ends, turn, commitment)
    if (slot !== undefined) outOf(this.#slots, slot, commitment)
    if (this.#blocks.get(number) === commitment) this.#blocks.delete(number)
    this.pending.delete(commitment)
    this.aside.delete(commitment)
    this.dropped(commitment)
  }

  /** The highest block that waits for its parent at or above a height; of our own there may be several on their way. */
  highestPending(from = 0n): bigint | undefined {
    let highest: bigint | undefined
    for (const { number, handoverOnly, own } of this.pending) if (!handoverOnly && !own && number >= from && (highest === undefined || number > highest)) highest = number
    return highest
  }

  /** Lets go of every height below `height`. */
  prune(height: bigint): void {
    for (const [known, commitments] of this.#heights) if (known < height) for (const commitment of [...commitments]) this.remove(commitment)
  }

  * [Symbol.iterator](): IterableIterator<Commitment> { yield* this.#byHash.values() }
}

const NONE: readonly Commitment[] = []

function into<K>(map: Map<K, Commitment[]>, key: K, commitment: Commitment): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [commitment])
  else if (!list.includes(commitment)) list.push(commitment)
}

function outOf<K>(map: Map<K, Commitment[]>, key: K, commitment: Commitment): void {
  const list = map.get(key)
  if (list === undefined) return
  const at = list.indexOf(commitment)
  if (at < 0) return
  if (list.length === 1) map.delete(key)
  else list.splice(at, 1)
}
