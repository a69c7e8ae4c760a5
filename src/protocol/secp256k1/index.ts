/** Signatures of known signers, many at a time. */
export {
  BatchVerifier, type BatchEvidence, type BatchFigures, type BatchOptions, type ExpectedSignature, type LoadedBatch, type PreparedSigner,
} from './batch-verifier.js'
export { CommitmentJudge } from './commitment-judge.js'
