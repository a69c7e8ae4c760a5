import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import type { Hex, Variant } from '../../src/actors/schedule/facts.js'
import { DevL1, rootNamed } from './chain/dev-l1.js'
import { STAND_IN_CODE } from './chain/stand-in.js'
import { P2pService, scheduleFromL1, signerFromKey } from '../../src/index.js'
import { address, operator, slot } from '../schedule/fake-l1.js'
import { until } from '../support/until.js'
import { EPOCH, follow, presentEpoch } from './room.js'

const named = (time: number, name: string) => ({ ...slot(time, name), root: rootNamed(name) })
const run = promisify(execFile)

/** A chain of four epochs up to the present one, with three operators. */
async function chain(variant: Variant, options: { readonly slots?: readonly [number, string][]; readonly until?: number } = {}): Promise<{ l1: DevL1; epoch: number }> {
  const epoch = presentEpoch()
  const l1 = await DevL1.start({ variant, time: epoch - 4 * EPOCH, genesis: epoch % EPOCH })
  for (const name of ['one', 'two', 'three']) await l1.add(operator(name).proposer, operator(name).sequencer, 384)
  await l1.mineTo(epoch - 24)
  if (variant === 'whitelist') { await l1.mineTo(epoch); return { l1, epoch } }
  // in the packed generation a post is for the epoch after that of its block
  await l1.post(epoch, (options.slots ?? [[120, 'alice'], [240, 'bob']]).map(([at, name]) => named(epoch + at, name)))
  await l1.mineTo(epoch + 12)
  return { l1, epoch }
}

/** An endpoint before another one that changes some answers. */
async function proxy(to: string, change: (method: string, result: unknown) => unknown): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => { chunks.push(chunk) })
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      void (async () => {
        const answer = await (await fetch(to, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).json() as { result: unknown }
        const { method } = JSON.parse(body) as { method: string }
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ ...answer, result: change(method, answer.result) }))
      })()
    })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: async () => { server.closeAllConnections(); await new Promise(resolve => { server.close(resolve) }) },
  }
}

describe('the schedule from a real L1', () => {
  const ends: (() => Promise<void>)[] = []
  afterEach(async () => { for (const end of ends.splice(0).reverse()) await end() })
  const begin = async (...args: Parameters<typeof chain>) => {
    const made = await chain(...args)
    ends.push(() => made.l1.stop())
    return made
  }
  const followed = async (...args: Parameters<typeof follow>) => {
    const room = await follow(...args)
    ends.push(() => room.stop())
    await room.reached()
    return room
  }

  it('the stand-in\'s code is what its source compiles to', async () => {
    const { compileStandIn } = await import(new URL('../../../scripts/build-stand-in.js', import.meta.url).href) as { readonly compileStandIn: () => string }
    expect(compileStandIn()).equal(STAND_IN_CODE)
  })

  for (const variant of ['lookahead', 'packed-lookahead'] as const) {
    it(`${variant}: posted, struck off, taken back by a reorg`, async () => {
      const { l1, epoch } = await begin(variant)
      const room = await followed(l1)
      expect((await room.figures()).variant).equal(variant)
      expect(await room.answer(epoch + 120)).includes(address('alice'))
      expect(await room.answer(epoch + 132)).equal('not_slot_end')
      expect(await room.answer(epoch + EPOCH - 12)).deep.equal([await l1.elected()])

      await l1.blacklist(rootNamed('bob'))
      await l1.mineTo(epoch + 24)
      await room.reached()
      expect(await room.answer(epoch + 240)).deep.equal([await l1.elected()])

      await l1.reorg(1)
      await room.reached()
      expect(await room.answer(epoch + 240)).includes(address('bob'))
      expect((await room.figures()).reorgs).equal(1)
    })
  }

  it('whitelist: an operator removed in mid-epoch, by the contract\'s own word', async () => {
    const { l1, epoch } = await begin('whitelist')
    const room = await followed(l1)
    const before = await l1.elected()
    expect(await room.answer(epoch + EPOCH - 12)).deep.equal([before])
    await l1.remove(before)
    await l1.mineTo(epoch + 12)
    await room.reached()
    const after = await l1.elected()
    expect(after).not.equal(before)
    expect(await room.answer(epoch + EPOCH - 12)).deep.equal([before, after])
    expect((await room.figures()).mismatches).equal(0)
  })

  it('a reorg drops a posted lookahead, and another one takes its place', async () => {
    const { l1, epoch } = await begin('lookahead')
    const room = await followed(l1)
    const next = epoch + EPOCH
    await l1.post(next, [named(next + 60, 'mallory')])
    await l1.mineTo(epoch + 24)
    await room.reached()
    expect(await room.answer(next + 60)).deep.equal([address('mallory')])
    await l1.reorg(1)
    await room.reached()
    expect(await room.answer(next + 60)).equal('unknown')
    await l1.post(next, [named(next + 96, 'alice')])
    await l1.mineTo((await l1.head()).time + 12)
    await room.reached()
    expect(await room.answer(next + 96)).deep.equal([address('alice')])
    expect(await room.answer(next + 60)).equal('not_slot_end')
  })

  it('decided within a second of the block, by polling and by a subscription alone', async () => {
    for (const options of [{}, { rpcs: true, pollEvery: 60_000, pollSoon: 60_000 }] as const) {
      const { l1, epoch } = await begin('lookahead')
      const { rpcs, ...rest } = { rpcs: false, ...options }
      const room = await followed(l1, { ...rest, ...rpcs && { rpc: [l1.url, l1.wsUrl] } })
      const next = epoch + EPOCH
      // the subscription is made in its own time: once blocks are seen, it is there
      if (rpcs) {
        let time = epoch + 12
        await until(async () => {
          await l1.mineTo(time += 12)
          return room.resolver.view.last!.record.head.time > epoch + 12
        }, 'a block is announced', 60_000, 300)
        await room.reached()
      }
      await l1.post(next, [named(next + 60, 'alice')])
      const changed = new Promise<number>(resolve => { room.resolver.subscribe?.(() => { resolve(performance.now()) }, { signal: new AbortController().signal }) })
      const mined = performance.now()
      await l1.mineTo((await l1.head()).time + 12)
      expect(await changed - mined).lessThan(1_000)
      expect(await room.answer(next + 60)).deep.equal([address('alice')])
    }
  })

  it('one endpoint of three that forges what it says elects nobody', async () => {
    const { l1, epoch } = await begin('lookahead')
    const lies = await proxy(l1.url, (method, result) => method === 'eth_getLogs' ? [] : method === 'eth_call' ? `0x${'00'.repeat(64)}` : result)
    const [second, third] = [await proxy(l1.url, (_method, result) => result), await proxy(l1.url, (_method, result) => result)]
    ends.push(() => lies.close(), () => second.close(), () => third.close())
    const room = await followed(l1, { rpc: [lies.url, second.url, third.url] })
    expect(await room.answer(epoch + 120)).deep.equal([address('alice')])
    expect((await room.figures()).endpoints[0]!.outvoted).greaterThan(0)
  })

  it('an answer over 4 MiB is refused, and another endpoint asked', async () => {
    const { l1, epoch } = await begin('lookahead')
    const huge = await proxy(l1.url, (method, result) => method === 'eth_chainId' ? 'x'.repeat(5 * 1_048_576) : result)
    ends.push(() => huge.close())
    const room = await followed(l1, { rpc: [huge.url, l1.url] })
    expect(await room.answer(epoch + 120)).deep.equal([address('alice')])
    expect((await room.figures()).endpoints[0]!.failures).greaterThan(0)
  })

  it('L1 that has gone is asked again until it is there', async () => {
    const { l1, epoch } = await begin('lookahead')
    let gone = true
    const flaky = await proxy(l1.url, (_method, result) => gone ? undefined : result)
    ends.push(() => flaky.close())
    const room = await follow(l1, { rpc: flaky.url })
    ends.push(() => room.stop())
    await until(async () => (await room.figures()).failing !== undefined, 'L1 is missed')
    expect(await room.answer(epoch + 120)).equal('unknown')
    gone = false
    await room.reached()
    expect(await room.answer(epoch + 120)).deep.equal([address('alice')])
  })

  it('a node follows L1: the operator of a slot is accepted', async () => {
    const alice = signerFromKey('a1'.repeat(32))
    const hex: Hex = `0x${Buffer.from(alice.address).toString('hex')}`
    const { l1, epoch } = await begin('lookahead')
    const next = epoch + EPOCH
    await l1.post(next, [{ time: next + EPOCH - 12, committer: hex, root: rootNamed('alice') }])
    await l1.mineTo(epoch + 24)
    const schedule = () => scheduleFromL1({ rpc: l1.url, inbox: l1.inbox, genesis: l1.genesis, pollEvery: 200, pollSoon: 200, staleAfter: 3_600_000 })
    const common = { listen: '/ip4/127.0.0.1/tcp/0', confirmedTip: { blockNumber: 999n }, discovery: false }
    const preconfer = await P2pService.start({ ...common, schedule: schedule(), signing: { key: 'a1'.repeat(32) } })
    ends.push(() => preconfer.stop())
    const follower = await P2pService.start({ ...common, schedule: schedule(), staticPeers: await preconfer.listenAddresses() })
    ends.push(() => follower.stop())
    for await (const event of preconfer.events) if (event.type === 'peerReady') break
    for (const node of [preconfer, follower]) await until(async () => (await node.figures()).schedule?.head !== undefined, 'L1 is followed')
    const { hash } = await preconfer.publishTxList(new Uint8Array(100).fill(7))
    const unsigned = {
      preconf: {
        eop: false, blockNumber: 1_000n, timestamp: BigInt(next), gasLimit: 1n, coinbase: new Uint8Array(20), anchorBlockNumber: 1n, rawTxListHash: hash,
        parentPreconfirmationHash: new Uint8Array(32), submissionWindowEnd: BigInt(next + EPOCH - 12), proverAuth: new Uint8Array(20), proposalId: 1n,
      },
      slasherAddress: new Uint8Array(20),
    }
    await preconfer.publishCommitment(unsigned)
    for await (const event of follower.events) if (event.type === 'commitment') break
    expect((await follower.health()).ailments.map(({ code }) => code)).not.includes('schedule_unread')
  })

  it('the command line tells an epoch\'s windows, as a table and as JSON', async () => {
    const { l1, epoch } = await begin('lookahead')
    const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))
    const { stdout } = await run(process.execPath, [main, 'schedule', '--l1.rpc', l1.url, '--l1.inbox', l1.inbox, '--l1.genesis', String(l1.genesis), '--json'])
    const told = JSON.parse(stdout) as { variant: string; epochStart: number; windows: { from: number; to: number; as: string; signers: string[] }[] }
    expect(told).include({ variant: 'lookahead', epochStart: epoch })
    expect(told.windows.map(({ from, to, as }) => [from - epoch, to - epoch, as])).deep.equal([[0, 120, 'lookahead'], [132, 240, 'lookahead'], [252, EPOCH - 12, 'fallback']])
    const table = await run(process.execPath, [main, 'schedule', '--l1.rpc', l1.url, '--l1.inbox', l1.inbox, '--l1.genesis', String(l1.genesis), '--epoch', String((epoch - l1.genesis) / EPOCH - 2)])
    expect(table.stdout).match(/^epoch \d+, from/).and.includes('fallback')
    const failed = await run(process.execPath, [main, 'schedule', '--l1.rpc', 'http://127.0.0.1:1/', '--l1.inbox', l1.inbox, '--within', '2']).catch((error: unknown) => error as { code: number; stderr: string })
    expect(failed).include({ code: 1 })
    expect((failed as { stderr: string }).stderr).includes('L1 could not be read')
  })
})
