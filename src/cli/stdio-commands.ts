/** The commands of `run --stdio` (docs/stdio.md): what each takes, and what it answers. */
import type { Access, P2pService } from '../actors/service/index.js'
import type { SyncResult } from '../actors/sync/ingress.js'
import { codecs, toHex } from '../protocol/index.js'
import { int, toJson } from './json.js'
import type { JsonObject } from './json.js'
import { accessCommands } from './stdio-access.js'
import type { Fields } from './stdio-fields.js'
import type { BlockStreams } from './stdio-streams.js'

/** What of the service a session uses. */
export type StdioNode = Pick<P2pService,
  | 'peerId' | 'listenAddresses' | 'subscribe' | 'ended' | 'stop' | 'blocks'
  | 'publishCommitment' | 'publishTxList' | 'requestHead' | 'requestCommitments' | 'requestTxList'
  | 'head' | 'updateHead' | 'confirm' | 'rewind' | 'reinstate' | 'storedCommitments' | 'storedTxList' | 'evidence'
  | 'dial' | 'hangUp' | 'peers' | 'enr' | 'addBootnode' | 'health' | 'figures'> & {
    readonly access: Pick<Access, keyof Access>
    sync(options: { readonly signal: AbortSignal }): PromiseLike<SyncResult>
  }

export interface Session {
  readonly node: StdioNode
  readonly streams: BlockStreams
  /** Aborted when the session ends: what has no deadline of its own ends with it. */
  readonly ending: AbortSignal
}

/**
 * Begins its work before its first `await`, so that commands begin in the order of their lines. Returns a function that makes
 * the result into JSON when its turn to be written comes.
 */
export type Command = (session: Session, fields: Fields) => Promise<() => JsonObject>

const nothing = (): JsonObject => ({})
const head = ({ blockNumber, submissionWindowEnd }: { blockNumber: bigint; submissionWindowEnd: bigint }): JsonObject =>
  ({ blockNumber: int(blockNumber), submissionWindowEnd: int(submissionWindowEnd) })
const published = ({ hash, recipients, stored, known }: Awaited<ReturnType<StdioNode['publishTxList']>>): JsonObject =>
  ({ hash: toHex(hash), recipients: int(recipients), stored, known })

/** Every command but `stop`, which the session itself carries out. */
export const commands: Readonly<Record<string, Command>> = {
  publishCommitment: async ({ node }, fields) => {
    const result = await node.publishCommitment(fields.bytes('ssz'), { late: fields.optionalFlag('late'), behind: fields.optionalFlag('behind') })
    return () => published(result)
  },
  publishTxList: async ({ node }, fields) => {
    const result = await node.publishTxList(fields.bytes('txlist'))
    return () => published(result)
  },
  requestHead: async ({ node }, fields) => {
    const answer = await node.requestHead({ peer: fields.optionalText('peer') })
    return () => ({ peer: answer.peer, ...head(answer.head) })
  },
  requestCommitments: async ({ node }, fields) => {
    const { peer, commitments } = await node.requestCommitments({
      start: fields.integer('start'),
      maxCount: fields.count('max'),
      peer: fields.optionalText('peer'),
    })
    return () => ({ peer, commitments: commitments.map(commitment => toHex(codecs.SignedCommitment.encode(commitment))) })
  },
  requestTxList: async ({ node }, fields) => {
    const { peer, txList } = await node.requestTxList({ hash: fields.bytes('hash'), peer: fields.optionalText('peer') })
    return () => ({ peer, txlist: toHex(txList) })
  },
  updateHead: async ({ node }, fields) => {
    const takenBack = !fields.has('blockNumber') && !fields.has('submissionWindowEnd')
    node.updateHead(
      takenBack
        ? undefined
        : { blockNumber: fields.integer('blockNumber'), submissionWindowEnd: fields.integer('submissionWindowEnd') },
    )
    return nothing
  },
  confirm: async ({ node }, fields) => {
    await node.confirm({
      blockNumber: fields.integer('blockNumber'),
      ...(fields.has('hash') ? { preconfirmationHash: fields.bytes('hash') } : {}),
    })
    return nothing
  },
  rewind: async ({ node }, fields) => {
    await node.rewind(fields.integer('to'))
    return nothing
  },
  reinstate: async ({ node }, fields) => {
    await node.reinstate(fields.bytes('hash'))
    return nothing
  },
  sync: async ({ node, ending }) => {
    const { outcome, code, from, to, blocks, ms } = await node.sync({ signal: ending })
    return () => ({ outcome, code: code ?? null, from: int(from), to: int(to), blocks: int(blocks), ms })
  },
  evidence: async ({ node }, fields) => {
    const found = await node.evidence({
      ...(fields.has('from') ? { from: fields.count('from') } : {}),
      ...(fields.has('max') ? { max: fields.count('max') } : {}),
    })
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
  },
  dial: async ({ node }, fields) => {
    const peer = await node.dial(fields.text('addr'))
    return () => ({ peer })
  },
  hangUp: async ({ node }, fields) => {
    await node.hangUp(fields.text('peer'))
    return nothing
  },
  peers: async ({ node }) => {
    const peers = await node.peers()
    return () => ({
      peers: peers.map(({ peer, addresses, direction, connections, agent, protocols, mesh, score, latencyMs, refused }) => ({
        peer, addresses: [...addresses], direction, connections: int(connections), agent, protocols: [...protocols],
        mesh: { commitments: mesh.commitments, txLists: mesh.txLists }, score, latencyMs: latencyMs ?? null, refused,
      })),
    })
  },
  head: async ({ node }) => {
    const ours = await node.head()
    return () => head(ours)
  },
  stored: async ({ node }, fields) => {
    const commitments = await node.storedCommitments({ start: fields.integer('start'), maxCount: fields.count('max') })
    return () => ({ commitments: commitments.map(toHex) })
  },
  storedTxList: async ({ node }, fields) => {
    const txList = await node.storedTxList(fields.bytes('hash'))
    return () => ({ txlist: txList === undefined ? null : toHex(txList) })
  },
  blocks: async ({ streams }, fields) => {
    const stream = streams.open({
      from: fields.heightOrCursor('from'),
      withTxList: fields.optionalFlag('withTxList'),
      credit: fields.has('credit') ? fields.count('credit') : undefined,
    })
    return () => ({ stream })
  },
  moreBlocks: async ({ streams }, fields) => {
    const credit = streams.more(fields.text('stream'), fields.count('credit'))
    return () => ({ credit: Number.isFinite(credit) ? int(credit) : null })
  },
  endBlocks: async ({ streams }, fields) => {
    await streams.end(fields.text('stream'))
    return nothing
  },
  ...accessCommands,
  status: async ({ node }) => {
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
  },
  figures: async ({ node }) => {
    const figures = await node.figures()
    return () => toJson(figures) as JsonObject
  },
}
