import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { silentLogger } from '../../src/actors/kernel/index.js'
import type { Health } from '../../src/index.js'
import { openDoors } from '../../src/operate/doors.js'
import { Incidents } from '../../src/operate/incidents.js'
import { JsonRpc } from '../../src/operate/json-rpc.js'
import type { OperatedNode } from '../../src/operate/methods.js'
import { openMetrics } from '../../src/operate/metrics/index.js'
import { REJECTIONS, rejectionLabel } from '../../src/operate/metrics/labels.js'
import { SERIES } from '../../src/operate/metrics/series.js'
import { READINESS_PARTS, readinessOf } from '../../src/operate/readiness.js'
import { rpcMethods } from '../../src/operate/rpc-methods.js'
import { started } from '../setup/registry.js'
import { TestNet } from '../support/nodes.js'
import { until } from '../support/until.js'
import { Operated, folder } from './support.js'

const ops = (name: string): string => new URL(`../../../ops/${name}`, import.meta.url).pathname
/** Series that the process itself has: prom-client's own. */
const OF_PROCESS = /^(nodejs|process)_/

/** Whatever a text names that looks like a series of ours or of the process. */
const namedIn = (text: string): string[] => [...new Set(text.match(/\b(preconf|nodejs|process)_[a-z0-9_]+/g) ?? [])]

async function pair(): Promise<{ readonly net: TestNet; readonly a: Awaited<ReturnType<TestNet['start']>>; readonly b: Awaited<ReturnType<TestNet['start']>> }> {
  const net = new TestNet('memory')
  const a = await net.start()
  const b = await net.start({}, [a])
  await until(async () => (await b.service.peers()).some(({ protocols }) => protocols.length > 0), 'connected')
  return { net, a, b }
}

describe('operate: a node asked', () => {
  it('op-node\'s methods have op-node\'s names and shapes', async () => {
    const { a, b } = await pair()
    const rpc = new JsonRpc(b.service, rpcMethods(new Incidents()))
    const ask = async (method: string, ...params: unknown[]): Promise<unknown> => {
      const text = await rpc.answer(JSON.stringify({ jsonrpc: '2.0', id: 1, method: `opp2p_${method}`, params }), { ending: new AbortController().signal, refusal: () => undefined })
      const { result, error } = JSON.parse(text!) as { result?: unknown; error?: { message: string } }
      if (error !== undefined) throw new Error(error.message)
      return result
    }
    const info = {
      peerID: 'string', nodeID: 'string', userAgent: 'string', protocolVersion: 'string', ENR: 'string', addresses: 'object', protocols: 'object', connectedness: 'number', direction: 'number',
      protected: 'boolean', chainID: 'number', latency: 'number', gossipBlocks: 'boolean', scores: 'object',
    }
    const typesOf = (value: object): object => Object.fromEntries(Object.entries(value).map(([name, each]) => [name, typeof each]))
    const self = await ask('self') as Record<string, unknown>
    expect(typesOf(self)).to.deep.equal(info)
    expect(self).to.include({ peerID: b.service.peerId, chainID: 167_000, gossipBlocks: true })
    expect(self['nodeID']).to.match(/^[0-9a-f]{64}$/)
    const dump = await ask('peers', true) as { totalConnected: number; peers: Record<string, object>; bannedPeers: string[]; bannedIPS: string[]; bannedSubnets: object[] }
    expect(dump).to.deep.include({ totalConnected: 1, bannedPeers: [], bannedIPS: [], bannedSubnets: [] })
    const peer = dump.peers[a.service.peerId]!
    expect(typesOf(peer)).to.deep.equal(info)
    expect(peer).to.include({ peerID: a.service.peerId, connectedness: 1, direction: 2, protected: true, chainID: 167_000 })
    expect(peer).to.have.nested.property('scores.gossip.blocks').that.has.all.keys('timeInMesh', 'firstMessageDeliveries', 'meshMessageDeliveries', 'invalidMessageDeliveries')
    expect(typesOf((peer as { scores: { gossip: object } }).scores.gossip)).to.deep.equal({ total: 'number', blocks: 'object', IPColocationFactor: 'number', behavioralPenalty: 'number' })
    expect(await ask('peerStats')).to.have.all.keys('connected', 'table', 'blocksTopic', 'gossipPeersByTopic', 'banned', 'known').and.include({ connected: 1, table: 0, banned: 0 })
    expect(await ask('peerCount')).to.deep.equal({ connectedDiscovery: null, connectedGossip: 1 })
    expect(await ask('discoveryTable').catch((error: unknown) => (error as Error).message)).to.equal('discovery is off')

    const other = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
    expect(await ask('blockPeer', other)).to.equal(null)
    expect(await ask('blockAddr', '192.0.2.7')).to.equal(null)
    // as Go writes a net.IPNet, and as text
    expect(await ask('blockSubnet', { IP: '198.51.100.0', Mask: '////AA==' })).to.equal(null)
    await ask('blockSubnet', '203.0.113.0/28')
    expect(await Promise.all(['listBlockedPeers', 'listBlockedAddrs', 'listBlockedSubnets'].map(async method => ask(method)))).to.deep.equal([
      [other], ['192.0.2.7'], [{ IP: '198.51.100.0', Mask: '////AA==' }, { IP: '203.0.113.0', Mask: '////8A==' }],
    ])
    for (const [method, value] of [['unblockPeer', other], ['unblockAddr', '192.0.2.7'], ['unblockSubnet', { IP: '198.51.100.0', Mask: '////AA==' }], ['unblockSubnet', '203.0.113.0/28']] as const) await ask(method, value)
    expect((await b.service.access.lists()).blocked).to.deep.equal([])
    // a method for one kind of rule takes no other: a peer's place is no place for a subnet
    for (const [method, value] of [['blockPeer', '10.0.0.0/8'], ['blockAddr', '10.0.0.0/8'], ['blockSubnet', '10.0.0.1'], ['blockSubnet', { IP: '10.0.0.0', Mask: '/wD/AA==' }], ['blockSubnet', { IP: '10.0.0.0', Mask: 'x'.repeat(9_999) }]] as const)
      expect(await ask(method, value).then(() => 'taken', () => 'refused'), method).to.equal('refused')

    await ask('protectPeer', other)
    expect((await b.service.access.lists()).protected).to.include(other)
    await ask('unprotectPeer', other)
    expect(await ask('disconnectPeer', a.service.peerId)).to.equal(null)
    await until(async () => (await b.service.peerCount()) === 0 || undefined, 'disconnected')
    expect(await ask('connectPeer', (await a.service.listenAddresses())[0])).to.equal(null)
  })

  it('readiness tells each part, and what is amiss', async () => {
    const { a, b } = await pair()
    const ready = await readinessOf(b.service)
    expect(ready.parts, JSON.stringify(ready)).to.have.all.keys(...READINESS_PARTS)
    expect(ready.ready).to.equal(true)
    await a.service.stop()
    const alone = await until(async () => { const now = await readinessOf(b.service); return now.parts.peers.ready ? undefined : now }, 'no peer')
    expect(alone.ready).to.equal(false)
    expect(alone.parts.peers.why).to.equal('no peer is connected')
  })

  it('a schedule that fails, a head that is behind, signing that is not allowed: each is a reason', async () => {
    const health: Health = {
      status: 'ok', ailments: [], peers: 1, head: { blockNumber: 10n, submissionWindowEnd: 0n }, next: 11n, known: undefined, announced: undefined, failedRuns: 0, unstored: 0,
      durable: true, signatures: 'native',
    }
    const outlook = { upcoming: async () => [], signing: async () => ({ signer: new Uint8Array(20), held: false, closedUpTo: undefined, ownEquivocation: undefined }) }
    const node = (answers: object): OperatedNode =>
      ({ health: async () => health, listenAddresses: async () => ['/memory/1'], outlook, ...answers }) as unknown as OperatedNode
    expect(await readinessOf(node({}))).to.have.property('ready', true)
    const cases: [object, string, string][] = [
      [{ outlook: { ...outlook, upcoming: async () => { throw new Error('the file is not JSON') } } }, 'schedule', 'the file is not JSON'],
      [{ outlook: { ...outlook, upcoming: async () => new Promise(() => undefined) } }, 'schedule', 'the schedule does not answer'],
      [{ outlook: { ...outlook, signing: async () => ({ ...await outlook.signing(), held: true }) } }, 'signing', 'catch-up'],
      [{ outlook: { ...outlook, signing: async () => ({ ...await outlook.signing(), closedUpTo: 9n }) } }, 'signing', '9'],
      [{ outlook: { ...outlook, signing: async () => ({ ...await outlook.signing(), ownEquivocation: {} }) } }, 'signing', 'exclude each other'],
      [{ health: async () => ({ ...health, head: { blockNumber: 10n, submissionWindowEnd: 0n }, announced: 19n }) }, 'inStep', '9 behind'],
      [{ health: async () => ({ ...health, durable: undefined }) }, 'store', 'does not answer'],
      [{ health: async () => ({ ...health, ailments: [{ code: 'store_failing', message: 'disk_full' }] }) }, 'store', 'disk_full'],
      [{ listenAddresses: async () => [] }, 'listening', 'no address'],
    ]
    for (const [answers, part, why] of cases) {
      const { ready, parts } = await readinessOf(node(answers))
      expect([ready, parts[part as 'store'].ready, parts[part as 'store'].why.includes(why)], `${part}: ${parts[part as 'store'].why}`).to.deep.equal([false, false, true])
    }
    expect((await readinessOf(node({ health: async () => ({ ...health, head: { blockNumber: 10n, submissionWindowEnd: 0n }, announced: 18n }) }))).parts.inStep.ready).to.equal(true)
  })

  it('all series are there from the start, each with all its labels, and nothing adds to them', async () => {
    const { net, a } = await pair()
    const alone = await net.start()
    const metrics = openMetrics(alone.service)
    const text = await metrics.text()
    const lines = (of: string): string[] => of.split('\n').filter(line => line.startsWith('preconf_'))
    for (const { name } of SERIES) expect(lines(text).some(line => line.startsWith(`${name}{`) || line.startsWith(`${name} `)), name).to.equal(true)
    expect(text).to.contain('preconf_rejected_total{topic="commitments",reason="bad_signature",verdict="reject"} 0').and.contain('preconf_banned_total{by="score"} 0')
    expect(text).to.contain('preconf_requests_failed_total{code="timeout"} 0').and.contain('preconf_ready_part{part="peers"} 0').and.contain('preconf_actor_depth{actor="p2p/store"}')
    expect(text).to.match(/nodejs_eventloop_lag_p99_seconds \d/)
    const before = lines(text).length

    // what remotes and the application name is never a label of its own
    for (let n = 0; n < 100; n++) {
      metrics.see({ type: 'rejected', topic: 'commitments', from: `peer-${n}`, reason: `rules: ${n}`, verdict: 'ignore' })
      metrics.see({ type: 'rejected', topic: 'commitments', from: `peer-${n}`, reason: `new-${n}`, verdict: 'reject' })
      metrics.see({ type: 'banned', peer: `peer-${n}`, forMs: 1, reason: `because ${n}` })
    }
    metrics.see({ type: 'banned', peer: 'x', forMs: 1, reason: 'score' })
    metrics.see({ type: 'lagged', count: 5, lane: 'data' })
    await alone.service.dial((await a.service.listenAddresses())[0]!)
    const after = await metrics.text()
    expect(lines(after)).to.have.length(before)
    expect(after).to.contain('reason="rules",verdict="ignore"} 100').and.contain('topic="commitments",reason="other",verdict="reject"} 100')
    expect(after).to.contain('preconf_banned_total{by="operator"} 100').and.contain('preconf_banned_total{by="score"} 1').and.contain('preconf_metrics_events_lost_total 5')
    expect(after).to.contain('preconf_ready_part{part="peers"} 1').and.contain('preconf_peers{direction="outbound"} 1')
    metrics.close()
  })

  it('every reason of the verdict table is a label', async () => {
    const verdicts = await readFile(new URL('../../../src/actors/chain/verdicts.ts', import.meta.url), 'utf8')
    const reasons = [...verdicts.matchAll(/(?:ignore|authorsFault)\('([a-z_]+)'\)/g)].map(([, reason]) => reason!)
    expect(reasons.length).to.be.greaterThan(20)
    for (const reason of reasons) expect(rejectionLabel(reason), reason).to.equal(reason)
    expect(new Set(REJECTIONS).size).to.equal(REJECTIONS.length)
  })

  it('the dashboard and the alerts ask for series that there are, and no series of ours is unheard of', async () => {
    const metrics = openMetrics(new Operated().node)
    const names = new Set(metrics.names)
    for (const file of ['grafana-dashboard.json', 'alerts.yml']) {
      const named = namedIn(await readFile(ops(file), 'utf8'))
      expect(named.length, file).to.be.greaterThan(8)
      for (const name of named) expect(names.has(name), `${file} asks for ${name}`).to.equal(true)
    }
    expect([...names].filter(name => !OF_PROCESS.test(name) && !name.startsWith('preconf_'))).to.deep.equal([])
    metrics.close()
  })

  it('why a peer stands as it does: what it was found at, bounded', () => {
    const incidents = new Incidents()
    for (let n = 0; n < 2_000; n++) incidents.see({ type: 'violation', peer: `peer-${n}`, kind: 'gossip', violation: 'gossip_rpc', code: 'x' }, n)
    expect(incidents.of('peer-0')).to.deep.equal({ counts: {}, last: [] })
    for (let n = 0; n < 100; n++) incidents.see({ type: 'rejected', topic: 'commitments', from: 'bad', reason: `r${n}`, verdict: 'reject' }, n)
    incidents.see({ type: 'rejected', topic: 'commitments', from: 'bad', reason: 'not its fault', verdict: 'ignore' }, 5)
    const { counts, last } = incidents.of('bad')
    expect([Object.keys(counts).length, last.length, last.at(-1)]).to.deep.equal([33, 16, { at: 99, what: 'rejected', reason: 'r99' }])
    expect(Object.values(counts).reduce((a, b) => a + b)).to.equal(100)
  })

  it('HTTP beyond loopback needs a token file; one is made for its owner only, and read again', async () => {
    const { node } = new Operated()
    const http = { host: '127.0.0.1', port: 0, metrics: false }
    const open = async (more: object): Promise<unknown> => openDoors({ dataDir: undefined, ipc: false, http: { ...http, ...more } }, node, silentLogger, () => 0).then(doors => {
      started(async () => doors.close())
      return undefined
    }, (error: unknown) => (error as { code?: unknown }).code)
    expect(await open({ host: '0.0.0.0' })).to.equal('bad_config')
    const tokenFile = join(await folder(), 'token')
    expect(await open({ tokenFile })).to.equal(undefined)
    const { mode } = await stat(tokenFile)
    expect(mode & 0o777).to.equal(0o600)
    expect(await readFile(tokenFile, 'utf8')).to.match(/^[0-9a-f]{64}\n$/)
    expect(await open({ tokenFile })).to.equal(undefined)
    for (const text of ['', 'short', 'with blanks inside it, and long enough']) {
      await writeFile(tokenFile, text)
      expect(await open({ tokenFile }), text).to.equal('bad_config')
    }
  })
})
