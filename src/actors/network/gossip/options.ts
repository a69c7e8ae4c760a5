import { createHash } from 'node:crypto'
import type { GossipsubOpts } from '@libp2p/gossipsub'
import { gossipMessageId, gossipParams, toHex } from '../../../protocol/index.js'
import type { ScorePreset, Topics } from '../../../protocol/index.js'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { NetworkConfig } from '../config.js'

/**
 * Decode limits of one RPC, all set explicitly, since the library's defaults may change (H18). In entries, not bytes; an RPC above a limit
 * is dropped. Two topics need a handful of subscriptions and control messages; an IHAVE names at most 5,000 messages.
 */
export const DECODE_LIMITS = {
  maxSubscriptions: 64,
  maxMessages: 1_024,
  maxIhaveMessageIDs: 5_000,
  maxIwantMessageIDs: 5_000,
  maxIdontwantMessageIDs: 512,
  maxControlMessages: 64,
  maxPeerInfos: 16,
} as const

/** Memory for a peer's subscriptions, in bytes as the library counts them: two topics with room to spare. */
const MAX_TOPIC_BYTES_PER_PEER = 16_384

/** gossipsub's options for the parameters of SPEC §5. */
export function gossipsubOptions(config: NetworkConfig, topics: Topics, appScore: (peer: PeerKey) => number): Partial<GossipsubOpts> {
  const messageId = gossipMessageId({ topics, scheme: config.messageIds === 'topic-bound' ? 'topic-bound' : 'snappy' })
  return {
    globalSignaturePolicy: 'StrictSign',
    asyncValidation: true,
    emitSelf: false,
    fallbackToFloodsub: false,
    floodPublish: gossipParams.floodPublish,
    doPX: gossipParams.peerExchange,
    // tags are for libp2p's connection pruning, which never runs here
    tagMeshPeers: false,
    allowPublishToZeroTopicPeers: true,
    allowedTopics: [topics.commitments, topics.txLists],
    awaitRpcHandler: true,
    awaitRpcMessageHandler: true,
    msgIdFn: message => messageId(message.topic, message.data),
    msgIdToStrFn: toHex,
    // without it, gossipsub verifies the author's signature of every duplicate before it asks the seen cache
    fastMsgIdFn: fastIds(),
    D: gossipParams.D,
    Dlo: gossipParams.Dlo,
    Dhi: gossipParams.Dhi,
    Dlazy: gossipParams.Dlazy,
    gossipFactor: gossipParams.gossipFactor,
    heartbeatInterval: gossipParams.heartbeatMs,
    fanoutTTL: gossipParams.fanoutTtlMs,
    mcacheLength: gossipParams.historyLength,
    mcacheGossip: gossipParams.historyGossip,
    seenTTL: gossipParams.seenTtlMs,
    maxInboundDataLength: config.gossip.maxInboundBytes,
    maxOutboundBufferSize: config.gossip.maxOutboundBytes,
    maxTopicBytesPerPeer: MAX_TOPIC_BYTES_PER_PEER,
    decodeRpcLimits: DECODE_LIMITS,
    ...scoreOptions(config.scoring, topics, appScore),
  }
}

/** Caches the fast id of a message: hashing a txlist of 2 MiB takes milliseconds. */
function fastIds(): NonNullable<GossipsubOpts['fastMsgIdFn']> {
  const known = new WeakMap<object, string>()
  return message => {
    const { topic, data } = message
    const id = known.get(message) ?? createHash('sha1').update(topic).update('\0').update(data ?? new Uint8Array(0)).digest('base64')
    known.set(message, id)
    return id
  }
}

function scoreOptions(preset: ScorePreset, topics: Topics, appScore: (peer: PeerKey) => number): Pick<GossipsubOpts, 'scoreParams' | 'scoreThresholds'> {
  const { thresholds } = preset
  const topic = topicScore(preset)
  return {
    scoreThresholds: {
      gossipThreshold: thresholds.gossip,
      publishThreshold: thresholds.publish,
      graylistThreshold: thresholds.graylist,
      acceptPXThreshold: thresholds.acceptPX,
      opportunisticGraftThreshold: thresholds.opportunisticGraft,
    },
    scoreParams: {
      appSpecificScore: appScore,
      appSpecificWeight: preset.appSpecificWeight,
      IPColocationFactorWeight: preset.ipColocation.weight,
      IPColocationFactorThreshold: preset.ipColocation.threshold,
      behaviourPenaltyWeight: preset.behaviour.weight,
      behaviourPenaltyThreshold: preset.behaviour.threshold,
      behaviourPenaltyDecay: preset.behaviour.decay,
      decayInterval: preset.decayIntervalMs,
      decayToZero: preset.decayToZero,
      retainScore: preset.retainScoreMs,
      topicScoreCap: preset.topicScoreCap,
      topics: { [topics.commitments]: topic, [topics.txLists]: topic },
    },
  }
}

type TopicScoreParams = NonNullable<GossipsubOpts['scoreParams']['topics']>[string]

function topicScore({ topic }: ScorePreset): TopicScoreParams {
  return {
    topicWeight: topic.weight,
    timeInMeshWeight: topic.timeInMesh.weight,
    timeInMeshQuantum: topic.timeInMesh.quantumMs,
    timeInMeshCap: topic.timeInMesh.cap,
    firstMessageDeliveriesWeight: topic.firstDeliveries.weight,
    firstMessageDeliveriesDecay: topic.firstDeliveries.decay,
    firstMessageDeliveriesCap: topic.firstDeliveries.cap,
    meshMessageDeliveriesWeight: topic.meshDeliveries.weight,
    meshMessageDeliveriesDecay: topic.meshDeliveries.decay,
    meshMessageDeliveriesCap: topic.meshDeliveries.cap,
    meshMessageDeliveriesThreshold: topic.meshDeliveries.threshold,
    meshMessageDeliveriesWindow: topic.meshDeliveries.windowMs,
    meshMessageDeliveriesActivation: topic.meshDeliveries.activationMs,
    meshFailurePenaltyWeight: topic.meshFailure.weight,
    meshFailurePenaltyDecay: topic.meshFailure.decay,
    invalidMessageDeliveriesWeight: topic.invalidDeliveries.weight,
    invalidMessageDeliveriesDecay: topic.invalidDeliveries.decay,
  }
}
