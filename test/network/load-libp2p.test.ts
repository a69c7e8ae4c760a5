import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect } from 'chai'

const run = promisify(execFile)
const driver = new URL('../../src/actors/network/driver.js', import.meta.url).href

/** What a process of its own prints, where nothing is loaded yet: the library's own warnings and errors would stand there too. */
async function output(script: string): Promise<string> {
  const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: new URL('.', import.meta.url) })
  return `${stdout}${stderr}`.trim()
}

const load = `const { loadLibp2p } = await import('${driver}')\n`

describe('loading libp2p', () => {
  it('gives one and the same module, whoever asks and when', async () => {
    expect(await output(`${load}const [a, b] = await Promise.all([loadLibp2p(), loadLibp2p()])
      console.log(a === b, a === await loadLibp2p(), typeof a.createNode)`)).to.equal('true true function')
  })

  it('works while an application imports the same libraries', async () => {
    expect(await output(`${load}const theirs = [import('libp2p'), import('@libp2p/gossipsub'), import('@multiformats/multiaddr')]
      const { createNode } = await loadLibp2p()
      const [{ createLibp2p }, { gossipsub }] = await Promise.all(theirs)
      console.log(typeof createNode, typeof createLibp2p, typeof gossipsub)`)).to.equal('function function function')
  })
})
