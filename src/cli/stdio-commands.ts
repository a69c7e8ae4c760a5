/** The commands of a session of `run --stdio` (docs/stdio.md): those of every door, and its own for ordered streams. */
import type { P2pService } from '../actors/service/index.js'
import { commands } from '../operate/commands.js'
import { int } from '../operate/json.js'
import { nothing, reads } from '../operate/methods.js'
import type { Asked, Method, OperatedNode } from '../operate/methods.js'
import { count, flag, heightOrCursor, optional, text } from '../operate/parameters.js'
import type { BlockStreams } from './stdio-streams.js'

/** What of the service a session uses. */
export type StdioNode = OperatedNode & Pick<P2pService, 'stop'>

export interface Session extends Asked { readonly streams: BlockStreams }

/** Every command but `stop`, which the session itself carries out. */
export const sessionCommands: Readonly<Record<string, Method<Session>>> = {
  ...commands,
  blocks: reads({ from: heightOrCursor, withTxList: optional(flag), credit: optional(count) }, async ({ streams }: Session, { from, withTxList = false, credit }) => {
    const stream = streams.open({ from, withTxList, credit })
    return () => ({ stream })
  }),
  moreBlocks: reads({ stream: text, credit: count }, async ({ streams }: Session, { stream, credit }) => {
    const left = streams.more(stream, credit)
    return () => ({ credit: Number.isFinite(left) ? int(left) : null })
  }),
  endBlocks: reads({ stream: text }, async ({ streams }: Session, { stream }) => {
    await streams.end(stream)
    return nothing
  }),
}
