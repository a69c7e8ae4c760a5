import { Handle, coalesce, keep, mailbox, reject } from '../kernel/index.js'
import type { Ask, Deadline } from '../kernel/index.js'
import type { Origin } from '../chain/ingress.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { ValidatorFigures } from './figures.js'
import type { ExpectedSigner } from './shared-signers.js'

export { BATCH_OFF_BY_CONFIGURATION } from './shared-signers.js'
export type { ExpectedSigner } from './shared-signers.js'
export type { ValidatorFigures } from './figures.js'
export type { WorkerReport } from './serve.js'

export type ValidatorMessage =
  /** One signed commitment as SSZ, 382 bytes (any other length is a finding, not an error). */
  | { readonly type: 'commitment'; readonly bytes: Uint8Array; readonly origin: Origin }
  /** One `RawTxListGossip` as SSZ. */
  | { readonly type: 'txList'; readonly bytes: Uint8Array; readonly origin: Origin }
  /** A page of a catch-up: n × 382 bytes, at most 256. Judged as one. */
  | { readonly type: 'page'; readonly bytes: Uint8Array; readonly peer: PeerKey; readonly ticket: number }
  /** Whom the schedule elected, as far as it is known: the whole list. Only speed depends on it. */
  | { readonly type: 'expectSigners'; readonly signers: readonly ExpectedSigner[] }
  | Ask<'figures', object, ValidatorFigures>

export const validatorMailbox = mailbox<ValidatorMessage>({
  capacity: 4_096,
  whenFull: {
    commitment: reject('the network reports Ignore at once and counts it by topic (SPEC §6, overloaded)'),
    txList: reject('the network reports Ignore at once and counts it by topic (SPEC §6, overloaded)'),
    page: keep('sync bounds its pages in flight'),
    expectSigners: coalesce('a newer list says all that the older one did', () => 'signers'),
    figures: reject('the caller is told'),
  },
})

/**
 * Checks bytes in the worker pool and hands them, with what was found, to chain (SPEC §6, stateless). The bytes are not copied when
 * they are sent: nobody may change them any more.
 *
 * Messages of one lane leave in the order in which they came, but batches come back from several workers in any order.
 */
export class Validator extends Handle<ValidatorMessage> {
  /** Never waits. `rejected` means overloaded: the sender reports Ignore itself. */
  commitment(bytes: Uint8Array, origin: Origin) { return this.send({ type: 'commitment', bytes, origin }) }
  /** Never waits. `rejected` means overloaded: the sender reports Ignore itself. */
  txList(bytes: Uint8Array, origin: Origin) { return this.send({ type: 'txList', bytes, origin }) }
  /** Waits for room. A page beyond the lane's bound comes back with every finding `overloaded`. */
  page(bytes: Uint8Array, peer: PeerKey, ticket: number, signal: AbortSignal) {
    return this.offer({ type: 'page', bytes, peer, ticket }, { signal })
  }
  /**
   * Whom the schedule elected for this and the coming windows, 64 at most: in place of the list before. Their commitments are then
   * checked together from the first one on. A signer that nobody expects is only slower.
   */
  expectSigners(signers: readonly ExpectedSigner[]) { return this.send({ type: 'expectSigners', signers }) }
  /** Counters, queues and the libraries in use. */
  figures(within: Deadline) { return this.ask('figures', {}, within) }
}
