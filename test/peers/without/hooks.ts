import type { LoadHook } from 'node:module'

/** Work-arounds and protections, each with the modules that hold it and the lines that, added to them, switch it off. */
const switches = {
  'yamux-frames': { 'workarounds/yamux-frames': 'limitFrames = stream => stream' },
  'forward-to-author': { 'workarounds/forward-to-author': 'leaveAuthorOut = () => {}' },
  'reopen-gossip-stream': { 'workarounds/reopen-gossip-stream': 'GossipStreamKeeper.prototype.connectionClosed = GossipStreamKeeper.prototype.heartbeat = () => {}' },
  /** H85, H88: what our state tells is held against who brings it. */
  'authors-fault': { 'chain/verdict': 'authorsFault = reason => ({ verdict: \'reject\', reason, penalty: true })' },
  /** H86: what a peer lacked is not asked of it again for an hour. */
  'asked-again': {
    'sync/config': 'syncDefaults.floorFor = 3_600_000',
    'sync/peers': 'SyncPeerState.prototype.hasMore = function () { this.exhaustedAt = undefined }',
  },
  /** H87: hand-overs beside blocks, for everybody. */
  'one-per-height': {
    'store/key-value-database': `const page = KeyValueDatabase.prototype.canonicalRange
      KeyValueDatabase.prototype.canonicalRange = function (start, max) { return page.call(this, start, max, false) }`,
  },
  /** H89: `maxCount` is a range of heights. */
  'by-items': {
    'store/key-value-database': `const page = KeyValueDatabase.prototype.canonicalRange
      KeyValueDatabase.prototype.canonicalRange = async function (start, max, onePerHeight) {
        const items = await page.call(this, start, max, onePerHeight)
        const heights = Array.from({ length: items.length / 382 }, (_, at) => Buffer.from(items).readBigUInt64LE(at * 382 + 1))
        return items.subarray(0, 382 * heights.filter(height => height < start + BigInt(max)).length)
      }`,
  },
} as const satisfies Record<string, Record<string, string>>

export type Switch = keyof typeof switches

let added: Readonly<Record<string, string>> = {}
export function initialize(name: string): void {
  if (!(name in switches)) throw new Error(`no such work-around or protection: ${name}`)
  added = switches[name as Switch]
}

/** A module with a line more; every other one as it is. A name that is gone is a ReferenceError at start. */
export const load: LoadHook = async (url, context, next) => {
  const loaded = await next(url, context)
  const line = Object.entries(added).find(([module]) => url.endsWith(`/${module}.js`))?.[1]
  return line === undefined ? loaded : { ...loaded, source: `${Buffer.from(loaded.source as Uint8Array).toString()}\n${line}\n` }
}
