import { Session } from 'node:inspector'
import type { Profiler } from 'node:inspector'
import { writeFile } from 'node:fs/promises'

/** Where the main thread's time goes, by the files that it was in. First match counts. */
const PARTS: readonly (readonly [part: string, file: RegExp])[] = [
  ['validation', /src\/actors\/validator|\/piscina\/|src\/protocol/],
  ['chain', /src\/actors\/chain/],
  ['store', /src\/actors\/store|\/comlink\//],
  ['sync', /src\/actors\/sync/],
  ['service', /src\/actors\/service/],
  ['kernel', /src\/actors\/kernel/],
  ['network', /src\/actors\/network|libp2p|chainsafe|multiformats|uint8|it-|noble|node:net|node:internal\/(stream_base|streams)|node:crypto|internal\/crypto/],
]

/** Shares of the time of this thread while `work` ran, by part; natives count to who called them. `idle` and `gc` beside them. */
export async function profiled<T>(
  work: () => Promise<T>, saveTo?: string,
): Promise<{ readonly value: T; readonly shares: Readonly<Record<string, number>> }> {
  const session = new Session()
  session.connect()
  const post = <R>(method: string, params: object = {}): Promise<R> => new Promise((resolve, reject) => {
    session.post(method, params, (error, result) => { if (error === null) resolve(result as R); else reject(error) })
  })
  await post('Profiler.enable')
  await post('Profiler.setSamplingInterval', { interval: 500 })
  await post('Profiler.start')
  try {
    const value = await work()
    const { profile } = await post<Profiler.StopReturnType>('Profiler.stop')
    if (saveTo !== undefined) await writeFile(saveTo, JSON.stringify(profile))
    return { value, shares: sharesOf(profile) }
  } finally {
    session.disconnect()
  }
}

function sharesOf({ nodes, samples = [], timeDeltas = [] }: Profiler.Profile): Record<string, number> {
  const byId = new Map(nodes.map(node => [node.id, node]))
  const parent = new Map<number, number>()
  for (const node of nodes) for (const child of node.children ?? []) parent.set(child, node.id)
  const known = new Map<number, string>()
  const partOf = (id: number): string => {
    const before = known.get(id)
    if (before !== undefined) return before
    const frame = byId.get(id)?.callFrame
    const above = parent.get(id)
    let part = 'other'
    if (frame !== undefined && above !== undefined) {
      if (frame.functionName === '(idle)') part = 'idle'
      else if (frame.functionName === '(garbage collector)') part = 'gc'
      else if (frame.functionName === '(program)') part = 'program'
      else part = PARTS.find(([, file]) => file.test(frame.url))?.[0] ?? partOf(above)
    }
    known.set(id, part)
    return part
  }
  const sums: Record<string, number> = Object.fromEntries([...PARTS.map(([part]) => part), 'gc', 'program', 'other', 'idle'].map(part => [part, 0]))
  let all = 0
  samples.forEach((id, at) => {
    const us = Math.max(0, timeDeltas[at] ?? 0)
    const part = partOf(id)
    sums[part] = (sums[part] ?? 0) + us
    all += us
  })
  return Object.fromEntries(Object.entries(sums).map(([part, us]) => [part, all === 0 ? 0 : us / all]))
}
