import { open, readFile, rename } from 'node:fs/promises'
import { P2pService, scheduleFromSigners, signerFromKey } from '../../../src/index.js'
import { seededRandom } from '../../../src/actors/kernel/index.js'
import { CommitmentView, PRECONFIRMATION_SIZE, PreconfCommitmentCodec, loadCrypto, preconfirmationHash, toHex } from '../../../src/protocol/index.js'
import type { PreconfCommitment } from '../../../src/protocol/index.js'
import { KEY, SIGNER, TIP } from './chain.js'
import type { Answers, Folded, Place, Question, UnsteadyTask } from './unsteady-wire.js'

/**
 * A process that publishes blocks, takes some back, supersedes and reinstates them, and folds the ordered stream as an application does, until it
 * is killed: `unsteady-writer.js TASK`.
 */
const task = JSON.parse(process.argv[2] ?? '{}') as UnsteadyTask
const random = seededRandom(task.seed)
const upTo = (most: number): number => Math.floor(random() * most)
const crypto = await loadCrypto()

const service = await P2pService.start({
  schedule: scheduleFromSigners([SIGNER]), confirmedTip: { blockNumber: TIP }, listen: '/ip4/127.0.0.1/tcp/0', discovery: false, staticPeers: [task.follower],
  validator: { pool: { threads: 1 } }, network: { exemptSubnets: ['127.0.0.0/8'] },
  signing: { sign: signerFromKey(KEY), ...!task.restored && { beforeCatchUp: true } }, dataDir: task.dataDir,
})

// ---- the application's state

interface State { cursor: string | undefined; readonly chain: Map<bigint, string>; rewinds: number }
const state = await readState()

async function readState(): Promise<State> {
  const text = await readFile(task.stateFile, 'utf8').catch(() => undefined)
  if (text === undefined) return { cursor: undefined, chain: new Map(), rewinds: 0 }
  const { cursor, chain, rewinds } = JSON.parse(text) as { cursor: string; chain: [string, string][]; rewinds: number }
  return { cursor, rewinds, chain: new Map(chain.map(([height, hash]) => [BigInt(height), hash])) }
}

async function save(): Promise<void> {
  const { cursor, chain, rewinds } = state
  const file = await open(`${task.stateFile}.new`, 'w')
  await file.writeFile(JSON.stringify({ cursor, rewinds, chain: [...chain].map(([height, hash]) => [String(height), hash]) }))
  await file.sync()
  await file.close()
  await rename(`${task.stateFile}.new`, task.stateFile)
}

async function follow(): Promise<never> {
  for await (const item of service.blocks({ from: state.cursor ?? TIP + 1n })) {
    if (item.kind === 'stalled') continue
    if (item.kind === 'block') state.chain.set(item.blockNumber, toHex(item.hash))
    if (item.kind === 'rewind') {
      state.rewinds++
      for (const height of state.chain.keys()) if (height > item.to) state.chain.delete(height)
    }
    state.cursor = item.cursor
    await save()
  }
  throw new Error('the stream ended')
}

// ---- the chain

/** Canonical blocks from a height on, by height. */
async function canonical(from = TIP + 1n): Promise<Map<bigint, { readonly hash: Uint8Array; readonly window: bigint }>> {
  const blocks = new Map<bigint, { hash: Uint8Array; window: bigint }>()
  for (let start = from; ;) {
    const page = await service.storedCommitments({ start, maxCount: 256 })
    for (const ssz of page) {
      const { blockNumber, submissionWindowEnd } = new CommitmentView(ssz)
      blocks.set(blockNumber, { hash: preconfirmationHash(crypto, ssz.subarray(0, PRECONFIRMATION_SIZE)), window: submissionWindowEnd })
      start = blockNumber + 1n
    }
    if (page.length === 0) return blocks
  }
}

async function fold(): Promise<Folded> {
  const lines = (blocks: Map<bigint, string>): string[] => [...blocks].map(([height, hash]) => `${height} ${hash.slice(0, 8)}`).sort()
  for (let tries = 0; ; tries++) {
    const chain = lines(new Map([...await canonical()].map(([height, { hash }]) => [height, toHex(hash)])))
    const folded = lines(state.chain)
    const same = chain.join() === folded.join()
    if (same || tries === 400) return { folded: same ? [] : folded.filter(line => !chain.includes(line)), chain: same ? [] : chain.filter(line => !folded.includes(line)), blocks: chain.length, rewinds: state.rewinds }
    await new Promise(resolve => { setTimeout(resolve, 50) })
  }
}

function made(height: bigint, window: bigint, parent: Uint8Array): { readonly commitment: PreconfCommitment; readonly hash: Uint8Array } {
  const commitment: PreconfCommitment = {
    preconf: {
      eop: random() < 0.05, blockNumber: height, timestamp: BigInt(upTo(2 ** 40)), gasLimit: 1n, coinbase: SIGNER, anchorBlockNumber: 1n, rawTxListHash: new Uint8Array(32).fill(3),
      parentPreconfirmationHash: parent, submissionWindowEnd: window, proverAuth: new Uint8Array(20), proposalId: 1n,
    },
    slasherAddress: new Uint8Array(20),
  }
  return { commitment, hash: preconfirmationHash(crypto, PreconfCommitmentCodec.encode(commitment).subarray(0, PRECONFIRMATION_SIZE)) }
}

async function offend(places: readonly Place[]): Promise<readonly string[]> {
  const codes: string[] = []
  for (const { height, window, parent } of places) {
    codes.push(await service.publishCommitment(made(height, window, parent).commitment, { late: true, behind: true }).then(() => 'none', (error: unknown) => String((error as { code?: unknown }).code)))
  }
  return codes
}

/** Whatever is refused was not to be; the next step is another. */
const tried = async (step: Promise<unknown>): Promise<boolean> => step.then(() => true, () => false)

async function work(): Promise<never> {
  const left: Uint8Array[] = []
  let window = 0n
  const publish = async (height: bigint, parent: Uint8Array): Promise<void> => {
    const next = made(height, window, parent)
    if (!await tried(service.publishCommitment(next.commitment, { late: true }))) window++
  }
  for (;;) {
    const { blockNumber } = await service.head()
    const blocks = await canonical(blockNumber > TIP + 16n ? blockNumber - 15n : TIP + 1n)
    const head = [...blocks.keys()].reduce((highest, height) => height > highest ? height : highest, TIP)
    const at = (height: bigint): Uint8Array => blocks.get(height)?.hash ?? new Uint8Array(32)
    const soon = BigInt(Math.floor(Date.now() / 1_000) + 60)
    for (const least of [soon, (blocks.get(head)?.window ?? 0n)]) if (window < least) window = least
    const back = head - BigInt(upTo(6))
    const dice = random()
    if (dice < 0.6 || back <= TIP + 1n) {
      for (let count = upTo(4), height = head + 1n, parent = at(head); count >= 0; count--, height++) {
        const next = made(height, window, parent)
        parent = next.hash
        if (!await tried(service.publishCommitment(next.commitment, { late: true }))) { window++; break }
        if (next.commitment.preconf.eop) window++
      }
    } else if (dice < 0.8) {
      window++
      await publish(back, at(back - 1n))
      left.push(at(back))
    } else if (dice < 0.9) {
      left.push(at(back + 1n))
      await tried(service.rewind(back))
      window++
      await publish(back + 1n, at(back))
    } else if (dice < 0.96) {
      const again = left[upTo(left.length)]
      if (again !== undefined) await tried(service.reinstate(again))
    } else {
      await tried(service.confirm({ blockNumber: back, preconfirmationHash: at(back) }))
    }
  }
}

const failed = (error: unknown): void => { process.send?.({ failed: String(error) }) }
follow().catch(failed)

async function answer(question: Question): Promise<Answers[keyof Answers]> {
  switch (question.do) {
    case 'fold': return fold()
    case 'offend': return offend(question.places)
    case 'go': {
      work().catch(failed)
      return true
    }
  }
}

process.on('message', ({ id, question }: { readonly id: number; readonly question: Question }) => {
  answer(question).then(answer => process.send?.({ id, answer }), (error: unknown) => process.send?.({ id, error: String(error) }))
})
process.on('disconnect', () => process.exit(1))
process.send?.({ started: true })
