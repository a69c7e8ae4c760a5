import { codeOf } from '../../protocol/thrown.js'

export type DiscoveryErrorCode =
  /** An option is invalid. `value`: the option. */
  | 'bad_config'
  /** A bootnode is neither a usable ENR nor a usable multiaddr. `value`: its text. */
  | 'bad_bootnode'
  /** The ENR of a bootnode names another chain. `value`: its text. */
  | 'bootnode_other_chain'
  /** A bootnode does not answer; it is retried. `value`: its text. */
  | 'bootnode_unreachable'
  /** The UDP port cannot be bound. `value`: the address. */
  | 'bind_failed'
  /** The UDP socket failed after it was bound. */
  | 'socket_failed'
  /** The internals of discv5 that the work-arounds need have changed: another version. */
  | 'library_changed'

/** The errors of discovery. Faults of other nodes are counted, never thrown. */
export class DiscoveryError extends Error {
  override readonly name = 'DiscoveryError'
  readonly value: unknown

  constructor(readonly code: DiscoveryErrorCode, message: string, detail: { readonly value?: unknown; readonly cause?: unknown } = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.value = detail.value
  }
}

/** How much longer the driver refuses to dial a peer that refused us (SPEC §10), in milliseconds; taken from its error. */
export function refusedFor(error: unknown): number {
  if (codeOf(error) !== 'dial_refused') return 0
  const { value } = error as { readonly value?: unknown }
  return typeof value === 'number' ? value : 0
}
