import fc from 'fast-check'
import { history } from './commands.js'
import { Session } from './session.js'
import type { Scene } from './session.js'

const sceneOf: fc.Arbitrary<Scene> = fc.record({
  tip: fc.constantFrom('hash' as const, 'no hash' as const, 'none' as const),
  maxReorgDepth: fc.constantFrom(4, 8), maxPending: fc.constantFrom(5, 1_024), maxHeld: fc.constantFrom(3, 600), seed: fc.nat(1_000),
})

/**
 * Runs histories until model and world differ; that history is then shrunk to the shortest which still shows a difference.
 * @returns what differed, and after what; `undefined` where nothing did
 */
export async function search({ histories, steps, seed }: { readonly histories: number; readonly steps: number; readonly seed: number }): Promise<string | undefined> {
  const property = fc.asyncProperty(sceneOf, history(steps), async (scene, commands) => {
    const session = new Session(scene)
    await session.world.open()
    try {
      await fc.asyncModelRun(() => ({ model: session.model, real: session }), commands)
      await session.finish()
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : String(error)}\n  after\n  ${session.log.join('\n  ')}`, { cause: error })
    } finally {
      await session.world.kill()
    }
  })
  const { failed, errorInstance, numShrinks } = await fc.check(property, { numRuns: histories, seed })
  return failed ? `seed ${seed}, shrunk ${numShrinks} times: ${errorInstance instanceof Error ? errorInstance.message : String(errorInstance)}` : undefined
}
