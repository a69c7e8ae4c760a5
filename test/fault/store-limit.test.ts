import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { toHex } from '../../src/index.js'
import { StdioNode, describeProcesses } from '../cli/process.js'
import { ChainMaker, KEY, SIGNER, TIP, TestNet } from '../support/nodes.js'
import { until } from '../support/until.js'

const run = promisify(execFile)

/** What the file system of a process takes a file to be, bytes. */
const limitFiles = async (pid: number | undefined, bytes: number | 'unlimited') => run('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`])

describeProcesses('a node in a process whose files may not grow', () => {
  let net: TestNet
  beforeEach(() => { net = new TestNet('tcp') })
  afterEach(async () => { await net.stop() })

  it('H33 H20: says disk_full, relays, claims nothing; stores, and goes on with its streams, when the limit is lifted', async function () {
    if (!await run('prlimit', ['--version']).then(() => true, () => false)) {
      console.log('      skipped: no prlimit here to set and lift the limit with')
      return this.skip()
    }
    const [preconfer, far] = await Promise.all([net.start({ signing: { key: KEY, unprotected: true } }), net.start()])
    const peers = (await Promise.all([preconfer, far].map(async ({ service }) => service.listenAddresses()))).flatMap(([first]) => ['--peer', first!])
    const middle = await StdioNode.start(['--signer', toHex(SIGNER), '--confirmed-tip', String(TIP), '--data-dir', await net.folder(), ...peers])
    await Promise.all([preconfer.meshed(), far.meshed()])
    await middle.call('blocks', { from: String(TIP + 1n), withTxList: true })
    const chain = await ChainMaker.create()
    const relay = async (count: number) => {
      for (let block = 0; block < count; block++) {
        const { txList, commitment, hash } = chain.block({ txListBytes: 50_000 })
        await preconfer.service.publishTxList(txList)
        await preconfer.service.publishCommitment(commitment)
        await far.said('commitment', event => toHex(event.hash) === toHex(hash))
      }
    }
    const stored = () => middle.of('stored').length

    await relay(5)
    await until(() => stored() === 10, 'five blocks stored')
    await limitFiles(middle.program.child.pid, 200_000)
    await relay(5)
    await middle.event('storeFailing', ({ code }) => code === 'disk_full')
    const claims = stored()
    await relay(5)
    const status = await middle.call('status')
    expect(status['status']).to.equal('degraded')
    expect(JSON.stringify(status['ailments'])).to.contain('store_failing').and.to.contain('disk_full')
    expect(stored(), 'no false `stored`').to.equal(claims)

    await limitFiles(middle.program.child.pid, 'unlimited')
    await middle.event('storeRecovered')
    await until(() => middle.of('block').length === 15, 'fifteen blocks on the stream')
    expect(middle.of('block').map(({ blockNumber }) => blockNumber)).to.deep.equal(Array.from({ length: 15 }, (_, at) => String(TIP + 1n + BigInt(at))))
    expect(stored()).to.equal(30)
    expect(middle.wrong).to.deep.equal([])
    await middle.call('stop')
    expect(await middle.program.exits()).to.include({ code: 0 })
  })
})
