import type { StreamItem } from '../../src/actors/service/blocks.js'

type Open = (from: bigint | string) => AsyncGenerator<StreamItem, void, undefined>

/** One reader of the ordered stream: keeps what an application would keep, its chain and the cursor of the last item. */
export class Reader {
  /** The chain as told: hash by height. */
  readonly chain = new Map<bigint, string>()
  cursor: bigint | string = 0n
  /** It has been told all there is, and waits. */
  drained = false
  /** What the stream said against its own contract. */
  readonly complaints: string[] = []
  /** What it was told, for the report. */
  readonly items: string[] = []
  #left: AbortController | undefined
  #stream: AsyncGenerator<StreamItem, void, undefined> | undefined
  #next: Promise<void> | undefined
  #arrived: IteratorResult<StreamItem, void> | { readonly error: unknown } | undefined

  constructor(private readonly open: (signal: AbortSignal) => Open) {}

  get attached(): boolean { return this.#stream !== undefined }

  attach(): void {
    if (this.#stream !== undefined) return
    this.#left = new AbortController()
    this.#stream = this.open(this.#left.signal)(this.cursor)
    this.drained = false
  }

  leave(): void {
    this.#left?.abort()
    this.#stream = this.#next = this.#arrived = undefined
    this.drained = false
  }

  /** Takes up to `most` items, as far as there are. */
  async read(most: number, settle: () => Promise<void>): Promise<void> {
    const stream = this.#stream
    for (let taken = 0; stream !== undefined && taken < most; taken++) {
      this.#next ??= stream.next().then(
        item => { if (this.#stream === stream) this.#arrived = item },
        (error: unknown) => { if (this.#stream === stream) this.#arrived = { error } })
      for (let tries = 0; tries < 3 && this.#arrived === undefined; tries++) await settle()
      const item = this.#arrived
      this.drained = item === undefined
      if (item === undefined) return
      this.#next = this.#arrived = undefined
      if ('error' in item) { this.complaints.push(`it failed: ${String(item.error)}`); this.leave(); return }
      if (item.done === true) { this.leave(); return }
      this.#fold(item.value)
    }
    this.drained = false
  }

  #fold(item: StreamItem): void {
    this.items.push(item.kind === 'block' ? `block ${item.blockNumber}` : item.kind === 'rewind' ? `rewind ${item.to}` : item.kind === 'skipped' ? `skipped ${item.from}-${item.to}` : item.kind)
    const highest = [...this.chain.keys()].reduce((a, b) => b > a ? b : a, -1n)
    if (item.kind === 'block') {
      if (item.blockNumber <= highest) this.complaints.push(`block ${item.blockNumber} after ${highest}`)
      this.chain.set(item.blockNumber, Buffer.from(item.hash).toString('hex'))
      this.cursor = item.cursor
    } else if (item.kind === 'rewind') {
      for (const height of [...this.chain.keys()]) if (height > item.to) this.chain.delete(height)
      this.cursor = item.cursor ?? item.to + 1n
    } else if (item.kind === 'skipped') {
      if (item.from <= highest) this.complaints.push(`skipped ${item.from} to ${item.to} after ${highest}`)
    }
  }
}
