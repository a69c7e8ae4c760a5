import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { BenchOptions, BenchResult } from './harness.js'
import { logVersions } from './harness.js'
import type { EngineName, Tuning } from './store/engine.js'
import { ENGINES } from './store/engine.js'

export const about = 'what classic-level and lmdb do on a full disk, at a file size limit, and when their thread is terminated'

const execute = promisify(execFile)
const CHILD = fileURLToPath(new URL('./store/fault-child.js', import.meta.url))
const DISK_MB = 24
const BALLAST_MB = 15
const FILE_LIMIT_KB = 1_024
/** Longer than any scenario takes that ends at all. */
const CHILD_MS = 30_000
/** LevelDB that never has a table to write before the disk is full, so that it is its log that fails. */
const LOG_ONLY: Tuning = { writeBufferSize: 64 * 1024 * 1024 }

interface Seen {
  readonly engine: EngineName
  readonly scenario: string
  /** The process ended by itself, with code 0. */
  readonly survived: boolean
  readonly ending: string
  readonly lines: readonly Readonly<Record<string, unknown>>[]
}

async function child(
  scenario: string, engine: EngineName, folder: string, options: { ballast?: string; limitKb?: number; tuning?: Tuning } = {},
):
Promise<Seen> {
  const node = [process.execPath, CHILD, scenario, engine, folder, options.ballast ?? '', JSON.stringify(options.tuning ?? {})]
  const limited = options.limitKb === undefined ? node
    : ['bash', '-c', `ulimit -c 0; ulimit -f ${options.limitKb}; exec "$@"`, 'bash', ...node]
  const [file = '', ...args] = limited
  const ended = await execute(file, args, { timeout: CHILD_MS, maxBuffer: 1 << 24 }).then(
    ({ stdout }) => ({ stdout, ending: 'exit 0', survived: true }),
    (error: { stdout?: string; signal?: string; code?: number }) =>
      ({ stdout: error.stdout ?? '', ending: error.signal ?? `exit ${error.code ?? '?'}`, survived: false })
  )
  const reports = ended.stdout.split('\n').filter((line) => line.startsWith('{'))
  const lines = reports.map((line) => JSON.parse(line) as Record<string, unknown>)
  return { engine, scenario, survived: ended.survived, ending: ended.ending, lines }
}

/** A small tmpfs, or undefined where this process may not mount. */
async function smallDisk(folder: string): Promise<boolean> {
  return execute('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'tmpfs', folder]).then(() => true, () => false)
}

async function fullDisk(engine: EngineName, scenario = 'fullDisk', tuning: Tuning = {}): Promise<Seen | undefined> {
  const disk = await mkdtemp(join(tmpdir(), 'store-faults-'))
  if (!await smallDisk(disk)) {
    await rm(disk, { recursive: true })
    return undefined
  }
  try {
    const ballast = join(disk, 'ballast')
    await writeFile(ballast, Buffer.alloc(BALLAST_MB << 20, 1))
    return { ...await child('fullDisk', engine, join(disk, 'db'), { ballast, tuning }), scenario }
  } finally {
    await execute('umount', ['-l', disk])
    await rm(disk, { recursive: true })
  }
}

async function inFolder(scenario: string, engine: EngineName, limitKb?: number): Promise<Seen> {
  const folder = await mkdtemp(join(tmpdir(), 'store-faults-'))
  try {
    return await child(scenario, engine, join(folder, 'db'), limitKb === undefined ? {} : { limitKb })
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Acknowledged batches that were not there after the next opening; NaN where it never came to one. */
function lost(lines: Seen['lines']): number {
  for (const { reopened } of lines) {
    if (typeof reopened === 'object' && reopened !== null && 'lost' in reopened) return Number(reopened.lost)
  }
  return NaN
}

/**
 * Passes when the process survives everything with the first engine, the chosen one. It does lose what it acknowledged on a
 * handle that had failed before: why the store opens it anew after every failure (level.ts).
 */
export async function run(options: BenchOptions): Promise<BenchResult> {
  logVersions(options, ['classic-level', 'lmdb', 'comlink'])
  const seen: Seen[] = []
  for (const engine of ENGINES) {
    const full = await fullDisk(engine)
    if (full === undefined) options.log(`${engine}: full disk not tried, this process may not mount a tmpfs`)
    else seen.push(full)
    const log = engine === 'classic-level' ? await fullDisk(engine, 'fullDiskInLog', LOG_ONLY) : undefined
    if (log !== undefined) seen.push(log)
    seen.push(await inFolder('fileSizeLimit', engine, FILE_LIMIT_KB), await inFolder('threadTerminated', engine))
  }
  for (const { engine, scenario, ending, lines } of seen) {
    options.log(`${engine}, ${scenario}: ${ending}`)
    for (const line of lines) options.log(`    ${JSON.stringify(line)}`)
  }
  const figures: Record<string, number> = {}
  for (const { engine, scenario, survived, lines } of seen) {
    figures[`${engine}.${scenario}.survived`] = survived ? 1 : 0
    figures[`${engine}.${scenario}.unhandledRejections`] = lines.filter((line) => 'unhandledInThread' in line).length
    const gone = lost(lines)
    if (!Number.isNaN(gone)) figures[`${engine}.${scenario}.lost`] = gone
  }
  const chosen = seen.filter(({ engine }) => engine === ENGINES[0])
  return { bench: 'store-faults', figures, pass: chosen.every(({ survived }) => survived) }
}
