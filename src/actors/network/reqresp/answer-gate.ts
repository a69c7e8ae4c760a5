import type { PeerKey } from '../../../protocol/peer-key.js'

interface Waiter { readonly go: () => void; over: boolean }
/** Waiters by peer; the peer whose turn is next comes first. */
type Line = Map<PeerKey, Waiter[]>

/**
 * Limits how many answers are fetched and sent concurrently, since an overloaded machine that works on all at once makes every one late.
 * Guaranteed answers (SPEC §8) go first; within either class the peers take turns. Bounded by the open streams.
 */
export class AnswerGate {
  readonly #guaranteed: Line = new Map()
  readonly #others: Line = new Map()
  #inHand = 0

  /** @param atOnce concurrent answers, at least 1 */
  constructor(private readonly atOnce: number) {}

  /** Resolves to a function to be called once, when the answer was sent or abandoned; to `undefined` if the signal is aborted first. */
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

/** Takes the first waiter of the next peer, and moves that peer to the end. */
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
