/** Limits on what a remote may cost before anybody accounts for it (SPEC §8, "By address", "Before noise"). */
export interface HandshakeLimits {
  /** Connections that are being upgraded, of one address and of the /24 or /48 around it. Of all: `connections.pendingInbound`. */
  readonly pendingPerAddress: number
  readonly pendingPerSubnet: number
  /** An inbound connection must be upgraded, in milliseconds. */
  readonly upgradeWithinMs: number
  /** What may be proposed until a protocol is chosen, on each connection and each stream: bytes, and rounds. */
  readonly negotiationBytes: number
  readonly negotiationRounds: number
  /** yamux frames of one connection that carry nothing: at once, and a second after that. See `FrameGuard` for what each counts. */
  readonly framesAtOnce: number
  readonly framesPerSecond: number
  /** An address that breaks a limit so often within `offenceWindowMs` is refused for `refusedMs`. Milliseconds. */
  readonly offences: number
  readonly offenceWindowMs: number
  readonly refusedMs: number
}

export const defaultHandshake: HandshakeLimits = {
  pendingPerAddress: 4, pendingPerSubnet: 16, upgradeWithinMs: 3_000,
  negotiationBytes: 1_024, negotiationRounds: 10,
  // about 40 ms of this thread at once, and 1 % of it after that
  framesAtOnce: 1_024, framesPerSecond: 200,
  offences: 4, offenceWindowMs: 60_000, refusedMs: 60_000,
}

/** What each byte that came out of the encryption of a connection is accounted for as. */
export const BYTE_ACCOUNTS = [
  /** Headers of yamux frames, which have a rate (`frames.ts`). */
  'frames',
  /** Streams on which no protocol is chosen yet (`negotiation.ts`). */
  'negotiation',
  /** Gossip streams: partial RPCs, and then its budget. */
  'gossip',
  /** Requests and answers, by the caps of their frames. */
  'requests',
  /** identify and ping, by the limits that libp2p has for them, and by the rate of frames. */
  'services',
  /** Data for no stream: charged to the rate of frames by its bytes. */
  'unclaimed',
  /** The beginning of a frame whose end had not come when its connection was closed. */
  'unfinished',
] as const
export type ByteAccount = typeof BYTE_ACCOUNTS[number]

/** Why a remote went no further than this room. */
export const HANDSHAKE_REFUSALS = [
  /** Its address has broken limits too often lately. */
  'address_refused',
  /** Too many new connections of its address within a second. */
  'address_rate',
  /** Too many connections of its address, or of its subnet, are being upgraded already, and wait for it. */
  'pending_of_address',
  'pending_of_subnet',
  /** It was being upgraded for longest, of the address that had most under way when the places ran out. */
  'pending_displaced',
  /** Closed before it was a connection: silent for too long, no proof of a key, no protocol in common. */
  'upgrade_failed',
  /** More proposals than a negotiation may have, on a connection or on a stream. */
  'negotiation',
  /** A yamux frame that declares more than its stream may still receive. */
  'frame_length',
  /** Too many yamux frames that carry nothing. */
  'frame_rate',
] as const
export type HandshakeRefusal = typeof HANDSHAKE_REFUSALS[number]
