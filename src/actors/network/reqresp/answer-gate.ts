import type { PeerKey } from '../../../protocol/peer-key.js'

interface Waiter { readonly go: () => void; over: boolean }
/** Waiters of each peer, the peer whose turn it is first. */
type Line = Map<PeerKey, Waiter[]>

/**
 * Lets a few answers at a time be fetched and sent, in an order of our own. A machine that is slower than what is asked of it would else
 * have them all in hand at once, and each would be late. What is guaranteed to its peer (SPEC §8) goes first, whatever others ask; within
 * either kind the peers take turns. Bounded by the streams that are open.
 */
export class AnswerGate {
  readonly #guaranteed: Line = new Map()
  readonly #others: Line = new Map()
  #inHand = 0

  /** @param atOnce answers in hand at once, at least 1 */
  constructor(private readonly atOnce: number) {}

  /** Resolves with what is to be called, once, when the answer has been sent or given up; with `undefined` when the signal comes first. */
  enter(peer: PeerKey, guaranteed: boolean, signal: AbortSignal): Promise<(() => void) | undefined> {
    if (signal.aborted) return Promise.resolve(undefined)
    return new Promise(resolve => {
      const onAbort = (): void => { waiter.over = true; resolve(undefined) }
      const waiter: Waiter = {
        over: false,
        go: () => {
          signal.removeEventListener('abort', onAbort)
          this.#inHand++
          let left = false
          resolve(() => {
            if (left) return
            left = true
            this.#inHand--
            this.#next()
          })
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      const line = guaranteed ? this.#guaranteed : this.#others
      const ofPeer = line.get(peer)
      if (ofPeer === undefined) line.set(peer, [waiter])
      else ofPeer.push(waiter)
      this.#next()
    })
  }

  #next(): void {
    while (this.#inHand < this.atOnce) {
      const waiter = first(this.#guaranteed) ?? first(this.#others)
      if (waiter === undefined) return
      waiter.go()
    }
  }
}

/** Takes the first of the peer whose turn it is, and puts that peer last. */
function first(line: Line): Waiter | undefined {
  for (const [peer, waiters] of line) {
    line.delete(peer)
    const at = waiters.findIndex(({ over }) => !over)
    if (at < 0) continue
    if (at + 1 < waiters.length) line.set(peer, waiters.slice(at + 1))
    return waiters[at]
  }
  return undefined
}
