/** The rules of SPEC §8 that are asked before every dial and on every inbound connection. Each can be switched off alone. */
export interface GaterRules {
  /** A dial must name its peer: `no_peer_id`. Static peers always must. */
  readonly peerId: boolean
  /** No second dial of a peer while one is under way: `already_dialling`. */
  readonly alreadyDialling: boolean
  /** At most `redials` dials of one peer within `redialWindowMs`: `redial_limit`. Protected and static peers skip this rule, and no other. */
  readonly redialLimit: boolean
  /** Bans, block lists and the allow list, for peers, addresses and subnets: their owner's reason. */
  readonly lists: boolean
  /** The limits on connections: `too_many_…`, `pruned_recently`. Switched off, nobody is pruned either. */
  readonly limits: boolean
  /** Kona counts 500 an hour; an hour of ours is at most 192. A static peer's own backoff makes 25 in 10 minutes at most. */
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
