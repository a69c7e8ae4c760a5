/** The rules of SPEC §8, checked before every dial and on every inbound connection. Each can be switched off on its own. */
export interface GaterRules {
  /** Refuses dials of addresses without a peer id: `no_peer_id`. Static peers must have one even when this is off. */
  readonly peerId: boolean
  /** Refuses to dial a peer while another dial of it is under way: `already_dialling`. */
  readonly alreadyDialling: boolean
  /** At most `redials` dials of one peer within `redialWindowMs`: `redial_limit`. Protected and static peers skip this rule, and no other. */
  readonly redialLimit: boolean
  /** Applies bans, block lists and the allow list to peers, addresses and subnets. The reason is the one that reputation gives. */
  readonly lists: boolean
  /** Applies the connection limits: `too_many_…`, `pruned_recently`. When this is off, no peer is pruned either. */
  readonly limits: boolean
  /** Dials of one peer per `redialWindowMs`. The default allows at most 192 an hour, where Kona allows 500. */
  readonly redials: number
  /** Milliseconds. */
  readonly redialWindowMs: number
}

export type GaterPreset = 'recommended' | 'open'

const redial = { redials: 32, redialWindowMs: 600_000 }

/** `recommended`: all rules. `open`: none, for tests and private networks. */
export const gaterPresets: Readonly<Record<GaterPreset, GaterRules>> = {
  recommended: { peerId: true, alreadyDialling: true, redialLimit: true, lists: true, limits: true, ...redial },
  open: { peerId: false, alreadyDialling: false, redialLimit: false, lists: false, limits: false, ...redial },
}
