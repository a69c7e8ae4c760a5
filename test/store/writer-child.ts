import { fileDatabase } from '../../src/actors/store/file-database.js'
import type { WriteBatch } from '../../src/actors/store/database.js'
import { StoreError } from '../../src/actors/store/errors.js'
import { commitment, hashOf } from './fixtures.js'

/**
 * A process that writes until it is killed, or until its disk is full. What is durable it says on stdout, one line each:
 * `writer-child.js FOLDER hold|write|single|fill [FROM]`; `single` writes fifty, one at a time, and ends.
 */
const [dataDir = '', mode = 'write', from = '1'] = process.argv.slice(2)
const say = (line: string) => new Promise<void>(resolve => { process.stdout.write(`${line}\n`, () => { resolve() }) })

/** What stands at a height: so that the parent can tell whether it is intact. */
export const batchOf = (height: bigint): WriteBatch => {
  const txList = new Uint8Array(Number(height % 7n) * 3_000 + 1).fill(Number(height % 251n))
  return {
    commitments: [commitment({ height, txList })],
    txLists: [{ hash: hashOf(txList, height.toString()), bytes: txList, blockNumber: height }],
    meta: [{ name: 'last', value: height.toString() }],
  }
}

async function hold(): Promise<void> {
  const db = fileDatabase({ dataDir })
  await db.open()
  await db.commit({ commitments: [commitment({ height: 1n })] })
  await say('held')
  setInterval(() => undefined, 1_000)
}

async function write(atOnce = 4, count = Infinity): Promise<void> {
  const db = fileDatabase({ dataDir })
  const opened = await db.open()
  await say(`opened ${opened.stats.highest?.toString() ?? 'none'}`)
  const first = opened.stats.highest ?? BigInt(from) - 1n
  // Several under way, as chain has them; called in the order of heights.
  const underWay: Promise<void>[] = []
  for (let height = first + 1n; height <= first + BigInt(Math.min(count, Number.MAX_SAFE_INTEGER)); height++) {
    underWay.push(db.commit(batchOf(height)).then(() => say(`stored ${height}`)))
    if (underWay.length === atOnce) await underWay.shift()
  }
  await Promise.all(underWay)
  await db.close()
}

/** Writes until it fails, tries again, reads what it has stored, and says all of that. */
async function fill(): Promise<void> {
  const db = fileDatabase({ dataDir })
  await db.open()
  let height = BigInt(from)
  const failing = async (): Promise<StoreError> => {
    for (;; height++) {
      try {
        await db.commit(batchOf(height))
        await say(`stored ${height}`)
      } catch (error) {
        if (error instanceof StoreError) return error
        throw error
      }
    }
  }
  await say(`failed ${(await failing()).code}`)
  const again = db.commit(batchOf(height)).then(() => 'ok', (error: unknown) => error instanceof StoreError ? error.code : String(error))
  await say(`again ${await again}`)
  await say(`highest ${(await db.stats()).highest?.toString() ?? 'none'}`)
  await say(`page ${(await db.canonicalRange(BigInt(from), 10)).length}`)
  if (process.send !== undefined) {
    process.once('message', () => {
      void (async () => {
        await say(`recovered ${await db.commit(batchOf(height)).then(() => 'ok', (error: unknown) => String(error))}`)
        for (let more = 0; more < 20; more++) {
          height++
          await db.commit(batchOf(height))
          await say(`stored ${height}`)
        }
        await db.close()
        process.disconnect()
      })()
    })
    return
  }
  await db.close()
  await say('closed')
}

if (process.argv[1]?.endsWith('writer-child.js') === true) await ({ hold, fill, single: () => write(1, 50) }[mode] ?? write)()
