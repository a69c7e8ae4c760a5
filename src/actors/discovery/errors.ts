import { codeOf } from '../../protocol/thrown.js'

export type DiscoveryErrorCode =
  /** An option that cannot be: `value` is it. */
  | 'bad_config'
  /** Neither an ENR nor a multiaddr that can be used: `value` is its text. */
  | 'bad_bootnode'
  /** A bootnode whose ENR names another chain: `value` is its text. */
  | 'bootnode_other_chain'
  /** A bootnode that does not answer now; it is tried again. `value` is its text. */
  | 'bootnode_unreachable'
  /** The UDP port cannot be had: `value` is the address. */
  | 'bind_failed'
  /** The UDP socket broke. */
  | 'socket_failed'
  /** discv5 is not as the work-arounds know it: another version. */
  | 'library_changed'

/** What goes wrong in this room. What other nodes do wrong is counted, never thrown. */
export class DiscoveryError extends Error {
  override readonly name = 'DiscoveryError'
  readonly value: unknown

  constructor(readonly code: DiscoveryErrorCode, message: string, detail: { readonly value?: unknown; readonly cause?: unknown } = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.value = detail.value
  }
}

/** The driver knows how long a peer that closed on us is left alone (SPEC §10), in milliseconds. */
export function refusedFor(error: unknown): number {
  if (codeOf(error) !== 'dial_refused') return 0
  const { value } = error as { readonly value?: unknown }
  return typeof value === 'number' ? value : 0
}
