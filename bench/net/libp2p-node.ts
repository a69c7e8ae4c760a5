import { createBare } from './bare-libp2p.js'
import type { StartSubject } from './subject.js'

const impossible = async (): Promise<never> => Promise.reject(new Error('this node only starts'))

/** What a start of the libraries alone costs: nothing of this project is loaded. */
export const startLibp2p: StartSubject = async () => {
  const node = await createBare()
  return {
    peerId: node.peerId.toString(),
    address: node.getMultiaddrs()[0]?.toString() ?? '',
    dial: impossible, hangUp: impossible, meshPeers: impossible, publish: impossible, prepare: impossible, blast: impossible, flood: impossible,
    comeAndGo: impossible, request: impossible, figures: impossible,
    stop: async () => { await node.stop() },
  }
}
