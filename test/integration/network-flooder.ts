/**
 * A peer in a process of its own that sends gossip as fast as the wire takes it: `network-flooder.js ADDRESS COMMITMENTS TXLISTS`. What it
 * sends is signed beforehand, so that it costs the other side more than itself. Says `ready`, waits for `go`, says `sent`.
 */
import { createHash } from 'node:crypto'
import type { GossipsubInternals, Rpc, RpcMessage } from '../../src/actors/network/gossip/gossipsub-internals.js'
import { OFFSETS, txListHash, loadCrypto } from '../../src/protocol/index.js'
import { commitment, txList } from '../network/harness.js'
import { rawPeer, topics } from '../network/raw-peer.js'

const [address = '', commitments = '0', txLists = '0'] = process.argv.slice(2)
const victim = address.slice(address.lastIndexOf('/') + 1)
const peer = await rawPeer('tcp', { gossip: { maxOutboundBufferSize: 1024 * 1024 * 1024 } })
const internals = peer.pubsub as unknown as GossipsubInternals
const send = internals.sendRpc.bind(peer.pubsub)
const crypto = await loadCrypto()

/** In the form of a valid signature, so that a public key has to be recovered. */
function signed(n: number): Uint8Array {
  const bytes = commitment(n)
  bytes[OFFSETS.rawTxListHash] = 1
  bytes.set(createHash('sha256').update(`r${n}`).digest().fill(0x7f, 0, 1), OFFSETS.signature)
  bytes.set(createHash('sha256').update(`s${n}`).digest().fill(0x3f, 0, 1), OFFSETS.signature + 32)
  return bytes
}

function fullTxList(n: number): Uint8Array {
  const bytes = txList(n, 2_097_152)
  bytes.set(txListHash(crypto, bytes.subarray(36)), 0)
  return bytes
}

await peer.dial(address)
while (!internals.getMeshPeers(topics.commitments).includes(victim)) await new Promise(resolve => { setTimeout(resolve, 10) })
const ready: RpcMessage[] = []
internals.sendRpc = (id, rpc) => {
  ready.push(...rpc.messages)
  return rpc.messages.length > 0 || send(id, rpc)
}
for (let n = 0; n < Number(commitments); n++) await peer.pubsub?.publish(topics.commitments, signed(n))
for (let n = 0; n < Number(txLists); n++) await peer.pubsub?.publish(topics.txLists, fullTxList(n))
process.on('message', () => {
  for (const message of ready) send(victim, { subscriptions: [], messages: [message] } satisfies Rpc)
  process.send?.('sent')
})
process.send?.('ready')
