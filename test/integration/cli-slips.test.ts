import { createSocket } from 'node:dgram'
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { loadIdentity } from '../../src/actors/network/identity.js'
import { openLevel } from '../../src/actors/store/level.js'
import { putAside } from '../../src/actors/store/tables.js'
import { scheduleFromFile } from '../../src/index.js'
import { makeFolder } from '../../src/make-folder.js'
import { Program, describeProcesses } from '../cli/process.js'
import { until } from '../support/until.js'

const SIGNER = ['--signer', `0x${'11'.repeat(20)}`]
const ANY = '/ip4/127.0.0.1/tcp/0'
const LOCAL = [...SIGNER, '--no-discovery', '--listen', ANY]
const NO_ENR = 'enr:nonsense'

describe('H82 slips of files', () => {
  let folder: string
  beforeEach(async () => { folder = await mkdtemp(join(tmpdir(), 'slips-')) })
  afterEach(async () => { await rm(folder, { recursive: true, force: true }) })

  it('H82 a schedule with a byte order mark, other line ends, or from a Windows shell is read', async () => {
    const text = JSON.stringify([{ from: '0', signer: '11'.repeat(20) }]).replaceAll(',', ',\r\n')
    for (const bytes of [text, `\uFEFF${text}`, Buffer.from(`\uFEFF${text}`, 'utf16le'), Buffer.from(`\uFEFF${text}`, 'utf16le').swap16()]) {
      const path = join(folder, 'schedule.json')
      await writeFile(path, bytes)
      const answer = await (await scheduleFromFile(path))(12n, { signal: new AbortController().signal })
      expect(answer).to.deep.include({ signers: [new Uint8Array(20).fill(0x11)] })
    }
  })

  it('H82 where no folder can be made, whoever wants one is told so at once', async () => {
    const file = join(folder, 'file')
    await writeFile(file, '')
    for (const nowhere of [...process.platform === 'linux' ? ['/proc/nowhere'] : [], file, join(file, 'x')]) {
      const failure = async (work: Promise<unknown>): Promise<string> => work.then(() => 'done', (error: unknown) => String((error as { code?: unknown }).code))
      expect(await failure(makeFolder(join(nowhere, 'a', 'b'))), nowhere).to.match(/^(ENOENT|ENOTDIR)$/)
      expect(await failure(loadIdentity(join(nowhere, 'a', 'key'))), nowhere).to.equal('identity_unreadable')
      expect(await failure(openLevel({ dataDir: join(nowhere, 'a'), token: 'x' })), nowhere).to.equal('io')
      expect(await failure(putAside(join(nowhere, 'a'), [])), nowhere).to.match(/^(ENOENT|ENOTDIR)$/)
    }
    await makeFolder(join(folder, 'a', 'b', 'c'))
    await Promise.all([1, 2, 3].map(async () => makeFolder(join(folder, 'a', 'b', 'c', 'd', 'e'))))
    expect((await stat(join(folder, 'a/b/c/d/e'))).isDirectory()).to.equal(true)
  })
})

describeProcesses('H82 slips of configuration are one line', () => {
  let folder: string
  beforeEach(async () => { folder = await mkdtemp(join(tmpdir(), 'slips-')) })
  afterEach(async () => { await rm(folder, { recursive: true, force: true }) })

  interface Row { readonly args: readonly string[]; readonly env?: NodeJS.ProcessEnv; readonly code: number; readonly says: readonly string[] }

  /** Each is a process of its own: a few at a time. */
  async function eachIsOneLine(rows: readonly Row[]): Promise<void> {
    for (let at = 0; at < rows.length; at += 4) {
      await Promise.all(rows.slice(at, at + 4).map(async ({ args, env = {}, code, says }) => {
        const program = new Program(['run', '--log-level', 'silent', ...args], { env })
        expect(await program.exits(), program.tail).to.deep.equal({ code, signal: null })
        expect(program.stderr.trim().split('\n'), program.tail).to.have.length(1)
        for (const text of says) expect(program.stderr, args.join(' ')).to.contain(text)
      }))
    }
  }

  it('H82 empty values, folders that cannot be, keys and bootnodes', async () => {
    const file = join(folder, 'file')
    await writeFile(file, 'x')
    const config = join(folder, 'node.yaml')
    await writeFile(config, `\uFEFFlog.level: silent\nbootnode: ${NO_ENR}\n`)
    const nowhere = process.platform === 'linux' ? '/proc/nowhere/x' : join(file, 'x')
    await eachIsOneLine([
      { args: [...LOCAL, '--data-dir', ''], code: 2, says: ['--data-dir \'\'', 'the command line', 'Give a folder'] },
      { args: [...LOCAL, '--data-dir='], code: 2, says: ['--data-dir \'\'', 'the command line'] },
      { args: LOCAL, env: { PRECONF_DATA_DIR: '' }, code: 2, says: ['PRECONF_DATA_DIR \'\'', 'the environment'] },
      { args: [...LOCAL, '--data-dir', nowhere], code: 1, says: [`--data-dir ${nowhere}`, 'the command line', '--in-memory'] },
      { args: LOCAL, env: { PRECONF_DATA_DIR: join(file, 'x') }, code: 1, says: [`PRECONF_DATA_DIR ${file}/x`, 'there is a file in its way', 'the environment'] },
      { args: [...LOCAL, '--data-dir', file], code: 1, says: [`--data-dir ${file}`, 'there is a file in its place'] },
      { args: LOCAL, env: { XDG_DATA_HOME: nowhere, LOCALAPPDATA: nowhere }, code: 1, says: [`--data-dir ${nowhere}`, 'its default', '--in-memory'] },
      { args: [...LOCAL, '--in-memory', '--key-file', nowhere], code: 1, says: [`--key-file ${nowhere}`, 'the command line', 'identity_unreadable'] },
      { args: [...LOCAL, '--data-dir', folder, '--signing.key-file', join(folder, 'none')], code: 2, says: ['--signing.key-file', join(folder, 'none'), 'the command line'] },
      { args: [...SIGNER, '--in-memory', '--listen', ANY, '--bootnode', NO_ENR], code: 2, says: ['--bootnode enr:nonsense', 'the command line', 'bad_bootnode'] },
      { args: [...SIGNER, '--in-memory', '--listen', ANY, '--config', config], code: 2, says: ['bootnode enr:nonsense', `${config}:2`, 'bad_bootnode'] },
      { args: [...SIGNER, '--in-memory', '--p2p.listen', 'foo'], code: 2, says: ['--p2p.listen foo: not a multiaddr', 'the command line', 'Example: /ip4/'] },
      { args: ['--signer', '0x1', '--in-memory'], code: 2, says: ['--signer 0x1', 'the command line', 'address'] },
      { args: ['--nonsense'], code: 2, says: ['--nonsense', 'the command line'] },
      { args: ['--listen'], code: 2, says: ['--listen', 'the command line'] },
    ])
  })

  it('H82 a port in use is found before anything starts, whichever it is', async () => {
    const tcp = createServer().listen(0, '127.0.0.1')
    const udp = createSocket('udp4')
    const bound = new Promise(resolve => { udp.bind(0, '127.0.0.1', () => { resolve(undefined) }) })
    try {
      await until(() => tcp.listening, 'a port')
      await bound
      const [taken, takenUdp] = [(tcp.address() as AddressInfo).port, udp.address().port]
      const own = [...SIGNER, '--no-discovery', '--data-dir', join(folder, 'data')]
      await eachIsOneLine([
        { args: [...own, '--listen', `/ip4/127.0.0.1/tcp/${taken}`], code: 1, says: [`--listen /ip4/127.0.0.1/tcp/${taken}: the port is in use`, 'the command line', '--instance', 'listen_failed'] },
        { args: [...own, '--listen', ANY, '--http.port', String(taken)], code: 1, says: [`--http.port ${taken}: the port is in use`] },
        { args: [...SIGNER, '--in-memory', '--listen', ANY, '--udp-port', String(takenUdp)], code: 1, says: [`--udp-port ${takenUdp}: the port is in use`] },
        { args: own, env: { PRECONF_P2P_LISTEN: `${ANY},/ip4/127.0.0.1/tcp/${taken}` }, code: 1, says: [`PRECONF_P2P_LISTEN /ip4/127.0.0.1/tcp/${taken}`, 'the environment'] },
        { args: [...own, '--listen', '/ip4/192.0.2.1/tcp/9000'], code: 1, says: ['--listen /ip4/192.0.2.1/tcp/9000', 'this machine does not have the address'] },
      ])
      // nothing was begun there
      expect(await readdir(join(folder, 'data'))).to.deep.equal([])
    } finally {
      tcp.close()
      udp.close()
    }
  })

  it('without a data directory a node keeps what it learns in the platform\'s folder, where status finds it; and says at start who it is', async () => {
    await mkdir(join(folder, 'xdg'))
    const env = { XDG_DATA_HOME: join(folder, 'xdg'), LOCALAPPDATA: join(folder, 'xdg') }
    const dataDir = join(folder, 'xdg', 'preconfirmation-p2p', '167000')
    const started = async (): Promise<{ readonly program: Program; readonly start: Record<string, unknown> }> => {
      const program = new Program(['run', ...LOCAL], { env })
      const start = await until(() => program.stderr.split('\n').slice(0, -1).map(line => JSON.parse(line) as Record<string, unknown>).find(({ msg }) => msg === 'listening'), `listening ${program.tail}`)
      await until(() => program.stderr.includes('the socket is open'), 'the socket')
      return { program, start }
    }
    const { program, start } = await started()
    expect(start).to.deep.include({ dataDir, chainId: '167000', placeholderDomain: true, schedule: `always ${SIGNER[1]}`, level: 30 })
    expect(start['signatures']).to.be.a('string').and.not.equal('')
    expect(program.stderr).to.contain('the signing domain is the protocol\'s placeholder')
    const status = new Program(['status', '--json'], { env })
    expect(await status.exits()).to.have.property('code', 0)
    expect(JSON.parse(status.stdout.join(''))).to.have.nested.property('status.peerId', start['peerId'])
    program.signal('SIGTERM')
    expect(await program.exits()).to.deep.equal({ code: 0, signal: null })
    const again = await started()
    expect(again.start['peerId']).to.equal(start['peerId'])
    again.program.signal('SIGTERM')
    expect(await again.program.exits()).to.deep.equal({ code: 0, signal: null })
  })
})
