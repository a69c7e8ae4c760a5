import type { PeerKey } from '../../../protocol/peer-key.js'

/**
 * Fault: gossipsub forwards an accepted message to every mesh peer but the one that delivered it, its author among them. Rust nodes
 * count their own message coming back as an invalid one (−2·n²), and in a busy full mesh prune us within seconds (H38).
 * Remedy: tell the message cache, just before an accept, that the author has sent a copy: it is then left out like any other sender.
 * Never before a reject: the author would be penalised for what somebody else delivered.
 * Goes when gossipsub leaves the author out itself: the test runs a full mesh of five with and without it.
 */
export const GOSSIPSUB_VERSION = '17.1.1'

/** The part of gossipsub's message cache that is used. */
export interface DuplicateObserver { observeDuplicate(messageId: string, peer: string): void }

/** To be called directly before `reportMessageValidationResult(…, 'accept')`. */
export function leaveAuthorOut(cache: DuplicateObserver, messageId: string, author: PeerKey): void {
  cache.observeDuplicate(messageId, author)
}
