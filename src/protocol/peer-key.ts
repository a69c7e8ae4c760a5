/** A peer's libp2p id in its text form. Opaque to every room but `network` and `discovery`. */
export type PeerKey = string
