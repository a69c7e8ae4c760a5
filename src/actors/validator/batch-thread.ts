/** Batch verification in a validator thread: the verifier, and its state in the memory shared with the validator. */
import type { Crypto } from '../../protocol/crypto.js'
import type { CommitmentRules } from '../../protocol/rules.js'
import { BatchVerifier, CommitmentJudge } from '../../protocol/secp256k1/index.js'
import type { BatchEvidence, BatchFigures } from '../../protocol/secp256k1/index.js'
import { BATCH_OFF_BY_CONFIGURATION, SharedSigners } from './shared-signers.js'
import { messageOf } from '../../protocol/thrown.js'

/** How a thread uses the batch module. */
export interface BatchSettings {
  /** False: every signature is recovered. Default true. */
  readonly enabled: boolean
  /** One in this many accepted signatures is checked again by recovery; 0: none. Default 64. */
  readonly sampleEvery: number
  /** Maximum number of signers' tables in a thread, 832 KiB each. Default 16. */
  readonly signers: number
}

export interface BatchNeeds {
  readonly rules: CommitmentRules
  readonly settings: BatchSettings
  readonly board: SharedArrayBuffer
  readonly random: () => number
  /** Called when the module gave a wrong answer. */
  readonly alarm: (evidence: BatchEvidence) => void
  /** Replaces the WebAssembly module, in tests. */
  readonly file?: URL
}

export class BatchThread {
  #version = 0
  #reported: BatchFigures

  private constructor(
    private readonly board: SharedSigners,
    private readonly verifier: BatchVerifier | undefined,
    private readonly judge: CommitmentJudge | undefined,
    private readonly reason: string | undefined,
  ) {
    this.#reported = verifier === undefined ? board.figures() : { ...verifier.figures }
  }

  static async load(loading: Promise<Crypto>, { rules, settings, board: memory, random, alarm, file }: BatchNeeds): Promise<BatchThread> {
    const crypto = await loading
    const board = new SharedSigners(memory)
    if (!settings.enabled) return new BatchThread(board, undefined, undefined, BATCH_OFF_BY_CONFIGURATION)
    const onAlarm = (evidence: BatchEvidence): void => {
      board.switchOff()
      alarm(evidence)
    }
    const { sampleEvery, signers } = settings
    const { verifier, reason } = await BatchVerifier.load(crypto, { sampleEvery, signers, random, onAlarm, ...(file === undefined ? {} : { file }) })
    const judge = verifier === undefined ? undefined : new CommitmentJudge(verifier, rules, crypto)
    return new BatchThread(board, verifier, judge, reason)
  }

  /** The reason why the module is not used; `undefined` if it is used. */
  get off(): string | undefined { return this.reason ?? this.verifier?.off }

  /** Checks packed commitments and writes their records. Returns false if the module cannot be used or failed: the caller must use recovery then. */
  check(commitments: Uint8Array, records: Uint8Array): boolean {
    const { board, verifier, judge } = this
    if (verifier === undefined || judge === undefined) return false
    if (board.off) verifier.switchOff('it was wrong in another thread')
    if (verifier.off !== undefined) return false
    const news = board.read(this.#version)
    if (news !== undefined) {
      this.#version = news.version
      for (const { address, submissionWindowEnd } of news.signers) judge.expect(address, submissionWindowEnd)
    }
    try {
      judge.check(commitments, records)
      return true
    } catch (error) {
      // The module trapped. It is switched off in all threads, as after a wrong answer, and recovery takes over.
      verifier.switchOff(`it failed: ${messageOf(error)}`)
      board.switchOff()
      return false
    } finally {
      board.add(verifier.figures, this.#reported)
      this.#reported = { ...verifier.figures }
    }
  }
}
