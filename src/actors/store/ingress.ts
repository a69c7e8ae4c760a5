import { Handle, dropOldest, keep, mailbox, reject } from '../kernel/index.js'
import type { Ask, Deadline } from '../kernel/index.js'
import type { WriteBatch } from './database.js'

export interface StoreStanding {
  readonly durable: boolean
  readonly commitments: number
  readonly txLists: number
  readonly txListBytes: number
  /** The error that keeps it from storing now, where there is one (H33). */
  readonly failing: { readonly code: string; readonly message: string } | undefined
}

export type StoreMessage =
  /** From chain. Group-committed with its neighbours; acknowledged as `durable` with its sequence, in order. */
  | { readonly type: 'write'; readonly sequence: number; readonly batch: WriteBatch }
  /** From network: answer `get_commitments_by_number` / `get_raw_txlist` to this inbound request. */
  | { readonly type: 'serveCommitments'; readonly request: number; readonly start: bigint; readonly max: number }
  | { readonly type: 'serveTxList'; readonly request: number; readonly hash: Uint8Array }
  | Ask<'standing', object, StoreStanding>

export const storeMailbox = mailbox<StoreMessage>({
  capacity: 8_192,
  whenFull: {
    write: keep('chain bounds what is not acknowledged (DESIGN.md: 4,096 commitments, 64 MiB)'),
    serveCommitments: dropOldest('the network answers it with nothing when its deadline comes'),
    serveTxList: dropOldest('the network answers it with nothing when its deadline comes'),
    standing: reject('the caller is told'),
  },
})

/** The node's memory: an embedded database in a thread of its own (SPEC §7). */
export class Store extends Handle<StoreMessage> {
  write (sequence: number, batch: WriteBatch) { return this.send({ type: 'write', sequence, batch }) }
  serveCommitments (request: number, start: bigint, max: number) { return this.send({ type: 'serveCommitments', request, start, max }) }
  serveTxList (request: number, hash: Uint8Array) { return this.send({ type: 'serveTxList', request, hash }) }
  standing (within: Deadline) { return this.ask('standing', {}, within) }
}
