import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { runVectors } from '../vectors/run.js'

/** The compiled tests stand in dist/test/protocol; the data is not copied there. */
const data = fileURLToPath(new URL('../../../test/vectors/data/', import.meta.url))

describe('vectors', () => {
  it('all pass, with every library', async () => {
    const { passed, failures, files, backends } = await runVectors(data)
    expect(failures).to.deep.equal([])
    expect(files.length).to.equal(7)
    expect(passed).to.equal(482)
    expect(backends).to.include.members(['libauth with hash-wasm', 'noble with noble'])
  })

  describe('the runner', () => {
    let directory: string
    beforeEach(async () => { directory = await mkdtemp(join(tmpdir(), 'vectors-')) })
    afterEach(async () => { await rm(directory, { recursive: true }) })
    const write = (file: string, content: unknown): Promise<void> =>
      writeFile(join(directory, file), typeof content === 'string' ? content : JSON.stringify(content))

    it('runs any subset and leaves other files alone', async () => {
      await write('message-ids.json', [{ name: 'a', data: '', id: 'df3f619804a92fdb4057192dc43dd748ea778adc' }])
      const read = { protocol: 'get_head', side: 'request', name: 'b', reference: 'ok', stream: '0404000000' }
      await write('frames.json', { read: [read] })
      await write('README.md', 'not JSON')
      await write('others.json', 'not JSON')
      expect(await runVectors(directory)).to.include({ passed: 2 }).and.to.have.property('failures').with.lengthOf(0)
    })

    it('fails a vector that does not hold, and only that', async () => {
      await write('message-ids.json', [
        { name: 'wrong', data: '', id: 'ff'.repeat(20) },
        { name: 'right', data: '', id: 'df3f619804a92fdb4057192dc43dd748ea778adc' },
      ])
      const { passed, failures } = await runVectors(directory)
      expect(passed).to.equal(1)
      expect(failures).to.have.lengthOf(1)
      expect(failures[0]).to.include({ file: 'message-ids.json', name: 'message-ids[0] wrong' })
      expect(failures[0]?.message).to.include('expected "ffff')
    })

    it('fails a file of a wrong form with a clear message', async () => {
      await write('chain.json', 'not JSON')
      await write('containers.json', {})
      await write('signing.json', {})
      await write('txlists.json', { hashes: 7 })
      await write('frames.json', { read: [{ protocol: 'get_head' }, 7] })
      await write('message-ids.json', [{ data: 'xyz', id: '00' }])
      const { passed, failures } = await runVectors(directory)
      expect(passed).to.equal(0)
      const lines = failures.map(({ file, message }) => `${file}: ${message.replace(/^SyntaxError.*$/s, 'SyntaxError')}`)
      expect(lines).to.have.members([
        'containers.json: FormError: top level: expected an array',
        'signing.json: FormError: top level: expected valid or mutated',
        'txlists.json: FormError: hashes: expected an array',
        'message-ids.json: FormError: data: expected hex',
        'frames.json: FormError: side: expected a string',
        'frames.json: FormError: read[1]: expected an object',
        'chain.json: SyntaxError',
      ])
    })

    it('fails a directory with none of the files, without a vector, or that is not there', async () => {
      expect((await runVectors(directory)).failures[0]?.message).to.include('none of containers.json')
      await write('containers.json', [])
      expect((await runVectors(directory)).failures[0]?.message).to.equal('no vector is here')
      expect((await runVectors(join(directory, 'absent'))).failures[0]?.message).to.include('ENOENT')
    })
  })
})
