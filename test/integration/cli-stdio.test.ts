import { readFile } from 'node:fs/promises'
import { expect } from 'chai'
import { SignedCommitmentCodec, loadCrypto, signCommitment, signerFromKey, toHex } from '../../src/protocol/index.js'
import { documentedCommands } from '../cli/documented.js'
import { StdioNode, describeProcesses } from '../cli/process.js'
import type { Line } from '../cli/process.js'
import { ChainMaker, KEY, SIGNER, TIP } from '../support/nodes.js'
import { until } from '../support/until.js'

const STRANGER = signerFromKey('03'.repeat(32))
const common = ['--confirmed-tip', String(TIP), '--signer', toHex(SIGNER)]

interface Block { readonly ssz: string; readonly txlist: string; readonly hash: string; readonly txListHash: string }

const WINDOW_END = BigInt(Math.ceil(Date.now() / 1_000) + 3_000)

class Chain {
  private constructor(private readonly maker: ChainMaker) {}
  /** All in one window: a block of a later one would take the place of what is there (SPEC §7). */
  static async create(): Promise<Chain> { return new Chain(await ChainMaker.create(WINDOW_END)) }

  async next(options: { eop?: boolean; txListBytes?: number } = {}, signer = signerFromKey(KEY)): Promise<Block> {
    const { commitment, txList, hash, txListHash } = this.maker.block(options)
    const signed = await signCommitment(commitment, signer, { crypto: await loadCrypto() })
    return {
      ssz: toHex(SignedCommitmentCodec.encode(signed)),
      txlist: toHex(txList),
      hash: toHex(hash),
      txListHash: toHex(txListHash),
    }
  }
}

async function publish(node: StdioNode, { ssz, txlist }: Block): Promise<void> {
  await node.call('publishTxList', { txlist })
  await node.call('publishCommitment', { ssz })
}

async function meshed(node: StdioNode): Promise<void> {
  await until(async () => {
    const { peers } = await node.call('peers') as { peers: readonly { mesh: { commitments: boolean; txLists: boolean } }[] }
    return peers.some(({ mesh }) => mesh.commitments && mesh.txLists)
  }, `a mesh of ${node.program.tail}`)
}

async function stopped(node: StdioNode): Promise<void> {
  expect(await node.program.exits(), node.program.tail).to.deep.equal({ code: 0, signal: null })
  expect(node.events.at(-1), node.program.tail).to.have.property('event', 'stopped')
  expect(node.wrong, 'lines that are not as docs/stdio.md says').to.deep.equal([])
}

async function stoppedBy(node: StdioNode, signal: 'SIGINT' | 'SIGTERM'): Promise<void> {
  node.program.signal(signal)
  await stopped(node)
  expect(node.events.at(-1)).to.have.property('reason', 'signal')
  expect(node.program.stderr).to.contain(`stopped by ${signal}`)
}

describeProcesses('run --stdio', () => {
  it('two nodes speak every command and tell every event that this brings about, as docs/stdio.md has them', async () => {
    const said = new Set<string>()
    const tell = async (node: StdioNode, cmd: string, fields: Line = {}): Promise<Line> => {
      said.add(cmd)
      return node.call(cmd, fields)
    }
    const alice = await StdioNode.start(common)
    const bob = await StdioNode.start([...common, '--signer', toHex(STRANGER.address)])

    expect(await tell(bob, 'dial', { addr: alice.address })).to.deep.equal({ peer: alice.peerId })
    for (const [node, other] of [[alice, bob], [bob, alice]] as const) {
      await node.event('peerConnected', ({ peer }) => peer === other.peerId)
      await node.event('peerReady', ({ peer }) => peer === other.peerId)
    }
    await meshed(alice)

    const chain = await Chain.create()
    const [first, last] = [await chain.next({ txListBytes: 5_000 }), await chain.next({ eop: true })]
    expect(await tell(alice, 'publishTxList', { txlist: first.txlist })).to.deep.include({
      hash: first.txListHash,
      recipients: '1',
    })
    expect(await tell(alice, 'publishCommitment', { ssz: `0x${first.ssz.toUpperCase()}` })).to.deep.equal({
      hash: first.hash,
      recipients: '1',
      stored: true,
      known: false,
    })
    await publish(alice, last)

    expect(await alice.event('commitment')).to.deep.include({
      ssz: first.ssz,
      from: null,
      blockNumber: '1000',
      signer: toHex(SIGNER),
      hash: first.hash,
    })
    // the other one may be judged before it, by another thread
    expect(await bob.event('commitment', ({ blockNumber }) => blockNumber === '1000')).to.deep.include({ ssz: first.ssz, from: alice.peerId })
    expect(await bob.event('txlist')).to.deep.include({ hash: first.txListHash, bytes: '5000', from: alice.peerId })
    expect(await bob.event('handover')).to.deep.include({ blockNumber: '1001', withBlock: true, hash: last.hash })
    expect(await bob.event('head', ({ blockNumber }) => blockNumber === '1001')).to.have.property('hash', last.hash)
    for (const kind of ['commitment', 'txList']) await bob.event('stored', line => line['kind'] === kind)
    for (const topic of ['commitments', 'txLists']) await alice.event('published', line => line['topic'] === topic)

    // A commitment that only bob's schedule allows.
    await bob.call('publishCommitment', { ssz: (await (await Chain.create()).next({}, STRANGER)).ssz })
    expect(await alice.event('rejected')).to.deep.include({
      topic: 'commitments',
      from: bob.peerId,
      reason: 'not_elected',
      verdict: 'ignore',
    })

    expect(await tell(bob, 'requestHead')).to.deep.include({ peer: alice.peerId, blockNumber: '1001' })
    expect(await tell(bob, 'requestCommitments', { start: '1000', max: 256, peer: alice.peerId })).to.deep.equal({
      peer: alice.peerId,
      commitments: [first.ssz, last.ssz],
    })
    expect(await tell(bob, 'requestTxList', { hash: first.txListHash })).to.deep.equal({
      peer: alice.peerId,
      txlist: first.txlist,
    })
    await alice.event('served', ({ kind }) => kind === 'txList')
    expect(await tell(bob, 'stored', { start: '1000', max: '1' })).to.deep.equal({ commitments: [first.ssz] })
    expect(await tell(bob, 'storedTxList', { hash: last.txListHash })).to.deep.equal({ txlist: last.txlist })
    expect(await tell(bob, 'storedTxList', { hash: '00'.repeat(32) })).to.deep.equal({ txlist: null })
    expect(await tell(bob, 'head')).to.deep.include({ blockNumber: '1001' })
    await tell(bob, 'updateHead', { blockNumber: '2000', submissionWindowEnd: '5' })
    // By name: after what bob has published, alice would not choose it.
    await until(async () => (await alice.call('requestHead', { peer: bob.peerId }))['blockNumber'] === '2000', 'the head that bob claims')
    await tell(bob, 'updateHead')

    const { stream } = await tell(bob, 'blocks', { from: '1000', withTxList: true, credit: 1 })
    expect(await bob.event('block')).to.deep.include({ stream, blockNumber: '1000', txlist: first.txlist })
    await tell(bob, 'moreBlocks', { stream, credit: '1' })
    const { cursor } = await bob.event('block', ({ blockNumber }) => blockNumber === '1001')
    expect(cursor).to.match(new RegExp(`^1001:${last.hash}:0:[0-9a-f]{16}$`))
    await tell(bob, 'endBlocks', { stream })
    await tell(bob, 'rewind', { to: '1000' })
    expect(await bob.event('rewind')).to.deep.include({ to: '1000', reason: 'application' })
    await tell(bob, 'reinstate', { hash: last.hash })
    await until(async () => (await bob.call('head'))['blockNumber'] === '1001', 'the block that was demoted')
    expect(await tell(bob, 'sync')).to.deep.include({ outcome: 'caught_up', code: null })
    expect(await tell(bob, 'evidence')).to.deep.equal({ evidence: [] })
    await tell(bob, 'confirm', { blockNumber: '1000', hash: first.hash })
    expect(await bob.refusal('rewind', { to: '999' })).to.have.property('code', 'below_confirmed_tip')

    expect(await tell(alice, 'status')).to.deep.include({
      status: 'ok',
      ailments: [],
      peers: '1',
      peerId: alice.peerId,
      durable: false,
    })
    expect(await tell(alice, 'peers')).to.have.nested.property('peers[0].peer', bob.peerId)
    expect(await tell(alice, 'standing', { peer: bob.peerId })).to.have.nested.property('standing.peer', bob.peerId)
    expect(await tell(alice, 'health')).to.have.nested.property('parts.store.ready', true)
    expect(await tell(alice, 'signing')).to.deep.include({ signer: null, ownEquivocation: false })
    expect(await tell(alice, 'schedule')).to.deep.include({ windows: null })
    expect(await tell(alice, 'actors')).to.have.nested.property('tree.name')
    expect(await tell(alice, 'figures')).to.have.nested.property('network.gossip.published.commitments', 2)
    await tell(alice, 'hangUp', { peer: bob.peerId })
    await alice.event('peerDisconnected', ({ peer }) => peer === bob.peerId)

    const { enr } = await tell(bob, 'enr')
    await tell(alice, 'addBootnode', { bootnode: enr })
    await alice.event('discovered', ({ peer }) => peer === bob.peerId)
    expect(await tell(alice, 'ban', { peer: bob.peerId, forMs: '60000' })).to.have.nested.property('ban.reason', 'operator')
    expect(await alice.event('banned')).to.deep.include({ peer: bob.peerId, forMs: 60_000 })
    expect(await tell(alice, 'bans')).to.have.nested.property('bans[0].peer', bob.peerId)
    expect(await tell(alice, 'standings')).to.have.nested.property('standings[0].ban.peer', bob.peerId)
    expect(await tell(alice, 'liftBan', { peer: bob.peerId })).to.deep.equal({ found: true })
    expect(await alice.event('banLifted')).to.deep.include({ peer: bob.peerId, why: 'lifted' })
    for (const [on, off, field, value] of [['block', 'unblock', 'rule', '10.0.0.0/8'], ['protect', 'unprotect', 'peer', bob.peerId]] as const) {
      await tell(alice, on, { [field]: value })
      expect(JSON.stringify(await tell(alice, 'lists'))).to.contain(value)
      expect(await tell(alice, off, { [field]: value })).to.deep.equal({ found: true })
      expect(await alice.call('lists')).to.deep.equal({ blocked: [], protected: [], allowed: [] })
    }
    await tell(alice, 'stop')
    await stopped(alice)
    expect(alice.events.at(-1)).to.have.property('reason', 'stop')
    bob.end()
    await stopped(bob)
    expect(bob.events.at(-1)).to.have.property('reason', 'end_of_input')
    expect([...said].sort()).to.deep.equal([...documentedCommands].sort())
  })

  it('H28: arguments that cannot be are typed errors at once; SIGINT stops it cleanly', async () => {
    const node = await StdioNode.start(common)
    const hash = '11'.repeat(32)
    const cases: [string, Line, string][] = [
      ['requestCommitments', { start: '5', max: '300' }, 'max_count_exceeded'],
      ['requestCommitments', { start: '5', max: 0 }, 'empty_range'],
      ['requestCommitments', { start: '-5', max: 1 }, 'bad_field'],
      ['requestCommitments', { start: '5' }, 'missing_field'],
      ['requestCommitments', { start: '9'.repeat(78), max: 1 }, 'bad_argument'],
      ['requestTxList', { hash: '11' }, 'bad_argument'],
      ['requestTxList', { hash }, 'no_peer'],
      ['requestTxList', { hash, peer: 5 }, 'bad_field'],
      ['requestHead', {}, 'no_peer'],
      ['requestHead', { peer: 'nobody' }, 'not_connected'],
      ['publishCommitment', { ssz: '00' }, 'bad_message'],
      ['publishCommitment', {}, 'missing_field'],
      ['publishCommitment', { ssz: '00'.repeat(382), late: 1 }, 'bad_field'],
      ['publishCommitment', { ssz: '00'.repeat(382) }, 'window_over'],
      ['publishTxList', { txlist: '' }, 'bad_message'],
      ['dial', { addr: 'nowhere' }, 'bad_address'],
      ['dial', { addr: '/ip4/127.0.0.1/tcp/1' }, 'peer_id_missing'],
      ['stored', { start: '1', max: '257' }, 'max_count_exceeded'],
      ['blocks', { from: '-1' }, 'bad_field'],
      ['rewind', { to: '1' }, 'below_confirmed_tip'],
      ['confirm', { blockNumber: '1' }, 'tip_below_present'],
      ['block', { rule: '10.0.0.0/99' }, 'bad_rule'],
      ['ban', { peer: 'nobody' }, 'bad_peer'],
      ['addBootnode', { bootnode: 'enr:nonsense' }, 'bad_bootnode'],
      ['nonsense', {}, 'unknown_command'],
    ]
    for (const [cmd, fields, code] of cases)
      expect((await node.refusal(cmd, fields))['code'], `${cmd} ${JSON.stringify(fields).slice(0, 80)}`).to.equal(code)
    await stoppedBy(node, 'SIGINT')
  })

  it('bad lines of every kind each get an error, and nothing breaks; SIGTERM stops it cleanly', async () => {
    const node = await StdioNode.start(common)
    const garbage = Buffer.from(Array.from({ length: 4_096 }, (_, at) => (at * 131) % 256).filter(byte => byte !== 10))
    const bad: [string | Buffer, string][] = [
      ['nonsense', 'bad_json'],
      ['', 'bad_json'],
      [garbage, 'bad_json'],
      ['{"cmd":"head"', 'bad_json'],
      ['[]', 'bad_command'],
      ['{}', 'bad_command'],
      ['{"cmd":{"a":1}}', 'bad_command'],
      ['{"cmd":"nonsense"}', 'unknown_command'],
      ['{"cmd":"dial"}', 'missing_field'],
      ['{"cmd":"dial","addr":5}', 'bad_field'],
      ['x'.repeat(5 * 1_024 ** 2), 'line_too_long'],
      [`{"cmd":"dial","id":${'['.repeat(1e5)}${']'.repeat(1e5)}}`, 'bad_command'],
    ]
    for (const [line] of bad) {
      node.write(line)
      node.write('\n')
    }
    await node.call('head')
    await until(() => node.answers.length === bad.length + 1, 'an answer to each')
    expect(node.answers.filter(({ id }) => id === null).map(({ error }) => (error as Line)['code'])).to.deep.equal(
      bad.map(([, code]) => code),
    )
    expect(await node.call('status')).to.have.property('durable', false)
    await stoppedBy(node, 'SIGTERM')
  })

  it('what is sent before ready is answered, all of it, when the input ends at once', async () => {
    const node = new StdioNode([...common, '--log-level', 'error'])
    const chain = await Chain.create()
    const ids: string[] = []
    for (let block = 0; block < 30; block++) {
      const { ssz, txlist } = await chain.next()
      ids.push(node.send('publishTxList', { txlist }), node.send('publishCommitment', { ssz }), node.send('status'))
    }
    node.end()
    await stopped(node)
    expect(node.events[0]).to.have.property('event', 'ready')
    const answers = ids.map(id => node.answers.find(answer => answer['id'] === id))
    expect(answers.filter(answer => answer?.['result'] === undefined)).to.deep.equal([])
    expect(node.of('stored')).to.have.length(60)
    expect(node.program.stderr).to.equal('')
  })

  it('H32: a second signal ends it at once, whatever the first one waits for', async () => {
    const [node, peer] = await Promise.all([StdioNode.start(common), StdioNode.start(common)])
    await node.call('dial', { addr: peer.address })
    await node.event('peerReady')
    peer.program.signal('SIGSTOP')
    node.send('requestHead')
    node.program.signal('SIGTERM')
    await until(() => node.program.stderr.includes('stopped by SIGTERM'), 'the first signal')
    node.program.signal('SIGTERM')
    expect(await node.program.exits()).to.deep.equal({ code: 143, signal: null })
    // The first one would have ended by saying so.
    expect(node.of('stopped')).to.have.length(0)
  })

  it('a log that nobody can read does not disturb it; it ends when nobody can read its lines', async () => {
    const node = new StdioNode([...common, '--log-level', 'trace'])
    node.program.child.stderr!.destroy()
    await node.event('ready')
    for (let call = 0; call < 20; call++) await node.call('status')
    node.program.child.stdout!.destroy()
    node.write('{"cmd":"head"}\n{"cmd":"head"}\n')
    expect(await node.program.exits()).to.deep.equal({ code: 0, signal: null })
  })

  it('a reader that does not read holds up its own lines and nothing else, and memory stays bounded', async () => {
    const bob = new StdioNode([...common, '--log-level', 'warn'], { read: false })
    const alice = await StdioNode.start([...common, '--log-level', 'warn'])
    const pid = bob.program.child.pid!
    bob.send('dial', { addr: alice.address })
    await alice.event('peerReady')
    await meshed(alice)
    const resident = async (): Promise<number> =>
      Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024
    const before = process.platform === 'linux' ? await resident() : 0

    const asked = Array.from({ length: 3_000 }, () => bob.send('figures'))
    const chain = await Chain.create()
    for (let block = 0; block < 40; block++) await publish(alice, await chain.next({ txListBytes: 50_000 }))
    await until(
      async () => (await alice.call('requestHead', { peer: bob.peerIdOf(alice) }))['blockNumber'] === '1039',
      "bob's head, as it serves it",
    )
    if (process.platform === 'linux') expect(await resident() - before, 'MiB more').to.be.below(150)
    expect(bob.answers).to.have.length(0)

    bob.readNow()
    // In steps: each of them shows that it goes on, and how fast is the machine's affair.
    for (const id of asked.filter((_, at) => at % 100 === 99)) await bob.answer(id)
    expect(bob.answers.filter(({ id }) => String(id).startsWith('figures'))).to.have.length(3_000)
    await bob.event('head', ({ blockNumber }) => blockNumber === '1039')
    bob.end()
    expect(await bob.program.exits()).to.deep.equal({ code: 0, signal: null })
    expect(bob.wrong).to.deep.equal([])
  })
})
