/** What the module shows to its host. */
export {
  COMMITMENTS, COMMITMENT_SIZE, DOMAIN, HASHES, KEY, MOST_SIGNATURES, RECORD, RECORDS, RECORD_R, RECORD_S, RECORD_TABLE, RECORD_V, STATUSES,
} from './memory'
export { hashCommitments, prepareHashes } from './keccak'
export { buildTable, initialize, select, verify } from './verify'
