import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { Command } from 'commander'
import { addAsking } from '../../src/cli/asking.js'
import { completionOf } from '../../src/cli/completion.js'
import { defaultFolder } from '../../src/cli/data-folder.js'
import { addOptions } from '../../src/cli/options/flags.js'
import { flagOrigin } from '../../src/cli/options/given.js'
import type { Given } from '../../src/cli/options/given.js'
import { optionsPage } from '../../src/cli/options/page.js'
import { printConfig } from '../../src/cli/options/print.js'
import { readSettings } from '../../src/cli/options/settings.js'
import type { Environment } from '../../src/cli/options/settings.js'
import { NAMES, named, rowOf, variableOf } from '../../src/cli/options/table.js'
import type { Name } from '../../src/cli/options/table.js'
import { placeOf } from '../../src/cli/place.js'
import { addRun } from '../../src/cli/run.js'

const page = new URL('../../../docs/options.md', import.meta.url)
const A = `0x${'11'.repeat(20)}`
const B = `0x${'22'.repeat(20)}`

describe('options: one table', () => {
  let folder: string
  beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'options-')) })
  afterEach(() => { rmSync(folder, { recursive: true, force: true }) })

  const flag = (name: Name, ...texts: string[]): Given => ({ name, texts, origin: flagOrigin(name) })
  const file = (text: string | Uint8Array, name = 'node.yaml'): string => {
    const path = join(folder, name)
    writeFileSync(path, text)
    return path
  }
  const withFile = (text: string | Uint8Array, environment: Environment = {}, ...flags: Given[]) => readSettings([flag('config', file(text)), ...flags], environment)
  const refusal = (run: () => unknown): string => {
    try {
      run()
    } catch (error) {
      return (error as Error).message.replaceAll(`${folder}/`, '')
    }
    throw new Error('it was taken')
  }

  it('docs/options.md is what the table says (npm run options-page)', () => {
    expect(readFileSync(page, 'utf8')).to.equal(optionsPage())
  })

  it('the help of run names every option, within 80 columns', () => {
    const program = new Command('preconfirmation-p2p')
    addRun(program, () => new AbortController().signal, () => undefined)
    const help = program.commands[0]!.helpInformation()
    for (const [called, name] of named) expect(help.split(/[\s,]+/), `${called} of ${name}`).to.include(`--${called}`)
    for (const line of help.split('\n')) expect(line.length, line).to.be.at.most(80)
  })

  it('every name has a variable of its own, and every default is a value that could be given', () => {
    const variables = new Map<string, Name>()
    for (const [called, name] of named) {
      expect(variables.get(variableOf(called)) ?? name, called).to.equal(name)
      variables.set(variableOf(called), name)
    }
    for (const name of NAMES) if (rowOf(name).default !== undefined) expect(rowOf(name).kind.parse(rowOf(name).default!), name).to.not.equal(undefined)
    const settings = readSettings([], {})
    expect([settings.get('chain.id'), settings.get('p2p.listen'), settings.get('discovery.enabled'), settings.get('l1.rpc'), settings.get('l1.inbox')])
      .to.deep.equal([167_000n, ['/ip4/0.0.0.0/tcp/9000'], true, [], undefined])
  })

  it('a flag wins over a variable, that over the file, that over the preset, that over the default; a list is taken whole', () => {
    const preset = file('chain-id: 5\nlog.level: trace\np2p.listen: [/ip4/127.0.0.1/tcp/1, /ip4/127.0.0.1/tcp/2]\nhttp.port: 1\nl1.quorum: 1', 'preset.yaml')
    const text = `preset: ${preset}\nlog: { level: debug }\nhttp: { port: 2 }\nl1: { quorum: 2 }\n`
    const settings = withFile(text, { PRECONF_HTTP_PORT: '3', PRECONF_L1_QUORUM: '3', PRECONF_SIGNER: `${A}, ${B}`, OTHER: 'x' }, flag('l1.quorum', '4'), flag('l1.quorum', '5'))
    const whence = (name: Name): unknown => [settings.get(name), settings.setting(name)?.origin.source]
    expect(whence('gossip.scoring')).to.deep.equal(['spec', 'default'])
    expect(whence('chain.id')).to.deep.equal([5n, 'preset'])
    expect(whence('p2p.listen')).to.deep.equal([['/ip4/127.0.0.1/tcp/1', '/ip4/127.0.0.1/tcp/2'], 'preset'])
    expect(whence('log.level')).to.deep.equal(['debug', 'file'])
    expect(whence('http.port')).to.deep.equal([3, 'variable'])
    expect(whence('schedule.signer')).to.deep.equal([[A, B], 'variable'])
    expect(whence('l1.quorum')).to.deep.equal([5, 'flag'])
  })

  it('the file is YAML or JSON, nested or dotted, dashed or not, and nothing in it is taken for another type', () => {
    for (const text of [
      `dataDir: /d\nchain: { slasher: ${A}, confirmedTip: 18446744073709551614 }\nschedule:\n  signer: [${B}]\ndiscovery: false\n`,
      `data-dir: /d\nchain.slasher: ${A}\nconfirmed-tip: 18446744073709551614\nsigner: ${B}\ndiscovery.enabled: false\n`,
      JSON.stringify({ 'data-dir': '/d', 'chain': { 'slasher': A, 'confirmed-tip': '18446744073709551614' }, 'schedule.signer': [B], 'discovery': { enabled: false } }, undefined, '\t'),
    ]) {
      const settings = withFile(text)
      expect(['data-dir', 'chain.slasher', 'chain.confirmed-tip', 'schedule.signer', 'discovery.enabled'].map(name => settings.get(name as Name)), text)
        .to.deep.equal(['/d', A, 18_446_744_073_709_551_614n, [B], false])
    }
    expect(withFile('# nothing\n').get('log.level')).to.equal('info')
  })

  it('H82 a byte order mark in the file is no part of it, and an empty value is an error', () => {
    const text = 'log.level: debug\n'
    for (const bytes of [`\uFEFF${text}`, Buffer.from(`\uFEFF${text}`, 'utf16le'), Buffer.from(`\uFEFF${text}`, 'utf16le').swap16()]) expect(withFile(bytes).get('log.level')).to.equal('debug')
    for (const text of ['data-dir:', 'data-dir: ""', 'data-dir: null', 'dataDir: ~', 'schedule.signer: [""]']) expect(refusal(() => withFile(`\n${text}\n`)), text).to.match(/^(data-?[dD]ir|schedule\.signer) '': it is empty \(from node\.yaml:2\)\. Give /)
    expect(refusal(() => readSettings([], { PRECONF_DATA_DIR: ' ' }))).to.equal('PRECONF_DATA_DIR \'\': it is empty (from the environment). Give a folder, or leave it out')
    expect(refusal(() => readSettings([flag('data-dir', '')], {}))).to.equal('--data-dir \'\': it is empty (from the command line). Give a folder, or leave it out')
  })

  it('every error is one line with the option, its value, where it comes from, and a remedy', () => {
    expect(refusal(() => withFile('a: 1'))).to.equal('a: there is no such option (from node.yaml:1)')
    expect(refusal(() => withFile('\nl1:\n  quorm: 1'))).to.equal('l1.quorm: there is no such option (did you mean l1.quorum?) (from node.yaml:3)')
    expect(refusal(() => withFile('l1: { quorum: many }'))).to.contain('l1.quorum many: it is not a whole number from 1 to 100 (from node.yaml:1)')
    expect(refusal(() => withFile('l1.quorum: 1\nl1: { quorum: 1 }'))).to.contain('it is given twice (from node.yaml:1 and node.yaml:2)')
    expect(refusal(() => withFile('http.port: [1, 2]'))).to.contain('it takes one value, not a list (from node.yaml:1)')
    expect(refusal(() => withFile('l1: 5'))).to.contain('l1: there is no such option')
    expect(refusal(() => withFile('config: x'))).to.contain('it is given as a flag or variable')
    expect(refusal(() => withFile('[1]'))).to.contain('node.yaml:1: options are expected')
    expect(refusal(() => withFile('a: [\n'))).to.match(/^node\.yaml:\d: neither YAML nor JSON: [^\n]+$/)
    expect(refusal(() => withFile('a: &a\n  b: *a\nl1: &x { rpc: *x }'))).to.not.contain('\n')
    expect(refusal(() => withFile(' '.repeat(1_048_577)))).to.contain('more than 1048576 bytes')
    expect(refusal(() => readSettings([flag('config', '/nonexistent/x')], {}))).to.equal('--config /nonexistent/x: it cannot be read: there is no such file (from the command line). Give a file that can be read')
    expect(refusal(() => readSettings([flag('preset', 'hodi')], {}))).to.contain('did you mean hoodi?')
    expect(refusal(() => readSettings([], { PRECONF_L1_QUORM: '1' }))).to.contain('PRECONF_L1_QUORM: there is no such option (did you mean PRECONF_L1_QUORUM?)')
    expect(refusal(() => readSettings([], { PRECONF_METRICS: 'true', PRECONF_HTTP_METRICS: 'true' }))).to.contain('gives the same option')
    expect(refusal(() => readSettings([flag('log.level', 'loud')], {}))).to.equal('--log.level loud: it is not one of trace, debug, info, warn, error, silent (from the command line). Give one, or leave it out')
    expect(refusal(() => readSettings([flag('l1.rpc', 'ftp://user:secret@l1.example/key')], {}))).to.contain('ftp://l1.example/').and.not.contain('secret')
  })

  it('an error of the library about a value is told as one of the option that gave it', () => {
    const settings = withFile('peers: { block: [10.0.0.0/99] }')
    const blamed = settings.blame(Object.assign(new Error('no subnet'), { code: 'bad_rule', value: '10.0.0.0/99' })) as Error
    expect(blamed).to.deep.include({ code: 'bad_rule', exitCode: 2 })
    expect(blamed.message.replace(`${folder}/`, '')).to.equal('peers.block 10.0.0.0/99: no subnet (from node.yaml:1). Example: 10.0.0.0/8')
    const other = new Error('else')
    expect(settings.blame(other)).to.equal(other)
  })

  it('--print-config tells each value with its origin, hides secrets, and can be read again', () => {
    const settings = withFile('l1.rpc: ["https://user:password@one.example/key?a=b", "https://two.example"]\nlog.level: debug', { PRECONF_LISTEN: '/ip4/127.0.0.1/tcp/0' }, flag('stdio', 'true'))
    const text = printConfig(settings, '/data').replaceAll(`${folder}/`, '')
    expect(text.split('\n')).to.include.members([
      'l1.rpc: ["https://one.example/(hidden)", "https://two.example/"] # node.yaml:1', 'log.level: "debug" # node.yaml:2', 'p2p.listen: ["/ip4/127.0.0.1/tcp/0"] # variable PRECONF_LISTEN',
      'stdio: "true" # flag --stdio', 'chain.id: "167000" # default', 'data-dir: "/data" # default', '# l1.inbox: not given',
    ])
    expect(text).to.not.match(/password|key\?/)
    for (const name of NAMES) if (rowOf(name).from === undefined) expect(text).to.contain(`${name}: `)
    expect(withFile(text).get('p2p.listen')).to.deep.equal(['/ip4/127.0.0.1/tcp/0'])
  })

  it('presets are data: taiko, devnet, and hoodi, whose chain id has to be given', () => {
    expect([readSettings([flag('preset', 'taiko')], {})].map(settings => [settings.get('chain.id'), settings.get('l1.genesis')])).to.deep.equal([[167_000n, 1_606_824_023]])
    expect(refusal(() => readSettings([flag('preset', 'hoodi')], {}))).to.contain('chain.id \'\': it has to be given (from preset hoodi:')
    expect(readSettings([flag('preset', 'hoodi'), flag('chain.id', '7')], {}).get('l1.genesis')).to.equal(1_742_213_400)
    const devnet = readSettings([flag('preset', 'devnet')], {})
    expect(placeOf(devnet)).to.deep.equal({ dataDir: undefined, listen: ['/ip4/127.0.0.1/tcp/0'], discoveryPort: undefined, httpPort: undefined })
    expect(placeOf(readSettings([flag('preset', 'devnet'), flag('data-dir', '/d')], {})).dataDir).to.equal('/d')
  })

  it('--instance shifts all ports but 0, and the default folder', () => {
    const settings = readSettings([flag('instance', '2'), flag('http.metrics', 'true'), flag('discovery.port', '0'), flag('p2p.listen', '/ip4/127.0.0.1/tcp/9000', '/dns4/a.example/tcp/0')], {})
    const { dataDir, ...ports } = placeOf(settings)
    expect(ports).to.deep.equal({ listen: ['/ip4/127.0.0.1/tcp/9020', '/dns4/a.example/tcp/0'], discoveryPort: 0, httpPort: 9_320 })
    expect(dataDir).to.match(/preconfirmation-p2p\/167000-2$/)
    expect(refusal(() => placeOf(readSettings([flag('instance', '1000'), flag('http.port', '60000')], {})))).to.contain('http.port would be 70000')
    expect(refusal(() => placeOf(readSettings([flag('in-memory', 'true'), flag('data-dir', '/d')], {})))).to.contain('exclude each other')
  })

  it('the default folder is the platform\'s', () => {
    const at = (platform: NodeJS.Platform, environment: Environment, home = '/home/me'): string => defaultFolder(1n, 0, { platform, environment, home })
    expect(at('linux', { XDG_DATA_HOME: '/xdg' })).to.equal('/xdg/preconfirmation-p2p/1')
    expect(at('linux', { XDG_DATA_HOME: 'relative' })).to.equal('/home/me/.local/share/preconfirmation-p2p/1')
    expect(at('darwin', {})).to.equal('/home/me/Library/Application Support/preconfirmation-p2p/1')
    expect(at('win32', { LOCALAPPDATA: 'C:\\L' }, 'C:\\me')).to.equal('C:\\L\\preconfirmation-p2p\\1')
    expect(at('win32', {}, 'C:\\me')).to.equal('C:\\me\\AppData\\Local\\preconfirmation-p2p\\1')
    expect(() => at('linux', {}, '/')).to.throw('--in-memory')
  })

  it('flags: a short name is the dotted one, a switch takes true, false or nothing, --no- is false', async () => {
    const parse = async (...args: string[]) => {
      const command = new Command('run')
      const read = addOptions(command)
      await command.action(() => undefined).parseAsync(args, { from: 'user' })
      return read()
    }
    const settings = await parse('--p2p.listen', '/a', '--listen=/b', '--metrics', '--stdio=false', '--no-discovery', '--in-memory', '--log-level', 'warn', '--log.level', 'error')
    expect([settings.get('p2p.listen'), settings.get('http.metrics'), settings.get('stdio'), settings.get('discovery.enabled'), settings.get('in-memory'), settings.get('log.level')])
      .to.deep.equal([['/a', '/b'], true, false, false, true, 'error'])
    expect(settings.setting('discovery.enabled')?.origin.called).to.equal('--no-discovery')
  })

  it('completion has every command and option, in the words of bash, zsh and fish', async () => {
    const program = new Command('preconfirmation-p2p')
    addRun(program, () => new AbortController().signal, () => undefined)
    addAsking(program)
    for (const shell of ['bash', 'zsh', 'fish'] as const) for (const called of named.keys()) expect(completionOf(program, shell), shell).to.contain(shell === 'fish' ? `-l ${called}` : `--${called}`)
    const script = file(completionOf(program, 'bash'), 'completion.bash')
    const completed = async (...words: string[]): Promise<string> => {
      const { stdout } = await promisify(execFile)('bash', ['-c', 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _preconfirmation_p2p; echo "${COMPREPLY[@]}"', 'bash', script, 'preconfirmation-p2p', ...words])
      return stdout.trim()
    }
    expect(await completed('sta')).to.equal('status')
    expect(await completed('run', '--l1.q')).to.equal('--l1.quorum')
    expect(await completed('run', '--log-level', 'd')).to.equal('debug')
    expect(await completed('status', '--l1.q')).to.equal('')
  })
})
