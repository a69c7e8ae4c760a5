import type { EvidencePut, HeadRecord, LossKind, RootRecord, Standing, TipRecord, WriteBatch } from './database.js'
import { StoreError } from './errors.js'
import { standingByte, standingOf } from './record-page.js'

/**
 * A `WriteBatch` as one buffer, which crosses the thread by being transferred. Numbers are big-endian; counts and lengths
 * take four bytes, a uint256 its length in one byte before its own; a field that may be missing stands behind a byte 0 or 1
 * (2 for `null`). Both ends are of the same build, so there is no version in it.
 */
class Writer {
  #bytes: Buffer
  #at = 0

  constructor(size: number) { this.#bytes = Buffer.allocUnsafeSlow(size) }

  #room(size: number): number {
    const at = this.#at
    this.#at += size
    if (this.#at > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(this.#at, this.#bytes.length * 2))
      larger.set(this.#bytes)
      this.#bytes = larger
    }
    return at
  }

  byte(value: number): void { const at = this.#room(1); this.#bytes[at] = value }
  count(value: number): void { const at = this.#room(4); this.#bytes.writeUInt32BE(value, at) }
  number(value: number): void { const at = this.#room(8); this.#bytes.writeDoubleBE(value, at) }
  raw(value: Uint8Array): void { const at = this.#room(value.length); this.#bytes.set(value, at) }

  bytes(value: Uint8Array): void {
    this.count(value.length)
    this.raw(value)
  }

  text(value: string): void { this.bytes(Buffer.from(value, 'utf8')) }

  uint(value: bigint): void {
    const digits = value.toString(16)
    const hex = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, 'hex')
    this.byte(hex.length)
    this.raw(hex)
  }

  optional<T>(value: T | undefined, write: (value: T) => void): void {
    this.byte(value === undefined ? 0 : 1)
    if (value !== undefined) write(value)
  }

  nullable<T>(value: T | null | undefined, write: (value: T) => void): void {
    this.byte(value === undefined ? 0 : value === null ? 2 : 1)
    if (value !== undefined && value !== null) write(value)
  }

  list<T>(values: readonly T[] | undefined, write: (value: T) => void): void {
    this.optional(values, all => {
      this.count(all.length)
      for (const value of all) write(value)
    })
  }

  done(): Uint8Array<ArrayBuffer> { return new Uint8Array(this.#bytes.buffer as ArrayBuffer, 0, this.#at) }
}

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Uint8Array) { this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) }

  #take(size: number): number {
    const at = this.#at
    this.#at += size
    const { length } = this.#bytes
    if (this.#at > length) throw new StoreError('invalid', `a batch ends at ${length}, in a field`, { value: this.#at })
    return at
  }

  byte(): number { return this.#bytes[this.#take(1)] ?? 0 }
  count(): number { return this.#bytes.readUInt32BE(this.#take(4)) }
  number(): number { return this.#bytes.readDoubleBE(this.#take(8)) }

  raw(size: number): Uint8Array {
    const at = this.#take(size)
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + at, size)
  }

  bytes(): Uint8Array { return this.raw(this.count()) }
  text(): string { return Buffer.from(this.bytes()).toString('utf8') }
  uint(): bigint { return BigInt(`0x${Buffer.from(this.raw(this.byte())).toString('hex')}`) }
  optional<T>(read: () => T): T | undefined { return this.byte() === 0 ? undefined : read() }

  nullable<T>(read: () => T): T | null | undefined {
    const kind = this.byte()
    return kind === 0 ? undefined : kind === 2 ? null : read()
  }

  list<T>(read: () => T): readonly T[] | undefined {
    return this.optional(() => Array.from({ length: this.count() }, read))
  }
}

export function encodeBatch(batch: WriteBatch): Uint8Array<ArrayBuffer> {
  const to = new Writer(sizeHint(batch))
  to.optional(batch.sequence, value => { to.number(value) })
  to.list(batch.signed, ({ signer, hash, ssz }) => {
    to.bytes(signer)
    to.bytes(hash)
    to.bytes(ssz)
  })
  to.optional(batch.closeSigning, ({ upTo, what, at }) => {
    to.uint(upTo)
    to.text(what)
    to.number(at)
  })
  to.optional(batch.forgetSigned, value => { to.uint(value) })
  to.optional(batch.rewindTo, value => { to.uint(value + 1n) })
  to.optional(batch.retires, value => { to.byte(value ? 1 : 0) })
  to.list(batch.forget, hash => { to.bytes(hash) })
  to.list(batch.commitments, ({ hash, signer, ssz, standing }) => {
    to.byte(standingByte(standing))
    to.bytes(hash)
    to.bytes(signer)
    to.bytes(ssz)
  })
  to.list(batch.standings, ({ hash, standing }) => {
    to.byte(standingByte(standing))
    to.bytes(hash)
  })
  to.list(batch.txLists, ({ hash, bytes, blockNumber, peer }) => {
    to.bytes(hash)
    to.optional(blockNumber, value => { to.uint(value) })
    to.optional(peer, value => { to.text(value) })
    to.bytes(bytes)
  })
  to.list(batch.referenced, ({ hash, blockNumber }) => {
    to.bytes(hash)
    to.uint(blockNumber)
  })
  to.list(batch.forgetTxLists, hash => { to.bytes(hash) })
  to.list(batch.evidence, evidence => { writeEvidence(to, evidence) })
  to.nullable(batch.confirmedTip, ({ blockNumber, preconfirmationHash }) => {
    to.uint(blockNumber)
    to.optional(preconfirmationHash, hash => { to.bytes(hash) })
  })
  to.nullable(batch.headOverride, ({ blockNumber, submissionWindowEnd }) => {
    to.uint(blockNumber)
    to.uint(submissionWindowEnd)
  })
  to.nullable(batch.root, ({ first, parentHash }) => {
    to.uint(first)
    to.optional(parentHash, hash => { to.bytes(hash) })
  })
  to.optional(batch.mark, value => { to.uint(value) })
  to.list(batch.gaps, ({ blockNumber, hash }) => {
    to.uint(blockNumber)
    to.bytes(hash)
  })
  to.list(batch.meta, ({ name, value }) => {
    to.text(name)
    to.nullable(value, text => { to.text(text) })
  })
  return to.done()
}

/** Byte fields are views of the buffer. @throws StoreError `invalid` for a buffer that is no batch */
export function decodeBatch(bytes: Uint8Array): WriteBatch {
  const from = new Reader(bytes)
  // In the order in which `encodeBatch` writes.
  const fields = {
    sequence: from.optional(() => from.number()),
    signed: from.list(() => ({ signer: from.bytes(), hash: from.bytes(), ssz: from.bytes() })),
    closeSigning: from.optional(() => ({ upTo: from.uint(), what: from.text() as LossKind, at: from.number() })),
    forgetSigned: from.optional(() => from.uint()),
    rewindTo: from.optional(() => from.uint() - 1n),
    retires: from.optional(() => from.byte() === 1),
    forget: from.list(() => from.bytes()),
    commitments: from.list(() => ({ standing: readStanding(from), hash: from.bytes(), signer: from.bytes(), ssz: from.bytes() })),
    standings: from.list(() => ({ standing: readStanding(from), hash: from.bytes() })),
    txLists: from.list(() => {
      const { hash, blockNumber, peer, bytes } = {
        hash: from.bytes(), blockNumber: from.optional(() => from.uint()), peer: from.optional(() => from.text()),
        bytes: from.bytes(),
      }
      return { hash, bytes, ...(blockNumber === undefined ? {} : { blockNumber }), ...(peer === undefined ? {} : { peer }) }
    }),
    referenced: from.list(() => ({ hash: from.bytes(), blockNumber: from.uint() })),
    forgetTxLists: from.list(() => from.bytes()),
    evidence: from.list(() => readEvidence(from)),
    confirmedTip: from.nullable((): TipRecord => {
      const blockNumber = from.uint()
      const hash = from.optional(() => from.bytes())
      return { blockNumber, ...(hash === undefined ? {} : { preconfirmationHash: hash }) }
    }),
    headOverride: from.nullable((): HeadRecord => ({ blockNumber: from.uint(), submissionWindowEnd: from.uint() })),
    root: from.nullable((): RootRecord => {
      const first = from.uint()
      const hash = from.optional(() => from.bytes())
      return { first, ...(hash === undefined ? {} : { parentHash: hash }) }
    }),
    mark: from.optional(() => from.uint()),
    gaps: from.list(() => ({ blockNumber: from.uint(), hash: from.bytes() })),
    meta: from.list(() => ({ name: from.text(), value: from.nullable(() => from.text()) ?? null })),
  }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

function writeEvidence(to: Writer, evidence: EvidencePut): void {
  const { kind, reason, signer, blockNumber, submissionWindowEnd, messages, seenAt } = evidence
  to.byte(kind === 'equivocation' ? 0 : 1)
  to.text(reason)
  to.bytes(signer)
  to.uint(blockNumber)
  to.uint(submissionWindowEnd)
  to.list(messages, message => { to.bytes(message) })
  to.number(seenAt)
}

function readEvidence(from: Reader): EvidencePut {
  return {
    kind: from.byte() === 0 ? 'equivocation' : 'misbehaviour',
    reason: from.text(),
    signer: from.bytes(),
    blockNumber: from.uint(),
    submissionWindowEnd: from.uint(),
    messages: from.list(() => from.bytes()) ?? [],
    seenAt: from.number(),
  }
}

const readStanding = (from: Reader): Standing => standingOf(from.byte())

/** Enough for most batches, so that the buffer is made once. */
function sizeHint({ commitments = [], standings = [], txLists = [], referenced = [] }: WriteBatch): number {
  let size = 1_024 + commitments.length * 460 + (standings.length + referenced.length) * 80
  for (const { bytes } of txLists) size += bytes.length + 512
  return size
}
