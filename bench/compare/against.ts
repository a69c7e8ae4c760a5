import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describeSample, figure, sample, table } from '../harness.js'
import type { BenchResult } from '../harness.js'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../..', import.meta.url))
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
/** Output of one bench at most, and how long it may take. */
const LIMITS = { maxBuffer: 64 * 1024 * 1024, timeout: 3_600_000 }

/** Not slower is a median of at least this (rounds of shared machines differ by more). */
export const NOT_SLOWER = 0.95
export const ROUNDS = 7

interface Comparison {
  readonly name: string
  /** Any name that git has for the other commit. */
  readonly ref: string
  readonly rounds: number
  /** What both runs are given, such as `--scale 0.5`. */
  readonly args: readonly string[]
  readonly log: (line: string) => void
}

/**
 * Runs a bench of this checkout and of another commit in alternating rounds, each in a process of its own, and compares what they reach
 * against their own baselines: a slow phase of the machine hits all four.
 * @throws Error when the commit is not there, does not build, or the bench gives no ratio
 */
export async function against({ name, ref, rounds, args, log }: Comparison): Promise<BenchResult> {
  const { stdout } = await run('git', ['rev-parse', '--verify', `${ref}^{commit}`], { cwd: root })
  const commit = stdout.trim()
  const folder = await mkdtemp(join(tmpdir(), 'bench-against-'))
  const other = join(folder, 'checkout')
  try {
    await run('git', ['worktree', 'add', '--detach', other, commit], { cwd: root })
    log(`building ${commit.slice(0, 10)} …`)
    await install(other)
    await run(npm, ['run', 'build'], { cwd: other, ...LIMITS })
    const [ours, theirs]: [number[], number[]] = [[], []]
    for (let round = 0; round < rounds; round++) {
      const turns = [async () => { ours.push(await ratioOf(root, name, args)) }, async () => { theirs.push(await ratioOf(other, name, args)) }]
      if (round % 2 === 1) turns.reverse()
      for (const turn of turns) await turn()
      log(`round ${round + 1} of ${rounds}: ${figure(ours[round]!)} against ${figure(theirs[round]!)}`)
    }
    const [now, then, ratio] = [sample(ours), sample(theirs), sample(ours.map((value, at) => value / theirs[at]!))]
    log(table(['ratio to its own baseline', ''], [['now', describeSample(now)], [commit.slice(0, 10), describeSample(then)], ['now ÷ then', describeSample(ratio)]]))
    return {
      bench: name, figures: { rounds, now: now.median, then: then.median, ratioMin: ratio.min, ratioMax: ratio.max },
      ratio: ratio.median, goal: NOT_SLOWER, pass: ratio.median >= NOT_SLOWER,
    }
  } finally {
    await run('git', ['worktree', 'remove', '--force', other], { cwd: root }).catch(() => undefined)
    await rm(folder, { recursive: true, force: true })
  }
}

/** The packages of this checkout where the lockfile is the same, else its own. */
async function install(other: string): Promise<void> {
  const [ours, theirs] = await Promise.all([root, other].map(async folder => readFile(join(folder, 'package-lock.json'), 'utf8')))
  if (ours === theirs) await symlink(join(root, 'node_modules'), join(other, 'node_modules'), 'junction')
  else await run(npm, ['ci', '--no-fund', '--no-audit', '--prefer-offline'], { cwd: other, ...LIMITS })
}

async function ratioOf(checkout: string, name: string, args: readonly string[]): Promise<number> {
  // It exits with 1 where it misses its goal: that is a result too.
  const { stdout } = await run(process.execPath, [join(checkout, 'dist/bench/main.js'), name, ...args, '--json'], { cwd: checkout, ...LIMITS })
    .catch((error: unknown) => {
      const { stdout: said } = error as { stdout?: string }
      if (typeof said === 'string' && said.trim().length > 0) return { stdout: said }
      throw error
    })
  const result: unknown = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
  if (typeof result !== 'object' || result === null || !('ratio' in result) || typeof result.ratio !== 'number') throw new Error(`${name} gives no ratio in ${checkout}`)
  return result.ratio
}
