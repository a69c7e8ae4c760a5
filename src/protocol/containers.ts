/** The containers of SPEC §3: their values and their codecs. */
export type * from './values.js'
export { type Codec } from './codec.js'
export {
  codecs,
  GetCommitmentsByNumberRequestCodec,
  GetCommitmentsByNumberResponseCodec,
  GetHeadRequestCodec,
  GetRawTxListRequestCodec,
  GetRawTxListResponseCodec,
  PreconfCommitmentCodec,
  PreconfHeadCodec,
  PreconfirmationCodec,
  RawTxListGossipCodec,
  SignedCommitmentCodec,
  type ContainerName,
} from './codecs.js'
