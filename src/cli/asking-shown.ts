/** Answers of a running node as people read them. What is missing in an answer is shown as `-`. */
import type { Json } from '../operate/json.js'

/** What a node answers: an object whose members are looked at with care, since the node may be of another version. */
export type Shown = Readonly<Record<string, Json | undefined>>

const member = (value: Json | undefined): Shown => typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Shown : {}
const list = (value: Json | undefined): readonly Shown[] => Array.isArray(value) ? (value as readonly Json[]).map(member) : []
const plain = (value: Json | undefined): string => typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : '-'
const whole = (value: Json | undefined): string => typeof value === 'string' && /^\d+$/.test(value) ? BigInt(value).toLocaleString('en') : plain(value)
const score = (value: Json | undefined): string => typeof value === 'number' ? (Math.round(value * 100) / 100).toString() : '-'
const time = (value: Json | undefined): string => typeof value === 'string' && /^\d{1,15}$/.test(value) ? new Date(Number(value)).toISOString() : '-'

/** Rows in columns; the last one is not padded. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)))
  return rows.map(row => `${row.map((cell, column) => column === row.length - 1 ? cell : cell.padEnd(widths[column]!)).join('  ')}\n`).join('')
}

export function status(health: Shown, node: Shown): string {
  const parts = Object.entries(member(health['parts'])).map(([name, part]) => ({ name, ready: member(part)['ready'], because: plain(member(part)['why']) }))
  const amiss = parts.filter(({ ready }) => ready !== true)
  const verdict = amiss.length === 0 ? health['ready'] === true ? 'yes' : 'no: it is stopping'
    : `no: ${amiss.map(({ name, because }) => `${name} (${because})`).join('; ')}${amiss.length < parts.length ? '; everything else is fine' : ''}`
  return table([
    ['ready', verdict],
    ['head', whole(member(node['head'])['blockNumber'])],
    ['known', `${whole(node['known'])} signed, ${whole(node['announced'])} announced`],
    ['peers', plain(node['peers'])],
    ['unstored', plain(node['unstored'])],
    ['peer id', plain(node['peerId'])],
    ...(Array.isArray(node['addresses']) ? node['addresses'] as readonly Json[] : []).map(address => ['listens', plain(address)]),
    ...list(node['ailments']).map(({ code, message }) => ['ails', `${plain(code)}: ${plain(message)}`]),
  ])
}

export function peers({ peers: all }: Shown): string {
  const rows = list(all).map(peer => {
    const mesh = member(peer['mesh'])
    const topics = [mesh['commitments'] === true ? 'c' : '', mesh['txLists'] === true ? 't' : ''].join('')
    const latency = typeof peer['latencyMs'] === 'number' ? `${Math.round(peer['latencyMs'])} ms` : '-'
    const state = peer['refused'] === true ? 'refused us' : plain(peer['direction'])
    return [plain(peer['peer']), state, topics === '' ? '-' : topics, score(peer['score']), latency, plain(peer['agent'])]
  })
  return rows.length === 0 ? 'no peers\n' : table([['peer', 'how', 'mesh', 'score', 'latency', 'agent'], ...rows])
}

export function why({ standing, counts, last }: Shown): string {
  const { peer, reputation, gossipScore, protected: kept, ban } = member(standing)
  const { until, reason } = member(ban)
  const causes = Object.entries(member(counts)).sort(([, a], [, b]) => Number(b) - Number(a)).map(([cause, n]) => `${plain(n)} × ${cause}`)
  return table([
    ['peer', plain(peer)],
    ['banned', ban === null || ban === undefined ? 'no' : `until ${time(until)}: ${plain(reason)}`],
    ['reputation', `${score(reputation)} (−2: out of the meshes; a ban follows), gossip score ${score(gossipScore)}${kept === true ? ', protected' : ''}`],
    ['found at', causes.length === 0 ? 'nothing since this node was started' : causes.join(', ')],
    ...list(last).map(incident => ['', `${time(incident['at'])}  ${plain(incident['what'])}: ${plain(incident['reason'])}`]),
  ])
}

export function banned({ ban }: Shown): string {
  const { peer, until } = member(ban)
  return `${plain(peer)} is banned until ${time(until)}\n`
}

export const found = (yes: string, no: string) => ({ found: was }: Shown): string => `${was === true ? yes : no}\n`

export const enr = ({ enr: record }: Shown): string => `${record === null ? 'discovery is off' : plain(record)}\n`

export function evidence({ evidence: all }: Shown): string {
  const rows = list(all).map(each => [plain(each['sequence']), plain(each['kind']), plain(each['reason']), `0x${plain(each['signer'])}`, whole(each['blockNumber']), time(each['seenAt'])])
  return rows.length === 0 ? 'no evidence\n' : table([['number', 'kind', 'reason', 'signer', 'block', 'seen'], ...rows])
}

export function actors({ tree }: Shown): string {
  const rows: string[][] = []
  const walk = (node: Shown): void => {
    if (node['kind'] === 'actor') {
      const handling = member(node['handling'])
      const drops = Object.entries(member(node['drops'])).map(([reason, n]) => `${plain(n)} ${reason}`).join(', ')
      rows.push([plain(node['path']), plain(node['phase']), `${plain(node['depth'])}/${plain(node['capacity'])}`, plain(node['handled']), `${score(handling['p99Ms'])} ms`, plain(node['restarts']), drops === '' ? '-' : drops])
    }
    for (const child of [...list(node['children']), ...list(node['holds'])]) walk(child)
  }
  walk(member(tree))
  return table([['actor', 'phase', 'waiting', 'handled', 'p99', 'restarts', 'drops'], ...rows])
}
