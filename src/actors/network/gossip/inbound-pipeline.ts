import type { PeerId } from '@libp2p/interface'
import type { PeerKey } from '../../../protocol/peer-key.js'
import type { Topic } from '../ingress.js'
import type { Frame, GossipsubInternals, Rpc } from './gossipsub-internals.js'
import type { SignedMessage } from './envelope.js'
import type { InboundPace } from './pacing.js'
import type { PartialRpcs } from './partial-rpcs.js'

/** One check of inbound gossip. Every hook is optional; a stage that changes nothing returns its argument. */
export interface InboundStage {
  /** A complete RPC before decoding; false drops it. */
  bytes?(peer: PeerKey, rpc: Uint8Array): boolean
  /** A decoded RPC; returns the admitted part. */
  rpc?(peer: PeerKey, rpc: Rpc): Rpc
  /** A message of one of our topics, before its id and its author's signature are checked; `undefined` drops it. */
  message?(peer: PeerKey, topic: Topic, message: SignedMessage): SignedMessage | undefined
}

export interface InboundPipelineNeeds {
  readonly gossipsub: GossipsubInternals
  readonly topics: ReadonlyMap<string, Topic>
  readonly partial: PartialRpcs
  readonly pace: InboundPace
  /** In the order in which they run. */
  readonly stages: readonly InboundStage[]
  /** A complete RPC could not be decoded. */
  malformed(peer: PeerKey, error: unknown): void
  /** A gossip stream ended with an error that only its sender can cause. */
  broken(peer: PeerKey, error: Error): void
  /** gossipsub found an author's signature invalid and penalised the sender. */
  badAuthor(peer: PeerKey, topic: string): void
}

/**
 * The path of all inbound gossip: every method of gossipsub 17.1.1 that we replace is replaced here, once, and runs the stages in order.
 *
 *     createInboundStream → pipePeerReadStream   counts bytes per stream (`partial-rpcs.ts`)
 *     a complete RPC                             stages: `bytes`
 *     decodeRpc                                  a decoding error is the sender's fault
 *     handleReceivedRpc                          in time slices (`pacing.ts`); stages: `rpc`
 *     handleReceivedMessage                      stages: `message`; then gossipsub itself: ids, the author's signature, the seen cache
 *
 * Then authors' signatures are verified (`author-signatures.ts`).
 */
export function installInboundPipeline(needs: InboundPipelineNeeds): void {
  const { gossipsub, pace, partial, stages, topics } = needs
  /** The peer whose frame gossipsub is decoding: decoding is synchronous with taking the frame. */
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
  // gossipsub calls this only for a wrong author's signature
  score.rejectInvalidMessage = (peer, topic) => {
    penalise(peer, topic)
    needs.badAuthor(peer, topic)
  }
}

const FRAME_ERRORS = ['InvalidDataLengthError', 'InvalidDataLengthLengthError', 'InvalidMessageLengthError']
