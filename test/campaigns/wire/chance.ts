import { seededRandom } from '../../../src/actors/kernel/index.js'

/** Everything that a campaign leaves to chance, from one seed. */
export class Chance {
  readonly random: () => number

  constructor(seed: number) { this.random = seededRandom(seed) }

  /** 0 to `below` − 1. */
  int(below: number): number { return Math.floor(this.random() * below) }
  /** `from` to `to`. */
  between(from: number, to: number): number { return from + this.int(to - from + 1) }
  yes(chance = 0.5): boolean { return this.random() < chance }
  pick<T>(of: readonly T[]): T { return of[this.int(of.length)] as T }
  bytes(length: number): Buffer { return Buffer.from(Array.from({ length }, () => this.int(256))) }
  /** So many things, up to `most`; few more often than many. */
  some<T>(most: number, make: () => T): T[] { return Array.from({ length: Math.floor(most ** this.random()) }, make) }
  /** A number as hostile ones are: small, about a power of two, or anything of 32 bits. */
  number(): number {
    const power = 2 ** this.int(33)
    return this.pick([this.int(4), Math.max(0, power - 1), Math.min(power, 0xffffffff), Math.min(power + 1, 0xffffffff), this.int(2 ** 32)])
  }
  /** The bytes, some of them changed, cut off, doubled or put in. */
  mutated(bytes: Uint8Array): Buffer {
    let out = Buffer.from(bytes)
    for (let change = this.int(4); change > 0 && out.length > 0; change--) {
      const at = this.int(out.length)
      switch (this.int(4)) {
        case 0: out[at] = (out[at] ?? 0) ^ (1 << this.int(8)); break
        case 1: out = out.subarray(0, at); break
        case 2: out = Buffer.concat([out.subarray(0, at), this.bytes(this.between(1, 8)), out.subarray(at)]); break
        default: out = Buffer.concat([out, out.subarray(at)])
      }
    }
    return out
  }

  /** A loopback address of which nobody else has made use. */
  address(): string { return `127.${this.between(1, 250)}.${this.int(256)}.${this.between(2, 250)}` }
}
