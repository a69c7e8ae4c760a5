import fc from 'fast-check'
import { history } from './commands.js'
import { Session } from './session.js'
import type { Scene } from './session.js'

export const sceneOf: fc.Arbitrary<Scene> = fc.record({
  tip: fc.constantFrom('hash' as const, 'no hash' as const, 'none' as const),
  maxReorgDepth: fc.constantFrom(4, 8), maxPending: fc.constantFrom(5, 1_024), commitments: fc.constant(10_000), seed: fc.nat(1_000),
})

/** Runs histories until one fails, which is shrunk to the shortest that still does. `undefined`: none has. */
export async function search(runs: number, steps: number, seed: number, endOnFailure = false): Promise<{ readonly seed: number; readonly text: string } | undefined> {
  let last: readonly string[] = []
  const property = fc.asyncProperty(sceneOf, history(steps), async (scene, commands) => {
    const session = new Session(scene)
    last = session.log
    await session.world.open()
    try {
      await fc.asyncModelRun(() => ({ model: session.model, real: session }), commands)
      await session.finish()
    } catch (error) {
      throw Object.assign(new Error(`${(error as Error).message}\n  ${session.log.join('\n  ')}`, { cause: error }))
    } finally {
      await session.world.kill()
    }
  })
  const details = await fc.check(property, { numRuns: runs, seed, endOnFailure })
  void last
  if (!details.failed) return undefined
  return { seed, text: `${fc.stringify(details.counterexample)}\n${String((details.errorInstance as Error | undefined)?.message)}\n${String((details.errorInstance as Error)?.stack).slice(0, 300)}` }
}
