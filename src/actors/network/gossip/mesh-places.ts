import type { PeerKey } from '../../../protocol/peer-key.js'

/** A peer in a mesh. */
export interface MeshPlace {
  readonly peer: PeerKey
  /** Its address; `undefined` if no limit applies to it. */
  readonly address: string | undefined
  /** Its gossip score; above zero only if it has delivered something. */
  readonly score: number
  /** We dialled it. */
  readonly outbound: boolean
}

/**
 * The peers to prune from a mesh because their address holds more than its share of places (SPEC §8, H71): peers without a delivery first,
 * then by lowest score, inbound ones before outbound ones.
 */
export function beyondShare(mesh: readonly MeshPlace[], perAddress: number): PeerKey[] {
  const byAddress = new Map<string, MeshPlace[]>()
  for (const place of mesh) if (place.address !== undefined) byAddress.set(place.address, [...byAddress.get(place.address) ?? [], place])
  return [...byAddress.values()].flatMap(places => places
    .sort((a, b) => b.score - a.score || Number(b.outbound) - Number(a.outbound))
    .slice(perAddress).map(({ peer }) => peer))
}
