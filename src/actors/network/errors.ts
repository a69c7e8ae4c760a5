import type { PeerKey } from '../../protocol/peer-key.js'

/** Why a request has no answer (SPEC §3, §8). */
export type RequestErrorCode =
  /** Nobody connected speaks this protocol (and is not excluded). */
  | 'no_peer'
  /** The named peer is not connected, or is being hung up. */
  | 'not_connected'
  /** The named peer does not speak this protocol. */
  | 'unsupported'
  /** Deadline of the exchange (15 s) or of the wait for the quota. */
  | 'timeout'
  /** The peer ended or reset the stream, or the connection went, before a whole answer was there. */
  | 'remote_closed'
  /** The answer's frame declares more than the cap. */
  | 'oversize'
  /** The answer is no frame: cut off, or its length is not minimally encoded. */
  | 'malformed_frame'
  /** The caller gave up. An exchange already under way is finished all the same (H40). */
  | 'cancelled'
  /** More commitments asked than a response may hold. */
  | 'max_count_exceeded'
  /** An argument that cannot be asked for: `value` is it. */
  | 'bad_argument'
  /** The peer does not have it: an echoed hash and an empty txlist (SPEC §9). */
  | 'not_found'
  /** The answer's SSZ is not what its protocol says, or not what was asked. */
  | 'bad_response'
  /** No commitment asked. */
  | 'empty_range'
  /** The request's SSZ is not what its protocol says. */
  | 'malformed_request'
  /** Too many requests wait for the quota already. */
  | 'queue_full'
  /** The driver is stopping. */
  | 'stopping'

export interface ErrorDetail {
  /** What offended: a count, a length, a code. */
  readonly value?: unknown
  readonly limit?: number | undefined
  readonly peer?: PeerKey | undefined
  readonly cause?: unknown
}

/** What the errors of this room carry. */
export abstract class DriverError<Code extends string> extends Error {
  readonly value: unknown
  readonly limit: number | undefined
  readonly peer: PeerKey | undefined

  constructor(readonly code: Code, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.value = detail.value
    this.limit = detail.limit
    this.peer = detail.peer
  }
}

/** A request to a peer that came to nothing. */
export class RequestError extends DriverError<RequestErrorCode> {
  override readonly name = 'RequestError'
}

/** Why the driver did not do what it was told. */
export type NetworkErrorCode =
  /** An option that cannot be: `value` is it. */
  | 'bad_config'
  /** Not a multiaddr, or none that the transport can dial. */
  | 'bad_address'
  /** A multiaddr without `/p2p/…`: SPEC §8 asks for the peer id before a dial. */
  | 'peer_id_missing'
  /** A rule of the gater said no: `value` is its reason. */
  | 'dial_denied'
  /** The peer closed on us recently within 1 s of connecting: a ban on its side (SPEC §10). */
  | 'dial_refused'
  | 'dial_timeout'
  | 'dial_failed'
  /** A message above the cap of its topic. */
  | 'too_large'
  /** These bytes went through here already, within the 120 s of the seen cache. */
  | 'duplicate'
  /** Peers' gossip buffers did not drain in time: nothing was sent. */
  | 'congested'
  | 'publish_failed'
  /** No listener could be opened, or the one that was open closed by itself. */
  | 'listen_failed'
  | 'listener_closed'
  | 'not_started'
  | 'stopping'
  /** gossipsub does not count by the score parameters that it was given. */
  | 'scoring_inactive'
  /** gossipsub or yamux is not as the work-arounds know it: another version. */
  | 'library_changed'
  /** The identity file is damaged, or holds no key that this network takes. */
  | 'identity_damaged'
  | 'identity_foreign'
  | 'identity_unreadable'
  /** An identity that was to be imported where there is one. */
  | 'identity_exists'
  /** Bytes or a key that cannot be what they were given for. */
  | 'bad_key'

/** Everything else that goes wrong in the driver. */
export class NetworkError extends DriverError<NetworkErrorCode> {
  override readonly name = 'NetworkError'
}

/** libp2p tells its errors apart by name. */
export { messageOf as describeError, nameOf as errorName } from '../../protocol/thrown.js'

/** Makes a listener that cannot throw of one that can. */
export type Guard = <E>(listener: (event: E) => void) => (event: E) => void

/**
 * What a listener throws at a library's event, nobody catches: it ends the process. Guarded it fails the driver instead, and the
 * supervisor acts (H30).
 */
export function guard(failed: (error: unknown) => void): Guard {
  return listener => event => {
    try { listener(event) } catch (error) { failed(error) }
  }
}
