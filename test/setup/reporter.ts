import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import Mocha from 'mocha'

const SLOWEST = 10
const built = fileURLToPath(new URL('../..', import.meta.url))

/** Mocha's own, and at the end the slowest files, and each retry that was needed. */
export default class Reporter extends Mocha.reporters.Spec {
  readonly #ms = new Map<string, number>()
  readonly #retries: string[] = []

  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options)
    // The hooks of a test take time as well.
    for (const event of ['hook end', 'test end', 'retry']) runner.on(event, (runnable: Mocha.Runnable) => { this.#spent(runnable) })
    runner.on('retry', (test: Mocha.Test, error: Error) => { this.#retries.push(`${fullTitle(test)}: ${error.message.split('\n')[0]}`) })
    runner.once('end', () => { this.#close() })
  }

  #spent({ file, duration }: Mocha.Runnable): void {
    if (file !== undefined) this.#ms.set(file, (this.#ms.get(file) ?? 0) + (duration ?? 0))
  }

  #close(): void {
    const slowest = [...this.#ms].sort(([, a], [, b]) => b - a).slice(0, SLOWEST)
    console.log('  the slowest files, seconds:')
    for (const [file, ms] of slowest) console.log(`  ${(ms / 1_000).toFixed(1).padStart(7)}  ${relative(built, file).replace(/\.js$/, '.ts')}`)
    console.log(`\n  ${this.#retries.length} retries\n${this.#retries.map(line => `    ${line}\n`).join('')}`)
  }
}

const fullTitle = (test: Mocha.Test): string => test.titlePath().join(' ')
