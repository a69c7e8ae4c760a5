/** The end of a signer's turn (SPEC §6, EOP). */
interface Signed { readonly number: bigint; readonly eop: boolean; readonly handoverOnly: boolean }

/**
 * The first height that a signer may not sign any more in this window: the one above an EOP that carries a block; with a hand-over
 * without a block the very height that it names, since the next signer's block takes that.
 */
export const turnEndsAt = ({ number, handoverOnly }: Signed): bigint => handoverOnly ? number : number + 1n

/** The end of its signer's turn that a block comes after, in the order of the chain (not of arrival); an EOP itself never does. */
export function brokenTurnEnd<E extends Signed>(block: Signed, ends: Iterable<E>): E | undefined {
  if (block.eop) return undefined
  for (const end of ends) if (block.number >= turnEndsAt(end)) return end
  return undefined
}
