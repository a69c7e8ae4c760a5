import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Program, StdioNode, describeProcesses } from '../cli/process.js'
import type { Exit } from '../cli/process.js'
import { until } from '../support/until.js'

const ADDRESS = `0x${'11'.repeat(20)}`
const LOOPBACK = ['--in-memory', '--listen', '/ip4/127.0.0.1/tcp/0']

async function said(args: readonly string[]): Promise<Exit & { readonly stdout: string; readonly stderr: string }> {
  const program = new Program(args)
  const exit = await program.exits()
  return { ...exit, stdout: program.stdout.join('\n'), stderr: program.stderr }
}

describe('the command line', function () {

  it('--help and --version tell the truth', async () => {
    const { version } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8')) as {
      version: string
    }
    const [of, whole, run, devnet] = await Promise.all([
      said(['--version']),
      said(['--help']),
      said(['run', '--help']),
      said(['devnet', '--help']),
    ])
    expect(of).to.deep.include({ code: 0, stdout: version, stderr: '' })
    for (const { code, stderr } of [whole, run, devnet]) expect([code, stderr]).to.deep.equal([0, ''])
    for (const command of ['run', 'devnet']) expect(whole.stdout).to.contain(`${command} [options]`)
    for (const option of ['--listen', '--chain-id', '--peer', '--data-dir', '--key-file', '--schedule', '--signer', '--stdio', '--no-discovery',
      '--udp-port', '--bootnode', '--external-ip', '--scoring', '--reputation', '--gater', '--gater-off', '--allow-peer', '--block', '--protect'])
      expect(run.stdout).to.contain(option)
    expect(run.stdout).to.match(/--chain-id <number>\s+chain id \(default: 167000\)/)
    for (const option of ['--blocks-per-second', '--blocks', '--json']) expect(devnet.stdout).to.contain(option)
    for (const line of [whole, run, devnet].flatMap(({ stdout }) => stdout.split('\n')))
      expect(line.length, line).to.be.at.most(80)
  })

  it('run without a schedule names both ways to give one', async () => {
    const { code, stdout, stderr } = await said(['run'])
    expect([code, stdout]).to.deep.equal([2, ''])
    expect(stderr).to.contain('--schedule FILE').and.contain('--signer ADDRESS')
  })

  it('wrong options: one line that says which, and exit code 2', async () => {
    const signer = ['--signer', ADDRESS]
    const cases: [string[], string][] = [
      [[], 'Usage:'],
      [['nonsense'], 'nonsense'],
      [['run', '--nonsense'], '--nonsense'],
      [['run', ...signer, '--schedule', 'x'], 'not several'],
      [['run', '--signer', '0x12'], '0x12'],
      [['run', '--schedule', '/nonexistent/schedule.json'], '/nonexistent/schedule.json'],
      [['run', ...signer, '--chain-id', 'x'], '--chain-id'],
      [['run', ...signer, '--confirmed-tip', '-1'], '--confirmed-tip'],
      [['run', ...signer, '--log-level', 'loud'], 'loud'],
      [['run', ...signer, '--domain', 'abcd'], 'domain'],
      [['run', ...signer, '--slasher', '0x1'], '0x1'],
      [['run', ...signer, '--listen', 'nowhere'], 'nowhere'],
      [['run', ...signer, ...LOOPBACK, '--peer', '/ip4/127.0.0.1/tcp/1'], '/ip4/127.0.0.1/tcp/1'],
      [['run', ...signer, ...LOOPBACK, '--block', '10.0.0.0/99'], '10.0.0.0/99'],
      [['run', ...signer, ...LOOPBACK, '--allow-peer', 'somebody'], 'somebody'],
      [['run', ...signer, '--scoring', 'harsh'], 'spec, kona'],
      [['run', ...signer, '--reputation', 'vague'], 'local, reth'],
      [['run', ...signer, '--gater-off', 'everything'], 'redialLimit'],
      [['run', ...signer, '--gater', 'open', '--block', '10.0.0.0/8'], '"lists"'],
      [['run', ...signer, '--gater-off', 'lists', '--allow-peer', 'somebody'], '"lists"'],
      [['run', ...signer, '--no-discovery', '--bootnode', 'enr:x'], '--no-discovery'],
      [['run', ...signer, ...LOOPBACK, '--bootnode', 'enr:nonsense'], 'bad_bootnode'],
      [['run', ...signer, '--udp-port', '70000'], '65535'],
      [['run', ...signer, ...LOOPBACK, '--external-ip', 'here'], 'here'],
      [['devnet', '--blocks', '1'], '8 to 2000'],
      [['devnet', '--blocks', '8.5'], '8 to 2000'],
      [['devnet', '--blocks-per-second', 'fast'], '0.1 to 50'],
    ]
    // A few at a time: each is a process of its own.
    for (let at = 0; at < cases.length; at += 4) {
      await Promise.all(cases.slice(at, at + 4).map(async ([args, text]) => {
        const { code, stdout, stderr } = await said(args)
        expect([code, stdout], args.join(' ')).to.deep.equal([2, ''])
        expect(stderr, args.join(' ')).to.contain(text).and.not.contain('    at ')
      }))
    }
  })
})

describeProcesses('run', () => {
  let folder: string
  beforeEach(async () => { folder = await mkdtemp(join(tmpdir(), 'cli-run-')) })
  afterEach(async () => { await rm(folder, { recursive: true, force: true }) })
  const arguments_ = (...more: string[]): string[] => ['--signer', ADDRESS, ...more]

  it('without --stdio it logs, leaves standard input and output alone, and stops at a signal', async () => {
    const program = new Program(['run', ...LOOPBACK, ...arguments_()])
    program.child.stdin!.end('nonsense\n')
    await until(() => program.stderr.includes('listening'), 'listening')
    program.signal('SIGTERM')
    expect(await program.exits()).to.deep.equal({ code: 0, signal: null })
    expect(program.stdout).to.deep.equal([])
    for (const line of program.stderr.trim().split('\n')) expect(JSON.parse(line), line).to.have.property('msg')
  })

  it('the identity is created for its owner only; a damaged one is an error and stays as it is', async () => {
    const keyFile = join(folder, 'below', 'node.key')
    const first = await StdioNode.start(arguments_('--key-file', keyFile))
    first.end()
    expect(await first.program.exits()).to.have.property('code', 0)
    expect((await stat(keyFile)).mode & 0o777).to.equal(0o600)
    await writeFile(keyFile, 'not a key')
    const { code, stdout, stderr } = await said(['run', '--stdio', ...LOOPBACK, ...arguments_('--key-file', keyFile)])
    expect([code, stdout]).to.deep.equal([1, ''])
    expect(stderr).to.contain('identity_damaged').and.contain(keyFile)
    expect(await readFile(keyFile, 'utf8')).to.equal('not a key')
  })

  it('a data directory, or an address, that another process holds is an error; the holder is named, and goes on', async () => {
    const holder = await StdioNode.start(arguments_('--data-dir', folder))
    const { code, stderr } = await said(['run', '--listen', '/ip4/127.0.0.1/tcp/0', ...arguments_('--data-dir', folder)])
    expect(code).to.equal(1)
    expect(stderr).to.contain('locked').and.contain(String(holder.program.child.pid))
    const taken = holder.address.replace(/\/p2p\/.*/, '')
    const other = await said(['run', '--in-memory', ...arguments_('--listen', taken)])
    expect(other.code).to.equal(1)
    expect(other.stderr).to.contain('listen_failed').and.contain(taken)
    expect(await holder.call('status')).to.have.property('durable', true)
    expect((await stat(join(folder, 'identity.key'))).mode & 0o777).to.equal(0o600)
    holder.end()
    expect(await holder.program.exits()).to.have.property('code', 0)
  })
})
