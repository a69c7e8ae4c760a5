import '../../src/polyfill.js'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import { createLibp2p } from 'libp2p'
import type { GossipsubInternals } from '../../src/actors/network/gossip/gossipsub-internals.js'
import type { UsageRecorder } from './recorder.js'

/** Counts every copy of a message that gossipsub takes in this process, before it is known to be one. To be called before a node is built. */
export async function countCopies(usage: UsageRecorder): Promise<void> {
  // only an instance leads to the class, which is not exported
  const { services: { pubsub } } = await createLibp2p({ start: false, services: { identify: identify(), pubsub: gossipsub() } })
  const prototype = Object.getPrototypeOf(pubsub) as Pick<GossipsubInternals, 'handleReceivedMessage'>
  const receive = prototype.handleReceivedMessage
  prototype.handleReceivedMessage = function (from, message) {
    usage.copies++
    usage.copiesBytes += message.data?.length ?? 0
    return receive.call(this, from, message)
  }
}
