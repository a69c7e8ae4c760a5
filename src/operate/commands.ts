/** The commands (docs/stdio.md): what each takes, and what it answers. `run --stdio` has them by these names, JSON-RPC as `preconf_…`. */
import { codecs, toHex } from '../protocol/index.js'
import { accessCommands } from './access-commands.js'
import { int, toJson } from './json.js'
import type { JsonObject } from './json.js'
import { nothing, reads, steers } from './methods.js'
import type { Methods, OperatedNode } from './methods.js'
import { CommandError, bytes, count, flag, integer, optional, text } from './parameters.js'
import { readinessCommands } from './readiness.js'

const head = ({ blockNumber, submissionWindowEnd }: { blockNumber: bigint; submissionWindowEnd: bigint }): JsonObject =>
  ({ blockNumber: int(blockNumber), submissionWindowEnd: int(submissionWindowEnd) })
const published = ({ hash, recipients, stored, known }: Awaited<ReturnType<OperatedNode['publishTxList']>>): JsonObject =>
  ({ hash: toHex(hash), recipients: int(recipients), stored, known })

/** Every command but those of `run --stdio`'s own session. */
export const commands: Methods = {
  publishCommitment: steers({ ssz: bytes, late: optional(flag), behind: optional(flag) }, async ({ node }, { ssz, late = false, behind = false }) => {
    const result = await node.publishCommitment(ssz, { late, behind })
    return () => published(result)
  }),
  publishTxList: steers({ txlist: bytes }, async ({ node }, { txlist }) => {
    const result = await node.publishTxList(txlist)
    return () => published(result)
  }),
  requestHead: steers({ peer: optional(text) }, async ({ node }, { peer }) => {
    const answer = await node.requestHead({ peer })
    return () => ({ peer: answer.peer, ...head(answer.head) })
  }),
  requestCommitments: steers({ start: integer, max: count, peer: optional(text) }, async ({ node }, { start, max, peer: asked }) => {
    const { peer, commitments } = await node.requestCommitments({ start, maxCount: max, peer: asked })
    return () => ({ peer, commitments: commitments.map(commitment => toHex(codecs.SignedCommitment.encode(commitment))) })
  }),
  requestTxList: steers({ hash: bytes, peer: optional(text) }, async ({ node }, { hash, peer: asked }) => {
    const { peer, txList } = await node.requestTxList({ hash, peer: asked })
    return () => ({ peer, txlist: toHex(txList) })
  }),
  updateHead: steers({ blockNumber: optional(integer), submissionWindowEnd: optional(integer) }, async ({ node }, { blockNumber, submissionWindowEnd }) => {
    if ((blockNumber === undefined) !== (submissionWindowEnd === undefined))
      throw new CommandError('missing_field', '"blockNumber" and "submissionWindowEnd" come together, or not at all')
    node.updateHead(blockNumber === undefined || submissionWindowEnd === undefined ? undefined : { blockNumber, submissionWindowEnd })
    return nothing
  }),
  confirm: steers({ blockNumber: integer, hash: optional(bytes) }, async ({ node }, { blockNumber, hash }) => {
    await node.confirm({ blockNumber, ...hash !== undefined && { preconfirmationHash: hash } })
    return nothing
  }),
  rewind: steers({ to: integer }, async ({ node }, { to }) => {
    await node.rewind(to)
    return nothing
  }),
  reinstate: steers({ hash: bytes }, async ({ node }, { hash }) => {
    await node.reinstate(hash)
    return nothing
  }),
  sync: steers({}, async ({ node, ending }) => {
    const { outcome, code, from, to, blocks, ms } = await node.sync({ signal: ending })
    return () => ({ outcome, code: code ?? null, from: int(from), to: int(to), blocks: int(blocks), ms })
  }),
  evidence: reads({ from: optional(count), max: optional(count) }, async ({ node }, { from, max }) => {
    const found = await node.evidence({ ...from !== undefined && { from }, ...max !== undefined && { max } })
    return () => ({
      evidence: found.map(({ sequence, kind, reason, signer, blockNumber, submissionWindowEnd, messages, seenAt }) => ({
        sequence: int(sequence),
        kind,
        reason,
        signer: toHex(signer),
        blockNumber: int(blockNumber),
        submissionWindowEnd: int(submissionWindowEnd),
        messages: messages.map(toHex),
        seenAt: int(Math.floor(seenAt)),
      })),
    })
  }),
  dial: steers({ addr: text }, async ({ node }, { addr }) => {
    const peer = await node.dial(addr)
    return () => ({ peer })
  }),
  hangUp: steers({ peer: text }, async ({ node }, { peer }) => {
    await node.hangUp(peer)
    return nothing
  }),
  peers: reads({}, async ({ node }) => {
    const peers = await node.peers()
    return () => ({
      peers: peers.map(({ peer, addresses, direction, connections, agent, protocols, mesh, score, latencyMs, refused }) => ({
        peer, addresses: [...addresses], direction, connections: int(connections), agent, protocols: [...protocols],
        mesh: { commitments: mesh.commitments, txLists: mesh.txLists }, score, latencyMs: latencyMs ?? null, refused,
      })),
    })
  }),
  head: reads({}, async ({ node }) => {
    const ours = await node.head()
    return () => head(ours)
  }),
  stored: reads({ start: integer, max: count }, async ({ node }, { start, max }) => {
    const commitments = await node.storedCommitments({ start, maxCount: max })
    return () => ({ commitments: commitments.map(toHex) })
  }),
  storedTxList: reads({ hash: bytes }, async ({ node }, { hash }) => {
    const txList = await node.storedTxList(hash)
    return () => ({ txlist: txList === undefined ? null : toHex(txList) })
  }),
  ...accessCommands,
  ...readinessCommands,
  status: reads({}, async ({ node }) => {
    const [health, addresses] = await Promise.all([node.health(), node.listenAddresses().catch(() => [])])
    return () => ({
      status: health.status,
      ailments: health.ailments.map(({ code, message }) => ({ code, message })),
      peers: int(health.peers),
      head: health.head === undefined ? null : head(health.head),
      next: health.next === undefined ? null : int(health.next),
      known: health.known === undefined ? null : int(health.known),
      announced: health.announced === undefined ? null : int(health.announced),
      failedRuns: health.failedRuns === undefined ? null : int(health.failedRuns),
      unstored: health.unstored === undefined ? null : int(health.unstored),
      durable: health.durable ?? null,
      signatures: health.signatures,
      peerId: node.peerId,
      addresses: [...addresses],
    })
  }),
  figures: reads({}, async ({ node }) => {
    const figures = await node.figures()
    return () => toJson(figures)
  }),
  actors: reads({}, async ({ node }) => {
    const tree = node.describe()
    return () => ({ tree: toJson(tree) })
  }),
}
