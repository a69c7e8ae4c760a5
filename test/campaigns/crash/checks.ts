import { fromHex, toHex } from '../../../src/protocol/index.js'
import type { Random } from '../../../src/actors/kernel/index.js'
import type { Tally } from '../campaign.js'
import { TIP } from './chain.js'
import type { ExpectedChain } from './expected.js'
import type { Offence } from './wire.js'
import { heightOf } from './witness.js'
import type { Witness } from './witness.js'
import type { WriterProcess } from './writer-process.js'

/** Txlists of earlier lives that are looked at after every kill; all of them now and then, and at the end. */
const SAMPLE = 200
/** Hashes asked for at a time. */
const STEP = 500

interface Scene {
  readonly writer: WriterProcess
  readonly witness: Witness
  readonly expected: ExpectedChain
  readonly tally: Tally
  /** Where a failure happened, for its line. */
  readonly at: string
}

/** What the application had kept before the writer was started: no more and no less than what it was given last. */
export function checkCursor({ witness, tally, at }: Omit<Scene, 'writer'>, cursor: string | undefined): void {
  const [kept, saved, given] = [heightOf(cursor), heightOf(witness.saved), witness.highestItem]
  tally.check(kept >= saved && kept <= given, () => `${at}: the cursor kept is ${kept}, reported were ${saved} as saved and ${given} as given`)
}

/** What the stream gave in the life that was ended: from right behind its cursor on, each block once and whole, none that is not durable. */
export function checkItems({ witness, expected, tally, at }: Omit<Scene, 'writer'>, cursorBefore: string | undefined): void {
  const first = heightOf(cursorBefore) + 1n
  const wrong = witness.items.find(({ height, hash, whole }, index) => height !== first + BigInt(index) || hash !== expected.hash(height) || !whole)
  tally.check(wrong === undefined, () => `${at}: item ${wrong?.height} (whole: ${wrong?.whole}) of a stream that began behind ${first - 1n}`)
}

/** Everything that was reported stored is there, and more is as it has to be. Gives the head. */
export async function checkStored(scene: Scene): Promise<bigint> {
  const { writer, witness, expected, tally, at } = scene
  const { head, pending } = await writer.ask<'head'>({ do: 'head' })
  const durable = witness.highestItem > witness.highestHead ? witness.highestItem : witness.highestHead
  tally.check(head >= durable || (head === 0n && durable === TIP), () => `${at}: the head is ${head}, reported as durable was ${durable}`)
  const misnamed = witness.stored.find(({ height, hash }) => hash !== expected.hash(height))
  tally.check(misnamed === undefined, () => `${at}: ${misnamed?.height} was reported stored under another hash`)
  // What came before its parent is stored too, and waits.
  for (const height of witness.above) if (height <= head) witness.above.delete(height)
  tally.check(pending >= witness.above.size, () => `${at}: ${witness.above.size} are stored above the head ${head}, and ${pending} wait for their parents`)
  let wrong: bigint | undefined
  for (let from = TIP + 1n; from <= head && wrong === undefined; from += 256n) {
    const to = from + 255n > head ? head : from + 255n
    const page = await writer.ask<'commitments'>({ do: 'commitments', start: from })
    if (!expected.ssz(from, to).equals(page)) wrong = from
  }
  tally.check(wrong === undefined, () => `${at}: the commitments from ${wrong} on are not what was written`)
  return head
}

/** The txlists that the last life reported, some of earlier ones or all, and those of the highest blocks, reported or not. */
export async function checkTxLists(scene: Scene, head: bigint, which: { readonly all: boolean; readonly random: Random }): Promise<void> {
  const { writer, witness, expected, tally, at } = scene
  const before = witness.txListsBefore
  const earlier = which.all ? witness.txLists.slice(0, before) : Array.from({ length: Math.min(SAMPLE, before) }, () => witness.txLists[Math.floor(which.random() * before)] ?? '')
  const wanted = new Set([...earlier, ...witness.txLists.slice(before)])
  for (let height = head; height > TIP && height > head - 16n; height--) wanted.add(toHex(expected.txListHash(height)))
  const hashes = [...wanted]
  let wrong: string | undefined
  for (let from = 0; from < hashes.length && wrong === undefined; from += STEP) {
    const asked = hashes.slice(from, from + STEP)
    const found = await writer.ask<'txLists'>({ do: 'txLists', hashes: asked.map(hash => fromHex(hash)) })
    wrong = asked.find((hash, index) => found[index] !== hash)
  }
  tally.check(wrong === undefined, () => `${at}: the txlist ${wrong} was reported stored and is not there, or is another`)
}

/** From the cursor on: the block right behind it, then each once and whole, up to the head. */
export async function checkStream(scene: Scene, cursor: string | undefined, head: bigint): Promise<void> {
  const { writer, expected, tally, at } = scene
  const first = heightOf(cursor) + 1n
  if (head < first) return
  const items = await writer.ask<'stream'>({ do: 'stream', from: cursor ?? first, to: head })
  const wrong = items.findIndex(({ kind, height, hash, whole }, index) => kind !== 'block' || height !== first + BigInt(index) || hash !== expected.hash(height) || !whole)
  tally.check(wrong === -1 && BigInt(items.length) === head - first + 1n, () => {
    const item = items[wrong]
    return `${at}: from ${cursor} on the stream gave ${items.length} items up to ${head}${item === undefined ? '' : `, and ${item.kind} ${item.height} (whole: ${item.whole}) at ${wrong}`}`
  })
}

/** What was signed, by whatever life, is protected: nothing else of its window and height may leave, nor anything behind the end of a turn. */
export async function checkProtection(scene: Scene, random: Random): Promise<void> {
  const { writer, witness, tally, at } = scene
  const { highestSigned, highestPublished } = witness
  if (highestPublished === TIP) return
  const earlier = TIP + 1n + BigInt(Math.floor(random() * Number(highestPublished - TIP)))
  const offences: readonly (readonly [bigint, Offence, code: string])[] = [
    [highestSigned, 'rival', 'conflicting_commitment'],
    [highestPublished, 'rival', 'conflicting_commitment'],
    [highestPublished, 'rival signed elsewhere', 'conflicting_commitment'],
    [earlier, 'rival', 'conflicting_commitment'],
    [highestPublished, 'after end of turn', 'after_own_eop'],
  ]
  for (const [height, how, code] of offences) {
    const came = await writer.ask<'offend'>({ do: 'offend', height, how })
    tally.check(came === code, () => `${at}: ${how} at ${height}: ${came}, not ${code}`)
  }
}
