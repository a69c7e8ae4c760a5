import type { GossipsubOpts } from '@libp2p/gossipsub'
import {
  DEFAULT_CHAIN_ID, RawTxListGossipCodec, gossipMessageId, gossipParams, loadCrypto, toHex, topicsOf, txListHash,
} from '../../src/protocol/index.js'
import type { Topic } from './wire.js'

export const topics = topicsOf(DEFAULT_CHAIN_ID)

/** Never the limit of a bench. Bytes. */
const BUFFER = 1024 ** 3

const messageId = gossipMessageId({ topics })

/** The mesh of SPEC §5 and its message id. */
export const bareGossip: Partial<GossipsubOpts> = {
  fallbackToFloodsub: false, floodPublish: false, doPX: false, allowPublishToZeroTopicPeers: true, allowedTopics: [topics.commitments, topics.txLists],
  msgIdFn: ({ topic, data }) => messageId(topic, data), msgIdToStrFn: toHex,
  D: gossipParams.D, Dlo: gossipParams.Dlo, Dhi: gossipParams.Dhi, Dlazy: gossipParams.Dlazy, gossipFactor: gossipParams.gossipFactor,
  heartbeatInterval: gossipParams.heartbeatMs, mcacheLength: gossipParams.historyLength, mcacheGossip: gossipParams.historyGossip,
  seenTTL: gossipParams.seenTtlMs, maxInboundDataLength: 11 * 1024 * 1024, maxOutboundBufferSize: BUFFER,
}

/** What goes on a topic: a commitment as it is, a txlist with its hash. */
export async function gossipMessage(topic: Topic, bytes: Uint8Array): Promise<Uint8Array> {
  return topic === 'commitments' ? bytes : RawTxListGossipCodec.encode({ rawTxListHash: txListHash(await loadCrypto(), bytes), txlist: bytes })
}
