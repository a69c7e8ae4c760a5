import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { P2pService, natsSink, scheduleFromSigners, signerFromKey } from '../../src/index.js'
import type { SinkFigures } from '../../src/index.js'
import { natsBlocks } from '../../src/consumer/index.js'
import { campaign } from '../campaigns/sink.js'
import { StageNode } from '../sink/stage.js'
import { until } from '../support/until.js'
import { FoldingConsumer, Place } from './room.js'
import { NatsServer } from './server.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))

describe('nats: what a broker has to be, and who reads it', function () {
  this.timeout(120_000)
  const servers: NatsServer[] = []
  const nodes: StageNode[] = []
  const serve = async (more?: string): Promise<NatsServer> => {
    const server = await NatsServer.start(more)
    servers.push(server)
    return server
  }
  const start = async (blocks: number): Promise<StageNode> => {
    const node = await StageNode.start()
    nodes.push(node)
    await node.append(blocks)
    return node
  }
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map(node => node.stop()))
    await Promise.all(servers.splice(0).map(server => server.stop()))
  })
  const says = (sink: { figures(): Promise<SinkFigures> }, code: string): Promise<string> =>
    until(async () => { const { failing } = await sink.figures(); return failing?.code === code && failing.message }, `it says ${code}`)

  it('max_payload too small: one line says what to set; by hash it goes', async () => {
    const server = await serve('max_payload: 1MB')
    const [node, place] = [await start(5), new Place(server)]
    const message = await says(node.sink(place.sink()), 'misconfigured')
    expect(message).to.match(/max_payload is 1048576 bytes, 2101630 are needed: set max_payload/).and.not.include('\n')
    node.sink(place.sink({ txLists: 'hash' }))
    const consumer = new FoldingConsumer(place)
    await consumer.has(node)
    await consumer.leave()
  })

  it('a stream that is set up otherwise: one line names the field', async () => {
    const server = await serve()
    const node = await start(1)
    for (const [config, field] of [
      [{ subjects: ['x.>'] }, /subjects is x\.>/], [{ retention: 'workqueue' }, /retention is workqueue/], [{ max_msgs_per_subject: 3 }, /max_msgs_per_subject is 3/],
      [{ max_msg_size: 100 }, /max_msg_size is 100/], [{ no_ack: true }, /no_ack is true/],
    ] as const) {
      const place = new Place(server)
      const subjects = 'subjects' in config ? [`${place.subject}.>`] : [place.subject]
      await place.manage(jsm => jsm.streams.add({ name: place.stream, ...config, subjects }))
      const message = await says(node.sink(place.sink()), 'misconfigured')
      expect(message).to.match('subjects' in config ? /subjects is test/ : field).and.not.include('\n')
      await place.manage(jsm => jsm.streams.delete(place.stream))
    }
    const missing = new Place(server)
    expect(await says(node.sink(missing.sink({ create: false })), 'misconfigured')).to.match(/there is no stream .*: nats stream add/)
    expect(await says(node.sink(missing.sink({ replicas: 3 })), 'misconfigured')).to.match(/cannot be made: .*replicas/i)
  })

  it('user and password, or a token; without them it says so, and the name has no secret', async () => {
    const server = await serve('max_payload: 8MB\nauthorization { user: writer, password: "a b" }')
    const [node, place] = [await start(3), new Place(server)]
    await says(node.sink(place.sink()), 'unauthorized')
    const sink = place.sink({ servers: `nats://writer:a%20b@127.0.0.1:${server.port}` })
    expect(sink.name).to.equal(`nats://127.0.0.1:${server.port}`)
    const running = node.sink(sink)
    await until(async () => (await running.figures()).height === 3n, 'it writes')
  })

  it('TLS: with the authority\'s file it goes, without it the sink says why', async function () {
    const folder = await mkdtemp(join(tmpdir(), 'preconf-tls-'))
    try {
      const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
      const made = spawnSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'], { timeout: 60_000 })
      if (made.status !== 0) { console.log('    skipped: there is no openssl to make a certificate'); this.skip() }
      const server = await serve(`max_payload: 8MB\ntls { cert_file: ${JSON.stringify(cert)}, key_file: ${JSON.stringify(key)} }`)
      const [node, place] = [await start(3), new Place(server)]
      const url = `tls://127.0.0.1:${server.port}`
      const untrusting = node.sink(place.sink({ servers: url }))
      expect(await until(async () => (await untrusting.figures()).failing?.message, 'it is refused')).to.match(/cannot be reached/)
      const running = node.sink(place.sink({ servers: url, tls: { caFile: cert } }))
      await until(async () => (await running.figures()).height === 3n, 'it writes')
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('a broker that is away at the start, and comes', async () => {
    const server = await serve()
    await server.kill()
    const [node, place] = [await start(3), new Place(server)]
    const running = node.sink(place.sink())
    expect(await says(running, 'away')).to.match(/cannot be reached/)
    await server.run()
    await until(async () => (await running.figures()).height === 3n, 'it writes')
    expect((await running.figures()).failing).to.equal(undefined)
  })

  it('a whole node: service.sink, its health, and a consumer that checks every signature itself', async () => {
    const server = await serve()
    const key = '01'.repeat(32)
    const schedule = scheduleFromSigners([signerFromKey(key).address])
    const service = await P2pService.start({ listen: '/ip4/127.0.0.1/tcp/0', discovery: false, schedule, confirmedTip: { blockNumber: 999n }, signing: { key, unprotected: true } })
    const left = new AbortController()
    try {
      const sink = await service.sink(natsSink({ servers: server.url }))
      const { hash } = await service.publishTxList(new Uint8Array(100).fill(7))
      const [nobody, noParent] = [new Uint8Array(20), new Uint8Array(32)]
      await service.publishCommitment({
        preconf: {
          eop: false, blockNumber: 1_000n, timestamp: 1_800_000_000n, gasLimit: 30_000_000n, coinbase: nobody, anchorBlockNumber: 500n, rawTxListHash: hash,
          parentPreconfirmationHash: noParent, submissionWindowEnd: BigInt(Math.ceil(Date.now() / 1_000) + 60), proverAuth: nobody, proposalId: 1n,
        },
        slasherAddress: nobody,
      })
      const read = async (who: string): Promise<unknown> => {
        for await (const item of natsBlocks({ servers: server.url, from: 1_000n, schedule: scheduleFromSigners([who]), signal: left.signal })) return item
        return undefined
      }
      const item = await read('0x1a642f0e3c3af545e7acbd38b07251b3990914f1')
      const [own] = [await service.blocks({ from: 1_000n, withTxList: true }).next()]
      expect({ ...item as object, cursor: '' }).to.deep.equal({ ...own.value as object, cursor: '' })
      expect(await read('0x7e5f4552091a69125d5dfcb7b8c2659029395bdf').catch((error: unknown) => error)).to.include({ code: 'not_elected' })
      expect((await service.figures()).sinks[0]).to.include({ state: 'writing', height: 1_000n })
      await server.kill()
      await until(async () => (await service.health()).ailments.find(({ code }) => code === 'sink_failing'), 'health says so')
      await server.run()
      await until(async () => (await service.health()).ailments.every(({ code }) => code !== 'sink_failing'), 'it is over')
      await sink.stop()
      expect((await service.figures()).sinks).to.deep.equal([])
    } finally {
      left.abort()
      await service.stop()
    }
  })

  it('what is not authentic ends a consumer that has a schedule', async () => {
    const server = await serve()
    const [node, place] = [await start(2), new Place(server)]
    node.sink(place.sink({ encoding: 'json' }))
    const trusting = new FoldingConsumer(place)
    await trusting.has(node)
    await trusting.leave()
    const checking = new FoldingConsumer(place, { schedule: scheduleFromSigners(['0x7e5f4552091a69125d5dfcb7b8c2659029395bdf']) })
    await until(() => checking.error, 'it is told')
    expect(checking.error).to.include({ name: 'ConsumerError', code: 'not_authentic' })
    await checking.leave()
  })

  it('a height to begin with, and a cursor of another kind', async () => {
    const server = await serve()
    const [node, place] = [await start(100), new Place(server)]
    node.sink(place.sink())
    await node.rewind(60n)
    await node.append(40, 1)
    const whole = new FoldingConsumer(place)
    await whole.has(node)
    await whole.leave()
    for (const from of [1n, 37n, 61n, 90n]) {
      const left = new AbortController()
      const heights: bigint[] = []
      for await (const item of place.read({ from, signal: left.signal })) {
        if (item.kind === 'block') heights.push(item.blockNumber)
        if (item.kind === 'rewind') while (heights.length > 0 && heights.at(-1)! > item.to) heights.pop()
        if (item.kind === 'block' && item.blockNumber === 100n && item.cursor === whole.cursor) left.abort()
      }
      expect(heights, `from ${from}`).to.deep.equal(Array.from({ length: 101 - Number(from) }, (_, at) => from + BigInt(at)))
    }
    expect(() => place.read({ from: whole.cursor!.split('@')[1]! })).to.throw().that.includes({ code: 'bad_cursor' })
    expect(() => place.read({ servers: 'http://x' })).to.throw().that.includes({ code: 'bad_config' })
  })

  it('the Python example folds the same chain, over a restart, with the standard library alone', async function () {
    if (spawnSync('python3', ['--version'], { timeout: 10_000 }).status !== 0) { console.log('    skipped: there is no python3'); this.skip() }
    const server = await serve()
    const [node, place] = [await start(20), new Place(server)]
    const running = node.sink(place.sink())
    const folder = await mkdtemp(join(tmpdir(), 'preconf-python-'))
    const follow = async (height: number): Promise<string[]> => {
      const args = [join(root, 'examples/follow-broker.py'), '--server', `127.0.0.1:${server.port}`, '--stream', place.stream, '--subject', place.subject, '--state', join(folder, 'state'), '--until', String(height)]
      const { stdout } = await promisify(execFile)('python3', args, { timeout: 60_000 })
      return (JSON.parse(stdout.trim().split('\n').at(-1)!) as { chain: string[] }).chain
    }
    try {
      await until(async () => (await running.figures()).height === 20n, 'it is there')
      expect(await follow(20)).to.deep.equal(node.hashes)
      await node.rewind(12n)
      await node.append(15, 1)
      expect(await follow(27)).to.deep.equal(node.hashes)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('a sample of the campaign: random histories', async () => {
    const lines: string[] = []
    const tally = await campaign.run({ seed: 1, options: { histories: 12, steps: 20 }, log: line => { lines.push(line) } })
    expect(tally.failures, lines.join('\n')).to.deep.equal([])
    expect(tally.passed).to.equal(12)
  })

  it('options that cannot be', async () => {
    const server = await serve()
    const node = await start(1)
    expect(() => natsSink({ servers: [] })).to.throw().that.includes({ code: 'bad_config' })
    expect(() => natsSink({ servers: server.url, replicas: 9 })).to.throw().that.includes({ code: 'bad_config' })
    expect(() => natsSink({ servers: server.url, inFlight: 0 })).to.throw().that.includes({ code: 'bad_config' })
    await says(node.sink(natsSink({ servers: server.url, credentials: join(tmpdir(), 'not-there.creds') })), 'bad_config')
  })
})
