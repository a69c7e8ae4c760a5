import '../../src/polyfill.js'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { gossipsub } from '@libp2p/gossipsub'
import type { GossipSub, GossipsubOpts } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'

export type BareNode = Libp2p<{ identify: unknown; pubsub: GossipSub }>

export interface BareOptions {
  /** False: dials only. */
  readonly listen?: boolean
  readonly gossip?: Partial<GossipsubOpts>
}

/** The libraries with nothing of ours in front of them: tcp, noise, yamux, identify, gossipsub with StrictSign and no validation. Started. */
export async function createBare({ listen = true, gossip = {} }: BareOptions = {}): Promise<BareNode> {
  return createLibp2p({
    addresses: { listen: listen ? ['/ip4/127.0.0.1/tcp/0'] : [] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: { inboundConnectionThreshold: 1_000 },
    connectionMonitor: { enabled: false },
    services: { identify: identify(), pubsub: gossipsub({ globalSignaturePolicy: 'StrictSign', asyncValidation: false, emitSelf: false, ...gossip }) },
  })
}
