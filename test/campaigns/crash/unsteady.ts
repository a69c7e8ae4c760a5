import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { cp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { P2pService, scheduleFromSigners } from '../../../src/index.js'
import { seededRandom } from '../../../src/actors/kernel/index.js'
import type { Random } from '../../../src/actors/kernel/index.js'
import { CommitmentView } from '../../../src/protocol/index.js'
import type { CampaignRun, Tally } from '../campaign.js'
import { SIGNER, TIP } from './chain.js'
import type { Answers, Place, Question, UnsteadyTask } from './unsteady-wire.js'

const WRITER = fileURLToPath(new URL('./unsteady-writer.js', import.meta.url))
/** A restored node that cannot take what others have waits a minute before it signs. */
const ANSWER_WITHIN = 180_000
/** Of the blocks that stand, so many of the highest are signed against. */
const RECENT = 40

class Writer {
  readonly #child: ChildProcess
  readonly #asked = new Map<number, (answered: { readonly answer?: unknown; readonly error?: string }) => void>()
  readonly started: Promise<boolean>
  readonly failures: string[] = []
  readonly #ended: Promise<unknown>
  #next = 1

  constructor(task: UnsteadyTask) {
    this.#child = fork(WRITER, [JSON.stringify(task)], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' })
    this.#ended = new Promise(resolve => { this.#child.once('exit', resolve) })
    this.#child.on('error', () => undefined)
    this.started = new Promise(resolve => {
      this.#child.on('message', (message: { started?: true; failed?: string; id?: number; answer?: unknown; error?: string }) => {
        if (message.started === true) resolve(true)
        else if (message.failed !== undefined) this.failures.push(message.failed)
        else this.#asked.get(message.id ?? 0)?.(message)
      })
      void this.#ended.then(() => { resolve(false) })
    })
  }

  async ask<D extends Question['do']>(question: Extract<Question, { do: D }>): Promise<Answers[D]> {
    const id = this.#next++
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => { reject(new Error(`no answer to ${question.do} in ${ANSWER_WITHIN} ms`)) }, ANSWER_WITHIN)
      const done = (how: () => void): void => { clearTimeout(timer); this.#asked.delete(id); how() }
      this.#asked.set(id, ({ answer, error }) => { done(() => { if (error === undefined) resolve(answer as Answers[D]); else reject(new Error(error)) }) })
      void this.#ended.then(() => { done(() => { reject(new Error('the writer has ended')) }) })
      this.#child.send({ id, question })
    })
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#ended
  }
}

/**
 * Over and over, a node that publishes, rewinds, supersedes and reinstates is killed, and sometimes a backup of its directory put back, of the
 * store alone or of everything:
 * 1. an application that comes back with its cursor folds the stream to the node's chain;
 * 2. nothing that conflicts with what another node has seen of it is signed, and that node never sees an equivocation.
 */
export async function killUnsteady({ seed, options: { reorgs }, log }: CampaignRun<'reorgs'>, folder: string, tally: Tally): Promise<void> {
  const random = seededRandom(seed)
  const [dataDir, backup, aside] = [join(folder, 'unsteady'), join(folder, 'backup'), join(folder, 'aside')]
  const follower = await P2pService.start({
    schedule: scheduleFromSigners([SIGNER]), confirmedTip: { blockNumber: TIP }, listen: '/ip4/127.0.0.1/tcp/0', discovery: false,
    validator: { pool: { threads: 1 } }, network: { exemptSubnets: ['127.0.0.0/8'] },
  })
  let [seen, equivocations] = [0, 0]
  void (async () => {
    for await (const event of follower.events) {
      if (event.type === 'equivocation') equivocations++
      if (event.type === 'commitment') seen++
    }
  })()
  /** What a restored node can be shown: blocks that were superseded nobody serves any more. */
  const shown = async (): Promise<readonly Place[]> => {
    const { blockNumber } = await follower.head()
    const start = blockNumber > TIP + BigInt(RECENT) ? blockNumber - BigInt(RECENT) : TIP + 1n
    return (await follower.storedCommitments({ start, maxCount: 256 })).map(ssz => {
      const { blockNumber, submissionWindowEnd, parentPreconfirmationHash } = new CommitmentView(ssz)
      return { height: blockNumber, window: submissionWindowEnd, parent: parentPreconfirmationHash.slice() }
    })
  }
  const [address] = await follower.listenAddresses()
  const task = { dataDir, stateFile: join(folder, 'unsteady-state'), follower: address ?? '' }
  let [hasBackup, restores, refused] = [false, 0, 0]
  let last = { blocks: 0, rewinds: 0 }
  const begun = performance.now()
  for (let life = 1; life <= reorgs + 1; life++) {
    const what = life > 1 && hasBackup && random() < 0.25 ? pick(['everything', 'the store'] as const, random) : 'nothing'
    if (what !== 'nothing') {
      restores++
      await rename(dataDir, aside)
      if (what === 'everything') await cp(backup, dataDir, { recursive: true })
      else {
        await cp(aside, dataDir, { recursive: true })
        await rm(join(dataDir, 'store'), { recursive: true })
        await cp(join(backup, 'store'), join(dataDir, 'store'), { recursive: true })
      }
    }
    const at = `unsteady life ${life}, ${what} restored`
    const writer = new Writer({ ...task, seed: Math.floor(random() * 2 ** 31), restored: what !== 'nothing' })
    try {
      if (!await writer.started) throw new Error('it did not start')
      const standing = await shown()
      const places = Array.from({ length: Math.min(3, standing.length) }, () => pick(standing, random))
      const codes = await writer.ask<'offend'>({ do: 'offend', places })
      refused += codes.length
      tally.check(!codes.includes('none'), () => `${at}: in the place of what was published it signed another: ${codes.join()}`)
      const { folded, chain, ...now } = await writer.ask<'fold'>({ do: 'fold' })
      last = now
      tally.check(folded.length + chain.length === 0, () => `${at}: folded ${folded.slice(0, 5).join()}, the chain has ${chain.slice(0, 5).join()}`)
      // A store that says that it lost records signs nothing for an hour: that was to be seen, and the directory of before goes on.
      if (life <= reorgs && what !== 'the store') {
        await writer.ask<'go'>({ do: 'go' })
        await new Promise(resolve => { setTimeout(resolve, 200 + random() ** 2 * 3_000) })
      }
    } catch (error) {
      tally.check(false, () => `${at}: ${String(error)}`)
    } finally {
      await writer.kill()
    }
    for (const failure of writer.failures) tally.check(false, () => `${at}: ${failure}`)
    tally.check(equivocations === 0, () => `${at}: another node has seen ${equivocations} equivocations of it`)
    if (what === 'the store') {
      await rm(dataDir, { recursive: true })
      await rename(aside, dataDir)
    } else await rm(aside, { recursive: true, force: true })
    if (random() < 0.3) {
      await rm(backup, { recursive: true, force: true })
      await cp(dataDir, backup, { recursive: true })
      hasBackup = true
    }
    if (life % 25 === 0 || life > reorgs) {
      log(`unsteady: ${Math.min(life, reorgs)} kills, ${restores} backups put back, in ${((performance.now() - begun) / 1_000).toFixed(0)} s: ${seen} commitments seen elsewhere, `
        + `${last.blocks} blocks folded over ${last.rewinds} rewinds, ${refused} conflicting ones refused; ${tally.toString()}`)
    }
  }
  await follower.stop()
}

const pick = <T>(from: readonly T[], random: Random): T => from[Math.floor(random() * from.length)] as T
