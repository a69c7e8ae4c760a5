import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { ran } from './process.js'

const run = async (args: readonly string[], input = '') => ran(['identity', ...args], input)

describe('cli: identity', function () {
  let folder: string
  beforeEach(async () => { folder = await mkdtemp(join(tmpdir(), 'identity-')) })
  afterEach(async () => { await rm(folder, { recursive: true }) })

  it('creates, shows, exports and imports, and overwrites nothing', async () => {
    const [one, two, three] = [join(folder, 'one.key'), join(folder, 'two.key'), join(folder, 'three.key')]
    const created = await run(['create', one])
    expect(created.out).to.match(/^12D3KooW\w+ Ed25519\n$/)
    expect((await run(['show', one])).out).to.equal(created.out)
    const text = (await run(['export', one])).out
    expect(Buffer.from(text, 'base64').equals(await readFile(one))).to.equal(true)
    expect(await run(['import', two], text)).to.deep.equal({ code: 0, out: created.out, err: '' })
    expect((await stat(two)).mode & 0o777).to.equal(0o600)
    expect((await run(['export', two, '--to', three])).code).to.equal(0)
    expect((await stat(three)).mode & 0o777).to.equal(0o600)
    for (const again of [['create', one], ['import', one, '--from', three], ['export', one, '--to', three]]) {
      const refused = await run(again)
      expect(refused.code, again.join(' ')).to.equal(1)
      expect(refused.err).to.include('identity_exists')
    }
  })

  it('makes a secp256k1 one when asked, and takes one from a file', async () => {
    const [one, two] = [join(folder, 'one.key'), join(folder, 'two.key')]
    const created = await run(['create', one, '--type', 'secp256k1'])
    expect(created.out).to.match(/^16Uiu2HA\w+ secp256k1\n$/)
    expect((await run(['import', two, '--from', one])).out).to.equal(created.out)
  })

  it('says what is wrong', async () => {
    const missing = await run(['show', join(folder, 'none.key')])
    expect(missing.code).to.equal(1)
    expect(missing.err).to.include('ENOENT')
    const garbage = await run(['import', join(folder, 'new.key')], 'garbage')
    expect(garbage.code).to.equal(1)
    expect(garbage.err).to.include('identity_damaged')
    expect((await run(['create', join(folder, 'rsa.key'), '--type', 'rsa'])).code).to.equal(2)
  })

  it('helps', async () => {
    const { code, out } = await run(['--help'])
    expect(code).to.equal(0)
    for (const command of ['show', 'create', 'import', 'export']) expect(out).to.include(command)
  })
})
