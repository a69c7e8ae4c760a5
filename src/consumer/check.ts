import type { ScheduleResolver } from '../actors/chain/index.js'
import { CommitmentView, DEFAULT_DOMAIN, addressOf, equalBytes, loadCrypto, parseDomain, preconfirmationHash, signingHash, txListHash } from '../protocol/index.js'
import type { Crypto } from '../protocol/index.js'
import type { StreamItem } from '../protocol/stream-item.js'
import { ConsumerError } from './errors.js'

type Block = Extract<StreamItem, { readonly kind: 'block' }>

/** Trusts neither the broker nor who writes there: each block's hash, signature, txlist, and whether its signer was elected. */
export class BlockCheck {
  private constructor(private readonly crypto: Crypto, private readonly domain: Uint8Array, private readonly schedule: ScheduleResolver) {}

  /** @throws ProtocolError of a domain */
  static async create(schedule: ScheduleResolver, domain: Uint8Array | string = DEFAULT_DOMAIN): Promise<BlockCheck> {
    return new BlockCheck(await loadCrypto(), parseDomain(domain), schedule)
  }

  /** @throws ConsumerError `not_authentic`, `not_elected` */
  async check({ ssz, hash, signer, txList }: Block, sequence: number, signal: AbortSignal): Promise<void> {
    const view = new CommitmentView(ssz)
    const wrong = (what: string): ConsumerError => new ConsumerError('not_authentic', `message ${sequence}: ${what}`, sequence)
    if (!equalBytes(preconfirmationHash(this.crypto, view.preconfirmationBytes), hash)) throw wrong('its hash is another one')
    const key = this.crypto.recover(signingHash(this.crypto, this.domain, view.commitmentBytes), view.signature.subarray(0, 64), view.signature[64]!)
    if (key === undefined || !equalBytes(addressOf(this.crypto, key), signer)) throw wrong('another one has signed it')
    if (txList !== undefined && !equalBytes(txListHash(this.crypto, txList), view.rawTxListHash)) throw wrong('its txlist is another one')
    const answer = await this.schedule(view.submissionWindowEnd, { signal })
    const elected = typeof answer === 'string' ? [] : 'signer' in answer ? [answer.signer] : answer.signers
    if (!elected.some(each => equalBytes(each, signer))) {
      const why = typeof answer === 'string' ? answer : 'another one may'
      throw new ConsumerError('not_elected', `message ${sequence}: its signer may not sign in the window that ends at ${view.submissionWindowEnd} (${why})`, sequence)
    }
  }
}
