import { open, readFile, rename } from 'node:fs/promises'
import { writeSync } from 'node:fs'
import { P2pService, scheduleFromSigners, signerFromKey } from '../../../src/index.js'
import type { AddressedSigner, StreamItem } from '../../../src/index.js'
import { CommitmentView, PRECONFIRMATION_SIZE, preconfirmationHash, signCommitment, toHex, txListHash } from '../../../src/protocol/index.js'
import type { PreconfCommitment } from '../../../src/protocol/index.js'
import { BlockMaker, KEY, SIGNER, TIP } from './chain.js'
import { measured } from './waiting.js'
import type { Answers, Asked, Offence, Question, Streamed, WriterTask } from './wire.js'

/**
 * A process that publishes linked blocks as fast as it can, follows the ordered stream, keeps its cursor, and reports all of that until it is
 * killed: `writer.js TASK`, a `WriterTask` as JSON. Before that it answers questions about what it has found.
 */
const task = JSON.parse(process.argv[2] ?? '{}') as WriterTask
/** Each line leaves before anything else happens: a pipe that is full is waited for. */
const say = (line: string): void => {
  const bytes = Buffer.from(`${line}\n`)
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(1, bytes, at)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}

const maker = await BlockMaker.create({ seed: task.seed, windowsFrom: BigInt(task.windowsFrom) })
const { crypto } = maker
const key = signerFromKey(KEY)
/** What is signed here was recorded before: from this line on it counts as signed. */
const signer: AddressedSigner = Object.assign((digest: Uint8Array, { preconf }: PreconfCommitment) => {
  say(`signed ${preconf.blockNumber}`)
  return key(digest)
}, { address: SIGNER })

const { value: service, ms, waited } = await measured(async () => P2pService.start({
  schedule: scheduleFromSigners([SIGNER]), confirmedTip: { blockNumber: TIP }, listen: `/memory/crash-${process.pid}`, network: { transport: 'memory' },
  validator: { pool: { threads: 1 } }, signing: { sign: signer }, dataDir: task.dataDir,
}))
say(`started ${ms.toFixed(1)} ${waited.toFixed(1)}`)

// ---- questions

async function answer(question: Question): Promise<Answers[keyof Answers]> {
  switch (question.do) {
    case 'head': return { head: (await service.head()).blockNumber, pending: (await service.figures()).chain?.pendingParents ?? 0 }
    case 'commitments': return Buffer.concat(await service.storedCommitments({ start: question.start, maxCount: 256 }))
    case 'txLists': return Promise.all(question.hashes.map(async hash => {
      const txList = await service.storedTxList(hash)
      return txList === undefined ? 'none' : toHex(txListHash(crypto, txList))
    }))
    case 'stream': return streamed(question.from, question.to)
    case 'offend': return offend(question.height, question.how)
    case 'go': {
      publish(question.ahead).catch(failed)
      follow().catch(failed)
      return true
    }
  }
}

async function streamed(from: bigint | string, to: bigint): Promise<readonly Streamed[]> {
  const items: Streamed[] = []
  for await (const item of service.blocks({ from, withTxList: true })) {
    items.push(asStreamed(item))
    if (item.kind !== 'block' || item.blockNumber >= to) break
  }
  return items
}

function asStreamed(item: StreamItem): Streamed {
  if (item.kind !== 'block') return { kind: item.kind, height: item.kind === 'stalled' ? item.height : item.to, hash: '', whole: false, cursor: '' }
  const named = toHex(new CommitmentView(item.ssz).rawTxListHash)
  const whole = item.txList !== undefined && toHex(txListHash(crypto, item.txList)) === named
  return { kind: 'block', height: item.blockNumber, hash: toHex(item.hash), whole, cursor: item.cursor }
}

async function offend(height: bigint, how: Offence): Promise<string> {
  const offence = how === 'after end of turn' ? maker.afterEop(height) : maker.rival(height)
  if (offence === undefined) return 'after_own_eop'
  const commitment = how === 'rival signed elsewhere' ? await signCommitment(offence, key, { crypto }) : offence
  try {
    await service.publishCommitment(commitment, { late: true })
    return 'none'
  } catch (error) {
    const { code, value } = error as { code?: unknown; value?: unknown }
    return String(code === 'refused' ? value : code)
  }
}

// ---- the work

const failed = (error: unknown): void => { say(`error ${String(error).replaceAll('\n', ' ')}`) }

/** Up to so many blocks are under way at a time; each is built on the one before. */
async function publish(ahead: number): Promise<never> {
  let next = (await service.head()).blockNumber + 1n
  if (next === 1n) next = TIP + 1n
  const [last] = next === TIP + 1n ? [] : await service.storedCommitments({ start: next - 1n, maxCount: 1 })
  let parent = last === undefined ? new Uint8Array(32) : preconfirmationHash(crypto, last.subarray(0, PRECONFIRMATION_SIZE))
  const underWay: Promise<void>[] = []
  for (;; next++) {
    const block = maker.block(next, parent)
    parent = block.hash
    const one = async (): Promise<void> => {
      const sent = service.publishTxList(block.txList)
      // Some are signed by the node, some elsewhere; several are under way, so that a child may come before its parent.
      const commitment = next % 3n === 0n ? await signCommitment(block.commitment, key, { crypto }) : block.commitment
      await sent
      const { stored } = await service.publishCommitment(commitment, { late: true })
      say(stored ? `published ${block.height}` : `error ${block.height} was published and not stored`)
      if (block.height % 97n === 0n && block.height > TIP + 60n) await service.confirm({ blockNumber: block.height - 50n })
    }
    const published = one()
    published.catch(failed)
    underWay.push(published)
    if (underWay.length >= ahead) await underWay.shift()
  }
}

/** As an application does it: what it is done with it remembers, and goes on behind that. */
async function follow(): Promise<void> {
  const cursor = await readFile(task.cursorFile, 'utf8').catch(() => undefined)
  for await (const item of service.blocks({ from: cursor ?? TIP + 1n, withTxList: true })) {
    const { kind, height, hash, whole, cursor: at } = asStreamed(item)
    if (kind !== 'block') {
      say(`error the stream said ${kind} ${height}`)
      continue
    }
    say(`item ${height} ${hash} ${whole ? 'whole' : 'torn'}`)
    const file = await open(`${task.cursorFile}.new`, 'w')
    await file.writeFile(at)
    await file.sync()
    await file.close()
    await rename(`${task.cursorFile}.new`, task.cursorFile)
    say(`saved ${at}`)
  }
  say('error the stream ended')
}

void (async () => {
  for await (const event of service.events) {
    if (event.type === 'lagged') say(`lagged ${event.count}`)
    if (event.type === 'stored') say(event.kind === 'txList' ? `stored txList ${toHex(event.hash)}` : `stored commitment ${event.blockNumber} ${toHex(event.hash)}`)
    if (event.type === 'head') say(`head ${event.head.blockNumber}`)
    if (event.type === 'storeFailing' || event.type === 'actorFailed') say(`error ${event.type} ${String(event.type === 'storeFailing' ? event.code : event.error)}`)
  }
})()

process.on('message', ({ id, question }: Asked) => {
  answer(question).then(
    result => process.send?.({ id, answer: result }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  )
})
// Who asked has gone.
process.on('disconnect', () => process.exit(1))
