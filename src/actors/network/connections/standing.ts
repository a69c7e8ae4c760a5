import type { PeerStanding } from '../../reputation/ingress.js'

/** What is thought of peers where nobody keeps a reputation: nothing. */
export const neutralStanding: PeerStanding = {
  appScore: () => 0,
  mayAsk: () => true,
  greylisted: () => false,
  isProtected: () => false,
  refuses: () => undefined,
}
