/**
 * Buffers that came back from the workers, kept for the next batches: a fresh one of 2 MiB costs the main thread more in zeros and
 * page faults than its copy.
 */
export class BufferPool {
  readonly #buffers: ArrayBuffer[] = []

  /** @param most buffers kept @param unit bytes; sizes are rounded up to a multiple, so that most fit most batches */
  constructor(private readonly most: number, private readonly unit: number) {}

  /** A buffer of at least so many bytes. What is in it is left over from before. */
  readonly take = (size: number): ArrayBuffer => {
    const at = this.#buffers.findIndex(buffer => buffer.byteLength >= size)
    const [found] = at < 0 ? [] : this.#buffers.splice(at, 1)
    return found ?? new ArrayBuffer(Math.ceil(size / this.unit) * this.unit)
  }

  /** Takes a buffer back; with no place left the smallest goes. */
  put(buffer: ArrayBuffer): void {
    this.#buffers.push(buffer)
    this.#buffers.sort((a, b) => a.byteLength - b.byteLength)
    if (this.#buffers.length > this.most) this.#buffers.shift()
  }
}
