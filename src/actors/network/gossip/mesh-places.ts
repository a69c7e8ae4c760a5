import type { PeerKey } from '../../../protocol/peer-key.js'

/** A peer in a mesh, as the choice needs it. */
export interface MeshPlace {
  readonly peer: PeerKey
  /** Where it comes from; `undefined`: nothing holds for its address. */
  readonly address: string | undefined
  /** Its gossip score. Who never delivered anything has none above zero. */
  readonly score: number
  /** We have dialled it: that was our choice, not its. */
  readonly outbound: boolean
}

/**
 * Who has to leave a mesh because others of its address hold as many of its places as one address may (SPEC §8, H71): who never delivered anything
 * first, then the lowest score; of equals those that came to us.
 */
export function beyondShare(mesh: readonly MeshPlace[], perAddress: number): PeerKey[] {
  const byAddress = new Map<string, MeshPlace[]>()
  for (const place of mesh) if (place.address !== undefined) byAddress.set(place.address, [...byAddress.get(place.address) ?? [], place])
  return [...byAddress.values()].flatMap(places => places
    .sort((a, b) => b.score - a.score || Number(b.outbound) - Number(a.outbound))
    .slice(perAddress).map(({ peer }) => peer))
}
