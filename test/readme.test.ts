import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'

const root = new URL('../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')

describe('README', () => {
  it('shows the embedding example as it is compiled and run here', async function () {
    this.timeout(60_000)
    expect(read('README.md')).to.contain(`\`\`\`ts\n${read('examples/embedding.ts')}\`\`\``)
    const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(new URL('dist/examples/embedding.js', root))], { timeout: 50_000 })
    expect(stdout).to.equal('the follower accepted block 1000\n')
  })

  it('names only files, scripts and commands that are there', () => {
    const readme = read('README.md')
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    for (const [, script] of readme.matchAll(/npm run ([\w:-]+)/g)) expect(scripts, `npm run ${script}`).to.have.property(script!)
    for (const [, path] of readme.matchAll(/\]\(([^)#:]+)\)/g)) expect(() => read(path!), path).not.to.throw()
  })
})
