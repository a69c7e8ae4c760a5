import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { Program, describeProcesses, ran } from '../cli/process.js'
import { until } from '../support/until.js'

const SIGNER = `0x${'11'.repeat(20)}`
const PEER = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
const schedule = (signer: string): string => JSON.stringify([{ from: '0', signer }])

/** A running node's log, as objects. */
const logged = (program: Program): readonly Record<string, unknown>[] => program.stderr.split('\n').filter(line => line.startsWith('{') && line.endsWith('}')).map(line => JSON.parse(line) as Record<string, unknown>)

describeProcesses('a running node, asked by its operator', () => {
  let folder: string
  beforeEach(async () => { folder = await mkdtemp(join(tmpdir(), 'operate-')) })
  afterEach(async () => { await rm(folder, { recursive: true, force: true }) })

  it('status, peers, blocks, bans, health and metrics; a schedule that breaks is a reason, and SIGHUP reads it again; one signal stops it', async () => {
    const [dataDir, scheduleFile, tokenFile] = ['data', 'schedule.json', 'token'].map(name => join(folder, name)) as [string, string, string]
    await writeFile(scheduleFile, schedule(SIGNER))
    const program = new Program(['run', '--listen', '/ip4/127.0.0.1/tcp/0', '--no-discovery', '--data-dir', dataDir, '--schedule', scheduleFile,
      '--http.port', '0', '--metrics', '--http.token-file', tokenFile])
    const said = async (text: string): Promise<Record<string, unknown>> => until(() => logged(program).find(({ msg }) => String(msg).includes(text)), `"${text}" in ${program.tail}`)
    const url = String((await said('HTTP is open'))['url'])
    await said('the socket is open')
    const asked = async (...args: string[]): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> => ran([...args, '--data-dir', dataDir])
    const json = async (...args: string[]): Promise<Record<string, unknown>> => {
      const { code, out, err } = await asked(...args, '--json')
      expect([code, err], args.join(' ')).to.deep.equal([0, ''])
      return JSON.parse(out) as Record<string, unknown>
    }

    const status = await asked('status')
    expect([status.code, status.err]).to.deep.equal([0, ''])
    expect(status.out).to.match(/^ready +no: peers \(no peer is connected\); everything else is fine$/m).and.match(/^listens +\/ip4\/127\.0\.0\.1\/tcp\/\d+/m)
    expect(await json('status')).to.have.nested.property('health.parts.schedule.ready', true)
    expect((await asked('peers')).out).to.equal('no peers\n')
    expect((await asked('enr')).out).to.equal('discovery is off\n')
    expect((await asked('actors')).out).to.match(/^p2p\/store +running/m)
    expect((await asked('evidence')).out).to.equal('no evidence\n')

    expect((await asked('ban', PEER, '--for', '60', '--reason', 'of the test')).out).to.contain(`${PEER} is banned until 20`)
    expect((await asked('why', PEER)).out).to.match(/^banned +until .*: of the test$/m).and.contain('1 × banned: of the test')
    expect((await asked('unban', PEER)).out).to.equal('the ban is lifted\n')
    await asked('block', '192.0.2.0/24')
    const post = async (method: string, params: unknown, headers: Record<string, string> = {}): Promise<{ readonly status: number; readonly answer: Record<string, unknown> }> => {
      const response = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) })
      return { status: response.status, answer: await response.json() as Record<string, unknown> }
    }
    expect((await post('opp2p_listBlockedSubnets', [])).answer['result']).to.deep.equal([{ IP: '192.0.2.0', Mask: '////AA==' }])
    expect(await post('preconf_unblock', ['192.0.2.0/24'])).to.have.property('status', 401)
    const token = (await readFile(tokenFile, 'utf8')).trim()
    expect((await post('preconf_unblock', ['192.0.2.0/24'], { Authorization: `Bearer ${token}` })).answer['result']).to.deep.equal({ found: true })
    expect(program.stderr).to.not.contain(token)
    expect((await asked('confirm', '5')).out).to.equal('block 5 is confirmed\n')
    const refused = await asked('rewind', '4')
    expect([refused.code, refused.out, refused.err.trim().split('\n').length]).to.deep.equal([1, '', 1])

    const ready = async (): Promise<{ readonly status: number; readonly parts: Record<string, { ready: boolean; why: string }> }> => {
      const response = await fetch(`${url}/readyz`)
      return { status: response.status, ...await response.json() as { parts: Record<string, { ready: boolean; why: string }> } }
    }
    expect(await (await fetch(`${url}/healthz`)).json()).to.deep.equal({ alive: true })
    await writeFile(scheduleFile, 'broken')
    // H84: told by itself, once, and again when it is over
    const warned = await said(`${scheduleFile} is not JSON`)
    expect(warned).to.include({ level: 40, code: 'schedule_unread' })
    expect(await json('status')).to.have.nested.property('health.parts.schedule.ready', false)
    const broken = await ready()
    expect([broken.status, broken.parts['schedule']?.ready]).to.deep.equal([503, false])
    expect(broken.parts['schedule']?.why).to.contain(scheduleFile)
    program.signal('SIGHUP')
    await said('the schedule could not be read again')
    expect(await (await fetch(`${url}/metrics`)).text()).to.contain('preconf_ready_part{part="schedule"} 0').and.contain('preconf_confirmed_tip 5')
    await writeFile(scheduleFile, schedule(SIGNER))
    program.signal('SIGHUP')
    await said('the schedule was read again')
    expect(await said('over: ')).to.include({ level: 30, code: 'schedule_unread' })
    expect(logged(program).filter(({ code }) => code === 'schedule_unread')).to.have.length(2)
    expect((await ready()).parts['schedule']?.ready).to.equal(true)

    program.signal('SIGTERM')
    expect(await program.exits()).to.deep.equal({ code: 0, signal: null })
    const gone = await asked('status')
    expect([gone.code, gone.out, gone.err]).to.deep.equal([1, '', `preconfirmation-p2p: no node answers at ${join(dataDir, 'node.sock')}: ENOENT (no_node)\n`])
  })

  it('commands without a node to ask, and options that contradict each other, are one line', async () => {
    for (const [args, code, text] of [
      [['status', '--in-memory'], 2, '--ipc.path'],
      [['peers', '--data-dir', join(folder, 'nothing')], 1, 'no node answers'],
      [['rewind', 'x', '--data-dir', folder], 2, 'whole number'],
      [['run', '--signer', SIGNER, '--no-ipc', '--ipc.path', 'x'], 2, '--no-ipc'],
      [['run', '--signer', SIGNER, '--http.host', '127.0.0.1'], 2, '--http.port'],
      [['run', '--signer', SIGNER, '--in-memory', '--listen', '/ip4/127.0.0.1/tcp/0', '--no-discovery', '--http.port', '0', '--http.host', '0.0.0.0', '--log-level', 'silent'], 2, '--http.token-file'],
    ] as const) {
      const { code: was, out, err } = await ran([...args])
      expect([was, out, err.trim().split('\n').length], `${args.join(' ')}: ${err}`).to.deep.equal([code, '', 1])
      expect(err).to.contain(text)
    }
  })
})
