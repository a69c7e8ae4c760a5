/** Limits on what a remote can cost before the budgets of gossip and requests apply (SPEC §8, "By address", "Before noise"). */
export interface HandshakeLimits {
  /** Maximum of connections being upgraded, per address and per subnet (/24 or /48). Over all addresses: `connections.pendingInbound`. */
  readonly pendingPerAddress: number
  readonly pendingPerSubnet: number
  /** Deadline for upgrading an inbound connection, in milliseconds. */
  readonly upgradeWithinMs: number
  /** Maximum of bytes and of proposals in one protocol negotiation, on a connection or a stream. */
  readonly negotiationBytes: number
  readonly negotiationRounds: number
  /** Rate limit on yamux frames without payload, per connection: burst, and frames per second. `FrameGuard` says what each costs. */
  readonly framesAtOnce: number
  readonly framesPerSecond: number
  /** An address with this many offences within `offenceWindowMs` is refused for `refusedMs`. Both in milliseconds. */
  readonly offences: number
  readonly offenceWindowMs: number
  readonly refusedMs: number
}

export const defaultHandshake: HandshakeLimits = {
  pendingPerAddress: 4, pendingPerSubnet: 16, upgradeWithinMs: 3_000,
  negotiationBytes: 1_024, negotiationRounds: 10,
  // a burst costs about 40 ms of the main thread, the steady rate about 1 % of it
  framesAtOnce: 1_024, framesPerSecond: 200,
  offences: 4, offenceWindowMs: 60_000, refusedMs: 60_000,
}

/** The accounts to which every decrypted byte of a connection is charged. */
export const BYTE_ACCOUNTS = [
  /** Headers of yamux frames; limited by the frame rate (`frames.ts`). */
  'frames',
  /** Streams whose protocol is not negotiated yet; limited by `negotiation.ts`. */
  'negotiation',
  /** Gossip streams; limited by the bounds on partial RPCs, then by the gossip budget. */
  'gossip',
  /** Requests and responses; limited by the maximum size of their frames. */
  'requests',
  /** identify and ping; limited by libp2p's own limits, and by the frame rate. */
  'services',
  /** Data for an unknown stream; charged to the frame rate by its bytes. */
  'unclaimed',
  /** An incomplete frame that was left when its connection closed. */
  'unfinished',
] as const
export type ByteAccount = typeof BYTE_ACCOUNTS[number]

/** Why a remote was refused during the handshake. */
export const HANDSHAKE_REFUSALS = [
  /** Its address had too many offences recently. */
  'address_refused',
  /** Too many new connections from its address within a second. */
  'address_rate',
  /** Too many connections from its address, or from its subnet, are being upgraded, and the queue for a place is full. */
  'pending_of_address',
  'pending_of_subnet',
  /** All places were taken: evicted as the oldest upgrade of the address with the most upgrades. */
  'pending_displaced',
  /** Closed before its upgrade was complete: a time-out, a failed noise handshake, or no common protocol. */
  'upgrade_failed',
  /** Too many proposals or bytes in a protocol negotiation, on a connection or a stream. */
  'negotiation',
  /** A yamux data frame longer than the receive window of its stream. */
  'frame_length',
  /** Too many yamux frames without payload. */
  'frame_rate',
] as const
export type HandshakeRefusal = typeof HANDSHAKE_REFUSALS[number]
