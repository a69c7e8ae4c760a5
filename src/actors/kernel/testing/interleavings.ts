import { KernelError } from '../errors.js'
import { testKit } from './kit.js'
import type { TestKit, TestKitOptions } from './kit.js'

export interface InterleavingOptions extends Omit<TestKitOptions, 'seed'> {
  /** Runs, each with the next seed. 100. */
  readonly runs?: number
  /** Seed of the first run. 1. */
  readonly seed?: number
}

/**
 * Runs a test again and again, each time with ready actors in another order.
 * @throws KernelError `failed_with_seed` for the first run that fails; `value`: its seed, `cause`: what it threw
 */
export async function interleavings(options: InterleavingOptions, test: (kit: TestKit) => Promise<void>): Promise<void> {
  const { runs = 100, seed: first = 1, ...rest } = options
  for (let seed = first; seed < first + runs; seed++) {
    const kit = testKit({ ...rest, seed })
    try { await test(kit) } catch (cause) {
      const what = cause instanceof Error ? cause.message : String(cause)
      throw new KernelError('failed_with_seed', `with seed ${seed}: ${what} (again: { seed: ${seed}, runs: 1 })`, seed, { cause })
    } finally { await kit.stop() }
  }
}
