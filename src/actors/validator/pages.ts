import { SIGNED_COMMITMENT_SIZE } from '../../protocol/index.js'
import type { Checked, Origin } from '../chain/ingress.js'
import type { PeerKey } from '../../protocol/peer-key.js'
import type { Entry } from './lanes.js'

/** Collects the findings of a page, whose commitments may be checked in several batches, until all have come back. */
export class Page {
  readonly #checked: Checked[] = []
  #missing: number

  constructor(readonly peer: PeerKey, readonly ticket: number, count: number) { this.#missing = count }

  /** Adds a finding. Returns all of them, in the order of the response, once the page is complete. */
  settle(index: number, checked: Checked): readonly Checked[] | undefined {
    this.#checked[index] = checked
    this.#missing--
    return this.#missing === 0 ? this.#checked : undefined
  }
}

export interface SplitPage {
  /** The commitments, as views of the page's memory. */
  readonly entries: readonly Entry[]
  /** False if the length is not a multiple of a commitment's; the page is one entry then. */
  readonly whole: boolean
}

export function splitPage(bytes: Uint8Array, peer: PeerKey, ticket: number): SplitPage {
  const whole = bytes.length % SIGNED_COMMITMENT_SIZE === 0
  const size = whole ? SIGNED_COMMITMENT_SIZE : bytes.length
  const page = new Page(peer, ticket, bytes.length / size)
  const origin: Origin = { kind: 'sync', peer, ticket }
  const entries: Entry[] = []
  for (let at = 0; at < bytes.length; at += size) {
    entries.push({ bytes: bytes.subarray(at, at + size), origin, page, index: entries.length })
  }
  return { entries, whole }
}
