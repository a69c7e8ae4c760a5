import type { PeerId } from '@libp2p/interface'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Topic } from '../ingress.js'
import type { Frame, GossipsubInternals, Rpc } from './gossipsub-internals.js'
import type { SignedMessage } from './envelope.js'
import type { InboundPace } from './pacing.js'
import type { PartialRpcs } from './partial-rpcs.js'

/** One look at what comes in. Each part is optional; a stage that lets all through gives back what it was given. */
export interface InboundStage {
  /** A whole RPC before it is decoded. False: it is dropped. */
  bytes?(peer: PeerKey, rpc: Uint8Array): boolean
  /** A decoded RPC: what is left of it. */
  rpc?(peer: PeerKey, rpc: Rpc): Rpc
  /** A message of one of our topics, before its id and its author's signature are looked at: what is left of it, or nothing. */
  message?(peer: PeerKey, topic: Topic, message: SignedMessage): SignedMessage | undefined
}

export interface InboundPipelineNeeds {
  readonly gossipsub: GossipsubInternals
  readonly topics: ReadonlyMap<string, Topic>
  readonly partial: PartialRpcs
  readonly pace: InboundPace
  /** In the order in which they look. */
  readonly stages: readonly InboundStage[]
  /** A whole RPC that could not be decoded. */
  malformed(peer: PeerKey, error: unknown): void
  /** A gossip stream ended with an error that only its sender can have caused. */
  broken(peer: PeerKey, error: Error): void
  /** gossipsub has found a message's signature wrong, and penalised who brought it. */
  badAuthor(peer: PeerKey, topic: string): void
}

/**
 * The way of everything that comes in by gossip, in one place: each method of gossipsub 17.1.1 that is replaced is replaced here, once, and
 * calls the stages in their order.
 *
 *     createInboundStream → pipePeerReadStream   bytes are counted by their stream (`partial-rpcs.ts`)
 *     a whole RPC                                stages: `bytes`
 *     decodeRpc                                  what is no RPC is its sender's fault
 *     handleReceivedRpc                          in slices of the thread's time (`inbound-pace.ts`); stages: `rpc`
 *     handleReceivedMessage                      stages: `message`; then gossipsub's own: ids, the author's signature, the seen cache
 *
 * Behind it are the lanes in which authors' signatures are verified (`author-signatures.ts`).
 */
export function installInboundPipeline(needs: InboundPipelineNeeds): void {
  const { gossipsub, pace, partial, stages, topics } = needs
  /** The one whose frame gossipsub decodes at this moment: it does so in the step in which it takes it. */
  let decoding: PeerKey | undefined

  const create = gossipsub.createInboundStream.bind(gossipsub)
  gossipsub.createInboundStream = (peerId, stream) => { partial.open(peerId.toString(), stream, () => { create(peerId, stream) }) }

  const read = gossipsub.pipePeerReadStream.bind(gossipsub)
  gossipsub.pipePeerReadStream = (peerId, frames) => read(peerId, whole(peerId.toString(), partial.counted(frames)))

  async function * whole(peer: PeerKey, frames: AsyncIterable<Frame>): AsyncGenerator<Frame> {
    for await (const frame of frames) {
      const bytes = frame.subarray()
      if (!stages.every(stage => stage.bytes?.(peer, bytes) ?? true)) { await pace.message(peer); continue }
      yield { byteLength: frame.byteLength, subarray: () => { decoding = peer; return bytes } }
    }
  }

  const decode = gossipsub.decodeRpc.bind(gossipsub)
  gossipsub.decodeRpc = bytes => {
    try {
      return decode(bytes)
    } catch (error) {
      if (decoding !== undefined) needs.malformed(decoding, error)
      throw error
    }
  }

  const onReadError = gossipsub.handlePeerReadStreamError.bind(gossipsub)
  gossipsub.handlePeerReadStreamError = (error, peerId) => {
    onReadError(error, peerId)
    if (FRAME_ERRORS.includes(error.name)) needs.broken(peerId.toString(), error)
  }

  const receiveRpc = gossipsub.handleReceivedRpc.bind(gossipsub)
  gossipsub.handleReceivedRpc = (from: PeerId, rpc: Rpc) => {
    const peer = from.toString()
    return pace.rpc(peer, () => receiveRpc(from, stages.reduce((left, stage) => stage.rpc?.(peer, left) ?? left, rpc)))
  }

  const receiveMessage = gossipsub.handleReceivedMessage.bind(gossipsub)
  gossipsub.handleReceivedMessage = async (from: PeerId, message: SignedMessage) => {
    const topic = topics.get(message.topic)
    const peer = from.toString()
    let left: SignedMessage | undefined = topic === undefined ? undefined : message
    for (const stage of stages) if (left !== undefined && topic !== undefined && stage.message !== undefined) left = stage.message(peer, topic, left)
    if (left !== undefined) await receiveMessage(from, left)
    await pace.message(peer)
  }

  const { score } = gossipsub
  const penalise = score.rejectInvalidMessage.bind(score)
  // gossipsub calls it for one reason: the author's signature
  score.rejectInvalidMessage = (peer, topic) => {
    penalise(peer, topic)
    needs.badAuthor(peer, topic)
  }
}

const FRAME_ERRORS = ['InvalidDataLengthError', 'InvalidDataLengthLengthError', 'InvalidMessageLengthError']
