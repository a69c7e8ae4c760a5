import { TIP } from './chain.js'
import type { Report } from './wire.js'

interface Item { readonly height: bigint; readonly hash: string; readonly whole: boolean }

/** Everything that the writers have reported, over all their lives. */
export class Witness {
  /** Of commitments reported as stored: how many, and all of the current life with their hashes. */
  commitments = 0
  stored: { readonly height: bigint; readonly hash: string }[] = []
  /** Stored above the head, when the last life was looked at: they wait for their parents. */
  above = new Set<bigint>()
  /** The highest head that was reported: it is durable. */
  highestHead = TIP
  /** Hashes of txlists reported as stored: of all lives, and of the current one. */
  readonly txLists: string[] = []
  txListsBefore = 0
  highestSigned = TIP
  highestPublished = TIP
  /** What the stream gave in the current life, and the highest of all lives. */
  items: Item[] = []
  highestItem = TIP
  saved: string | undefined
  lagged = 0
  readonly errors: string[] = []

  hear([what, ...rest]: Report): void {
    const [first = '', second = '', third = ''] = rest
    switch (what) {
      case 'stored':
        if (first === 'txList') this.txLists.push(second)
        else {
          this.stored.push({ height: BigInt(second), hash: third })
          this.commitments++
          this.above.add(BigInt(second))
        }
        break
      case 'head': this.highestHead = highest(this.highestHead, first); break
      case 'signed': this.highestSigned = highest(this.highestSigned, first); break
      case 'published': this.highestPublished = highest(this.highestPublished, first); break
      case 'item':
        this.items.push({ height: BigInt(first), hash: second, whole: third === 'whole' })
        this.highestItem = highest(this.highestItem, first)
        break
      case 'saved': this.saved = first; break
      case 'lagged': this.lagged += Number(first); break
      case 'error': this.errors.push(rest.join(' ')); break
      default:
    }
  }

  /** Another life begins; what the last one reported was checked. */
  nextLife(): void {
    this.stored = []
    this.items = []
    this.txListsBefore = this.txLists.length
  }
}

const highest = (before: bigint, height: string): bigint => BigInt(height) > before ? BigInt(height) : before

export const heightOf = (cursor: string | undefined): bigint => cursor === undefined ? TIP : BigInt(cursor.split(':')[0] ?? 0)
