/**
 * Events of the node as the JSON lines of `run --stdio`: docs/stdio.md has the same table, and the tests compare the two.
 */
import type { NetworkEvent, StreamItem } from '../actors/service/index.js'
import { toHex } from '../protocol/index.js'
import { errorToJson, int } from './json.js'
import type { JsonObject } from './json.js'

type Encoder<T extends NetworkEvent['type']> = (event: Extract<NetworkEvent, { readonly type: T }>) => JsonObject

const orNull = <T>(value: T | undefined): T | null => value ?? null
const hexOrNull = (value: Uint8Array | undefined): string | null => value === undefined ? null : toHex(value)
const intOrNull = (value: bigint | number | undefined): string | null => value === undefined ? null : int(value)

/**
 * Every event, field by field, so that a new name inside does not change what others read. Integers are decimal strings,
 * measures numbers.
 */
const encoders: { readonly [T in NetworkEvent['type']]: Encoder<T> } = {
  started: ({ peerId, addresses }) => ({ event: 'ready', peerId, addresses: [...addresses] }),
  peerConnected: ({ peer, address, direction }) => ({ event: 'peerConnected', peer, address, direction }),
  peerDisconnected: ({ peer }) => ({ event: 'peerDisconnected', peer }),
  peerReady: ({ peer, agent }) => ({ event: 'peerReady', peer, agent }),
  peerRefused: ({ peer }) => ({ event: 'peerRefused', peer }),
  refused: ({ topic, from, reason, penalty }) => ({ event: 'refused', topic, from: orNull(from), reason, penalty }),
  served: ({ peer, kind, bytes }) => ({ event: 'served', peer, kind, bytes: int(bytes) }),
  violation: ({ peer, kind, violation, code }) => ({ event: 'violation', peer, kind, violation, code }),

  commitment: ({ ssz, hash, blockNumber, signer, from }) => ({
    event: 'commitment',
    ssz: toHex(ssz),
    from: orNull(from),
    blockNumber: int(blockNumber),
    signer: toHex(signer),
    hash: toHex(hash),
  }),
  txList: ({ hash, txList, from }) => ({ event: 'txlist', hash: toHex(hash), bytes: int(txList.length), from: orNull(from) }),
  rejected: ({ topic, from, reason, verdict }) => ({ event: 'rejected', topic, from: orNull(from), reason, verdict }),
  stored: ({ kind, hash, blockNumber }) => ({ event: 'stored', kind, hash: toHex(hash), blockNumber: intOrNull(blockNumber) }),
  handover: ({ hash, blockNumber, submissionWindowEnd, signer, withBlock }) => ({
    event: 'handover',
    blockNumber: int(blockNumber),
    submissionWindowEnd: int(submissionWindowEnd),
    signer: toHex(signer),
    hash: toHex(hash),
    withBlock,
  }),
  head: ({ head, hash }) => ({
    event: 'head',
    blockNumber: int(head.blockNumber),
    submissionWindowEnd: int(head.submissionWindowEnd),
    hash: hexOrNull(hash),
  }),
  rewind: ({ to, reason }) => ({ event: 'rewind', to: int(to), reason }),
  equivocation: ({ first, second, signer, blockNumber }) => ({
    event: 'equivocation',
    first: toHex(first),
    second: toHex(second),
    signer: toHex(signer),
    blockNumber: int(blockNumber),
  }),
  misbehaviour: ({ reason, evidence, signer, blockNumber }) => ({
    event: 'misbehaviour',
    reason,
    evidence: evidence.map(toHex),
    signer: toHex(signer),
    blockNumber: int(blockNumber),
  }),
  ownEquivocation: ({ signer, blockNumber, submissionWindowEnd, first, second }) => ({
    event: 'ownEquivocation',
    signer: toHex(signer),
    blockNumber: int(blockNumber),
    submissionWindowEnd: int(submissionWindowEnd),
    first: toHex(first),
    second: toHex(second),
  }),
  recordsLost: ({ what, signingClosedUpTo }) => ({ event: 'recordsLost', what, signingClosedUpTo: int(signingClosedUpTo) }),
  recordDamaged: ({ kind, hash, blockNumber }) => ({ event: 'recordDamaged', kind, hash: hexOrNull(hash), blockNumber: intOrNull(blockNumber) }),
  signingReady: ({ after }) => ({ event: 'signingReady', after }),
  deepReorg: ({ hash, blockNumber, head, evidence }) => ({
    event: 'deepReorg',
    hash: toHex(hash),
    blockNumber: int(blockNumber),
    head: int(head),
    evidence: evidence.map(toHex),
  }),
  scheduleFailed: ({ submissionWindowEnd, error }) => ({
    event: 'scheduleFailed',
    submissionWindowEnd: int(submissionWindowEnd),
    error: errorToJson(error),
  }),

  scheduleFresh: ({ fresh, reason }) => ({ event: 'scheduleFresh', fresh, reason: orNull(reason) }),
  scheduleReorg: ({ depth, head }) => ({ event: 'scheduleReorg', depth: int(depth), head: int(head) }),
  scheduleContracts: ({ from, to, variant }) => ({ event: 'scheduleContracts', from: orNull(from), to, variant }),
  scheduleMismatch: ({ epoch, expected, named }) => ({ event: 'scheduleMismatch', epoch: int(epoch), expected: orNull(expected), named: orNull(named) }),

  tipConfirmed: ({ blockNumber, l1Block }) => ({ event: 'tipConfirmed', blockNumber: int(blockNumber), l1Block: int(l1Block) }),
  tipWentBack: ({ from, to }) => ({ event: 'tipWentBack', from: int(from), to: int(to) }),
  tipFresh: ({ fresh, reason }) => ({ event: 'tipFresh', fresh, reason: orNull(reason) }),

  published: ({ topic, hash, recipients }) => ({ event: 'published', topic, hash: toHex(hash), recipients: int(recipients) }),

  syncStarted: ({ reason, from }) => ({ event: 'syncStarted', reason, from: int(from) }),
  syncProgress: ({ from, to, at, perSecond, peers, etaMs }) => ({
    event: 'syncProgress',
    from: int(from),
    to: int(to),
    next: int(at),
    perSecond,
    peers: int(peers),
    etaMs: orNull(etaMs),
  }),
  syncDone: ({ from, to, blocks, ms }) => ({ event: 'syncDone', from: int(from), to: int(to), blocks: int(blocks), ms }),
  syncFailed: ({ code, at, reason, ms }) => ({ event: 'syncFailed', code, next: int(at), reason, ms }),
  peerFault: ({ peer, reason, detail, penalty }) => ({ event: 'peerFault', peer, reason, detail, penalty }),
  unheard: ({ peers, behind }) => ({ event: 'unheard', peers: [...peers], behind: int(behind) }),
  gapFailed: ({ hash, height, asked }) => ({
    event: 'gapFailed',
    hash: toHex(hash),
    blockNumber: int(height),
    asked: int(asked),
  }),

  banned: ({ peer, forMs, reason }) => ({ event: 'banned', peer, forMs, reason }),
  banLifted: ({ peer, why }) => ({ event: 'banLifted', peer, why }),
  greylisted: ({ peer, reputation }) => ({ event: 'greylisted', peer, reputation }),
  standingDamaged: ({ what, entries }) => ({ event: 'standingDamaged', what, entries: entries === 'all' ? null : int(entries) }),

  enr: ({ enr }) => ({ event: 'enr', enr }),
  discovered: ({ peer, address }) => ({ event: 'discovered', peer, address }),
  bootnodeFailed: ({ bootnode, code, error }) => ({ event: 'bootnodeFailed', bootnode, code, error: errorToJson(error) }),

  storeFailing: ({ code, message }) => ({ event: 'storeFailing', code, message }),
  storeRecovered: () => ({ event: 'storeRecovered' }),
  actorFailed: ({ actor, error }) => ({ event: 'actorFailed', actor, error: errorToJson(error) }),
  actorRestarted: ({ actor }) => ({ event: 'actorRestarted', actor }),
  batchAlarm: ({ evidence: { digest, signature, v, expected, recovered, what } }) => ({
    event: 'batchAlarm', digest: toHex(digest), signature: toHex(signature), v: int(v), expected: toHex(expected), recovered: hexOrNull(recovered), what,
  }),
}

/** The line of one event: `{"event": …}` and its fields. */
export function eventLine(event: NetworkEvent): JsonObject {
  return (encoders[event.type] as Encoder<NetworkEvent['type']>)(event)
}

/** The line of one item of an ordered stream, which names its stream. */
export function itemLine(stream: string, item: StreamItem): JsonObject {
  switch (item.kind) {
    case 'block': {
      const { cursor, blockNumber, ssz, hash, signer, txList } = item
      return {
        event: 'block',
        stream,
        cursor,
        blockNumber: int(blockNumber),
        ssz: toHex(ssz),
        hash: toHex(hash),
        signer: toHex(signer),
        txlist: hexOrNull(txList),
      }
    }
    case 'rewind': return { event: 'rewind', stream, to: int(item.to), reset: item.reset === true, cursor: item.cursor }
    case 'skipped': return { event: 'skipped', stream, from: int(item.from), to: int(item.to), cursor: item.cursor }
    case 'stalled': return { event: 'stalled', stream, blockNumber: int(item.height) }
  }
}
