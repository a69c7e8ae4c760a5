/** The protocol without I/O: containers, hashes, signatures, rules, framing, ids. The package's `./protocol`. */
export { equalBytes, isZero } from './bytes.js'
export * from './containers.js'
export { loadCrypto, type Crypto, type CryptoOptions, type KeccakBackend, type Loaders, type RecoverBackend } from './crypto.js'
export { DEFAULT_DOMAIN, DOMAIN_SIZE, parseDomain } from './domain.js'
export {
  PROTOCOL_ERROR_CODES, ProtocolError, type ProtocolErrorCode, type ProtocolErrorData, type ProtocolErrorDetail,
} from './errors.js'
export { encodeFrame, FRAME_CAPS, FrameReader, readFrame, type FrameSide, type ProtocolName } from './framing.js'
export { addressOf, preconfirmationHash, signingHash, txListHash } from './hash.js'
export { fromHex, toHex } from './hex.js'
export * from './layout.js'
export {
  gossipMessageId, isPlausible, MESSAGE_ID_SIZE, messageId, topicBoundMessageId, type GossipMessageIdOptions,
} from './message-id.js'
export { snappySize } from './snappy.js'
export { checkPage, packPage, viewPage } from './page.js'
export * from './presets.js'
export {
  ANSWER_SIZES, commitmentsBody, decodeRequest, emptyAnswer, frameCaps, headRequest, pageRequest, readHead, readTxListAnswer, REQUEST_KINDS, txListBody,
  txListRequest, type DecodedRequest, type RequestKind, type TxListAnswer,
} from './requests.js'
export {
  checkCommitment, checkTxList, checkTxListResponse, Finding, findingName, RECORD_HASH, RECORD_SIGNER, RECORD_SIZE, verdictOf,
  type CommitmentRules, type FindingName, type Verdict,
} from './rules.js'
export {
  normalizeHighS, signCommitment, signerFromKey, type AddressedSigner, type KeySigner, type Signer, type SignOptions,
} from './sign.js'
export {
  DEFAULT_CHAIN_ID, isLegacyTopic, LEGACY_TOPIC_NAMES, protocolsOf, topicsOf, type Protocols, type Topics,
} from './topics.js'
export { CommitmentView, hasTxListOffset, readUint256, viewTxList, type TxListView } from './view.js'

// every type that a public signature mentions (test/types/exported.test.ts)
export type { Keccak, RecoverKey } from './backends.js'
export type { PartlyOf } from './presets.js'
export type { BatchEvidence, BatchFigures } from './secp256k1/batch-verifier.js'
