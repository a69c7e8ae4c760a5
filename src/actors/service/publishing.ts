import {
  CommitmentView, PRECONFIRMATION_SIZE, PreconfCommitmentCodec, ProtocolError, RawTxListGossipCodec, SIGNED_COMMITMENT_SIZE,
  SignedCommitmentCodec, preconfirmationHash, txListHash,
} from '../../protocol/index.js'
import type { AddressedSigner, Crypto, PreconfCommitment, SignedCommitment } from '../../protocol/index.js'
import { ChainError, MAX_HEIGHT, latestWindow } from '../chain/index.js'
import type { Chain } from '../chain/ingress.js'
import { ClosedError, InterruptedError, TimeoutError } from '../kernel/index.js'
import type { Clock, Deadline } from '../kernel/index.js'
import type { Topic } from '../network/ingress.js'
import { ServiceError } from './errors.js'
import type { Publisher, PublishResult } from './publisher.js'
import type { SigningGate } from './signing-gate.js'
import { signPatiently } from './signing.js'
import { messageOf } from '../../protocol/thrown.js'
import { ofCaller } from './signals.js'

/** How long chain may take to judge and record what is about to be signed, ms: it is on disk by then. */
const RESERVE_WITHIN = 5_000
/** Judged, durable, sent. The disk is the slow part of it. */
const PUBLISH_WITHIN = 30_000

export interface PublishOptions {
  /** Publishes after the end of its submission window too (SPEC §6, Publishing). */
  readonly late?: boolean
  /** Publishes although blocks of elected signers are known that wait above our head (SPEC §9). */
  readonly behind?: boolean
  readonly signal?: AbortSignal | undefined
}

interface Needs {
  readonly chain: Pick<Chain, 'reserve'>
  readonly publisher: Publisher
  readonly crypto: Crypto
  readonly clock: Clock
  readonly domain: Uint8Array
  readonly signer: AddressedSigner | undefined
  /** Nothing is signed before it opens. */
  readonly gate: Pick<SigningGate, 'wait'> | undefined
  /** How far from now a window may end, ms: `chain.windowHorizon`. */
  readonly windowHorizon: number
  /** Aborted when the node begins to stop. */
  readonly closing: AbortSignal
}

/** What happens to a message of ours before the publisher gets it: its form, its window, our rules and records (SPEC §7), the signature. */
export class Publishing {
  constructor(private readonly needs: Needs) {}

  async commitment(
    commitment: SignedCommitment | PreconfCommitment | Uint8Array, { late = false, behind = false, signal }: PublishOptions,
  ): Promise<PublishResult> {
    const bytes = commitment instanceof Uint8Array ? ofSize(commitment)
      : 'signature' in record(commitment) ? encoded(() => SignedCommitmentCodec.encode(commitment as SignedCommitment))
        : await this.#signed(commitment as PreconfCommitment, { late, behind, signal })
    this.#checkReach(new CommitmentView(bytes), late)
    return this.#publish('commitments', bytes, signal, behind)
  }

  async txList(txList: Uint8Array, { signal }: Pick<PublishOptions, 'signal'>): Promise<PublishResult> {
    if (!(txList instanceof Uint8Array)) throw new ServiceError('bad_message', 'a txlist is bytes', typeof txList)
    if (txList.length === 0) throw new ServiceError('bad_message', 'a txlist has at least 1 byte', 0, 1)
    const rawTxListHash = txListHash(this.needs.crypto, txList)
    return this.#publish('txLists', encoded(() => RawTxListGossipCodec.encode({ rawTxListHash, txlist: txList })), signal)
  }

  async #signed(commitment: PreconfCommitment, { late, behind, signal }: Required<Pick<PublishOptions, 'late' | 'behind'>> & Pick<PublishOptions, 'signal'>): Promise<Uint8Array> {
    const { signer, crypto, domain, clock, closing, gate } = this.needs
    const ssz = encoded(() => PreconfCommitmentCodec.encode(commitment))
    if (signer === undefined) throw new ServiceError('no_signer', 'the commitment is unsigned, and the config names no `signing`')
    // The caller's object may change while the disk and the signer are waited for.
    const own = PreconfCommitmentCodec.decode(ssz)
    this.#checkReach(own.preconf, late)
    await gate?.wait(own.preconf.submissionWindowEnd, signal)
    // A commitment that may not leave is not signed either (SPEC §7).
    const hash = preconfirmationHash(crypto, ssz.subarray(0, PRECONFIRMATION_SIZE))
    await this.#reserve({ signer: signer.address, hash, ssz, behind }, own.preconf.blockNumber, signal)
    const signed = await signPatiently(own, signer, { crypto, domain, clock, closing, signal })
    return encoded(() => SignedCommitmentCodec.encode(signed))
  }

  /** @throws ChainError, ServiceError `refused`, `behind` */
  async #reserve(record: Parameters<Chain['reserve']>[0], number: bigint, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#unlessStopped(this.needs.chain.reserve(record, deadline(RESERVE_WITHIN, signal)))
    } catch (error) {
      if (error instanceof TimeoutError) throw new ChainError('not_recorded', 'what we sign could not be recorded in time', number, undefined, { cause: error })
      if (!(error instanceof ChainError) || error.code !== 'refused') throw error
      if (error.value === 'behind') throw new ServiceError('behind', 'blocks of elected signers are known that wait above our head', number, undefined, { cause: error })
      throw new ServiceError('refused', error.message, error.value, undefined, { cause: error })
    }
  }

  async #publish(topic: Topic, bytes: Uint8Array, signal: AbortSignal | undefined, behind = false): Promise<PublishResult> {
    if (this.needs.closing.aborted) throw stopped()
    return this.#unlessStopped(this.needs.publisher.publish(topic, bytes, deadline(PUBLISH_WITHIN, signal), behind))
  }

  /** A part that ended because the node stops is no news to the caller: `stopped` is. */
  async #unlessStopped<T>(answer: Promise<T>): Promise<T> {
    return answer.catch((error: unknown) => {
      const ended = error instanceof ClosedError || error instanceof InterruptedError
      throw ended && this.needs.closing.aborted ? stopped(error) : error
    })
  }

  /** @throws ServiceError `height_out_of_range`, `window_too_far`, `window_over` */
  #checkReach({ blockNumber, submissionWindowEnd: end }: Pick<CommitmentView, 'blockNumber' | 'submissionWindowEnd'>, late: boolean): void {
    const { clock, windowHorizon } = this.needs
    const latest = latestWindow(clock.now(), windowHorizon)
    if (blockNumber > MAX_HEIGHT) throw new ServiceError('height_out_of_range', `no block is above ${MAX_HEIGHT}`, blockNumber, MAX_HEIGHT)
    if (end > latest) throw new ServiceError('window_too_far', `its submission window ends at ${end}, later than ${windowHorizon} ms from now`, end, latest)
    const now = BigInt(Math.floor(clock.now() / 1_000))
    if (!late && end < now) throw new ServiceError('window_over', `its submission window ended at ${end}, now is ${now}`, end, now)
  }
}

const stopped = (cause?: unknown) => new ServiceError('stopped', 'the service is stopped', undefined, undefined, { cause })

const deadline = (ms: number, signal: AbortSignal | undefined): Deadline => signal === undefined ? ms : { ms, signal: ofCaller(signal) }

/** A copy, since the caller may go on writing to what it gave. */
function ofSize(signed: Uint8Array): Uint8Array {
  if (signed.length === SIGNED_COMMITMENT_SIZE) return signed.slice()
  const size = SIGNED_COMMITMENT_SIZE
  throw new ServiceError('bad_message', `a signed commitment is ${size} bytes`, signed.length, size)
}

function record(commitment: object): object {
  if (typeof commitment === 'object' && commitment !== null) return commitment
  throw new ServiceError('bad_message', 'a commitment is its value or its SSZ', typeof commitment)
}

function encoded(encode: () => Uint8Array): Uint8Array {
  try {
    return encode()
  } catch (cause) {
    const { value, limit } = cause instanceof ProtocolError ? cause : {}
    throw new ServiceError('bad_message', messageOf(cause), value, limit, { cause })
  }
}
