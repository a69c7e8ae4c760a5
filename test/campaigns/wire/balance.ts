import { BYTE_ACCOUNTS } from '../../../src/actors/network/handshake/limits.js'
import type { NetworkFigures } from '../../../src/actors/network/ingress.js'

/** What of a node's figures says where its bytes went. */
export type ByteFigures = Pick<NetworkFigures, 'bytes'> & { readonly now: Pick<NetworkFigures['now'], 'waitingBytes'> }

/** Bytes that came and are accounted for nowhere; 0 where the balance is right. */
export function unaccounted({ bytes, now }: ByteFigures): number {
  return bytes.received - now.waitingBytes - BYTE_ACCOUNTS.reduce((sum, account) => sum + bytes[account], 0)
}
