import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom } from '../../src/actors/kernel/index.js'
import type { Random } from '../../src/actors/kernel/index.js'
import { Tally } from './campaign.js'
import type { Campaign, CampaignRun } from './campaign.js'
import { BlockMaker } from './crash/chain.js'
import { checkCursor, checkItems, checkProtection, checkStored, checkStream, checkTxLists } from './crash/checks.js'
import { ExpectedChain } from './crash/expected.js'
import { fill } from './crash/fill.js'
import { chooseMoment } from './crash/moments.js'
import { killUnsteady } from './crash/unsteady.js'
import type { WriterTask } from './crash/wire.js'
import { Witness, heightOf } from './crash/witness.js'
import { WriterProcess } from './crash/writer-process.js'

/** All txlists are read again every so many kills. */
const ALL_EVERY = 25

type Options = 'kills' | 'reorgs' | 'commitments' | 'starts' | 'within'
type Run = CampaignRun<Options>

export const campaign: Campaign<Options> = {
  about: 'kill −9 of a node that publishes, reorganizes and follows the stream, and backups put back: nothing that it reported is lost, nothing is said twice, nothing signed twice',
  options: {
    kills: { about: 'how often it is killed while it writes', default: 200 },
    reorgs: { about: 'how often it is killed while it reorganizes, and backups are put back', default: 200 },
    commitments: { about: 'stored when the last starts are timed', default: 50_000 },
    starts: { about: 'how many starts are timed then, all but the first after a kill', default: 3 },
    within: { about: 'ms that a start may take at most, not counting what it waited for a processor', default: 2_000 },
  },
  async run(run) {
    const tally = new Tally()
    const folder = await mkdtemp(join(tmpdir(), 'crash-'))
    await killAndCheck(run, folder, tally)
    await killUnsteady(run, folder, tally)
    await timeLargeStarts(run, folder, tally)
    if (tally.failures.length === 0) await rm(folder, { recursive: true, force: true })
    else run.log(`the data directories are kept: ${folder}`)
    return tally
  },
}

/**
 * Over and over on one directory:
 * 1. some starts are killed before they are done;
 * 2. the writer is started, and asked what it has found: see checks.ts;
 * 3. it publishes and follows the stream, until it is killed at a moment that chance has chosen.
 */
async function killAndCheck({ seed, options: { kills, within }, log }: Run, folder: string, tally: Tally): Promise<void> {
  const random = seededRandom(seed)
  const task: WriterTask = { dataDir: join(folder, 'data'), cursorFile: join(folder, 'cursor'), seed, windowsFrom: nextMinute() }
  const witness = new Witness()
  const expected = new ExpectedChain(await BlockMaker.create({ seed, windowsFrom: BigInt(task.windowsFrom) }))
  const starts: Start[] = []
  let early = 0
  let cursorBefore: string | undefined
  const begun = performance.now()
  for (let life = 1; life <= kills + 1; life++) {
    const last = life === kills + 1
    while (!last && random() < 0.15) {
      await killAtStart(task, witness, random)
      early++
    }
    const scene = { witness, expected, tally, at: `life ${life}` }
    checkItems(scene, cursorBefore)
    const cursor = await readFile(task.cursorFile, 'utf8').catch(() => undefined)
    checkCursor(scene, cursor)
    const writer = new WriterProcess(task, report => { witness.hear(report) })
    try {
      starts.push(await startOf({ ...scene, writer, within }))
      const head = await checkStored({ ...scene, writer })
      await checkTxLists({ ...scene, writer }, head, { all: last || life % ALL_EVERY === 0, random })
      await checkStream({ ...scene, writer }, cursor, head)
      await checkProtection({ ...scene, writer }, random)
      for (const error of witness.errors.splice(0)) tally.check(false, () => `${scene.at}: ${error}`)
      witness.nextLife()
      cursorBefore = cursor
      if (!last) await workAndDie(writer, random)
    } catch (error) {
      tally.check(false, () => `${scene.at}: ${String(error)}`)
    } finally {
      await writer.kill()
    }
    if (life % ALL_EVERY === 0 || last) {
      log(`${Math.min(life, kills)} kills while writing, ${early} while starting, in ${seconds(performance.now() - begun)}: ${witness.commitments} commitments and `
        + `${witness.txLists.length} txlists reported stored, ${witness.highestItem - heightOf(undefined)} blocks streamed; ${tally.toString()}`)
    }
  }
  if (witness.lagged > 0) log(`${witness.lagged} events were dropped, as the subscription said`)
  log(`starts after a kill: ${figures(starts)}`)
}

async function killAtStart(task: WriterTask, witness: Witness, random: Random): Promise<void> {
  const writer = new WriterProcess(task, report => { witness.hear(report) })
  const started = writer.report(([what]) => what === 'started')
  // Most of a start is loading the program; its end, where the store is opened, shall have its share.
  await Promise.race([started, sleep(300 + random() * 1_500)])
  await writer.kill()
}

/** The node's own start, without loading the program. */
interface Start { readonly ms: number; readonly waited: number }

async function startOf({ writer, tally, at, within }: { readonly writer: WriterProcess; readonly tally: Tally; readonly at: string; readonly within: number }): Promise<Start> {
  const started = await writer.report(([what]) => what === 'started')
  if (started === undefined) throw new Error('it did not start')
  const [ms, waited] = [Number(started[1]), Number(started[2])]
  tally.check(ms - waited < within, () => `${at}: the start took ${ms} ms, ${waited} ms of that for want of a processor`)
  return { ms, waited }
}

async function workAndDie(writer: WriterProcess, random: Random): Promise<void> {
  const moment = chooseMoment(writer, random)
  await writer.ask<'go'>({ do: 'go', ahead: [1, 4, 16][Math.floor(random() * 3)] ?? 1 })
  await moment()
  await writer.kill()
}

async function timeLargeStarts({ seed, options: { commitments, starts: count, within }, log }: Run, folder: string, tally: Tally): Promise<void> {
  const task: WriterTask = { dataDir: join(folder, 'large'), cursorFile: join(folder, 'large-cursor'), seed, windowsFrom: nextMinute() }
  const { head } = await fill(task, commitments)
  const witness = new Witness()
  const starts: Start[] = []
  for (let start = 1; start <= count; start++) {
    const at = `start ${start} with ${commitments} commitments`
    const writer = new WriterProcess(task, report => { witness.hear(report) })
    try {
      starts.push(await startOf({ writer, tally, at, within }))
      const { head: found } = await writer.ask<'head'>({ do: 'head' })
      const least = witness.highestHead > head ? witness.highestHead : head
      tally.check(found >= least, () => `${at}: the head is ${found}, stored were ${least}`)
      await writer.ask<'go'>({ do: 'go', ahead: 16 })
      await sleep(400)
    } catch (error) {
      tally.check(false, () => `${at}: ${String(error)}`)
    } finally {
      await writer.kill()
    }
  }
  for (const error of witness.errors) tally.check(false, () => `with ${commitments} commitments: ${error}`)
  log(`starts with ${commitments} commitments, the first after a clean stop, the others after a kill: ${figures(starts)}`)
}

const sleep = (ms: number): Promise<void> => new Promise(resolve => { setTimeout(resolve, ms) })
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(0)} s`
const nextMinute = (): string => String(Math.ceil(Date.now() / 60_000) * 60)

function figures(starts: readonly Start[]): string {
  const own = starts.map(({ ms, waited }) => ms - waited)
  const [longest, ownLongest] = [Math.max(...starts.map(({ ms }) => ms)), Math.max(...own)].map(ms => ms.toFixed(0))
  const median = (values: readonly number[]) => ([...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN).toFixed(0)
  return `${starts.length} measured, median ${median(starts.map(({ ms }) => ms))} ms, longest ${longest} ms; `
    + `without waiting for a processor: median ${median(own)} ms, longest ${ownLongest} ms`
}
