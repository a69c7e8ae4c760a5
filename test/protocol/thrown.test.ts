import { readFile, readdir } from 'node:fs/promises'
import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import { errorToJson, toJson } from '../../src/operate/json.js'
import { exitCodeOf } from '../../src/cli/failure.js'
import { storeErrorOf } from '../../src/actors/store/errors.js'
import { asError, codeOf, isErrorLike, messageOf, nameOf } from '../../src/protocol/thrown.js'

/** As Node's own modules throw them at code that runs in a context of its own. */
const foreign = (code: string, message: string): Error =>
  runInNewContext('Object.assign(new TypeError(message), { code })', { code, message }) as Error

describe('protocol: what was thrown', () => {
  it('H77: an error of another realm tells its code, name and message', () => {
    const error = foreign('ENOENT', 'no such file')
    expect(error instanceof Error).to.equal(false)
    expect([codeOf(error), nameOf(error), messageOf(error), isErrorLike(error)]).to.deep.equal(['ENOENT', 'TypeError', 'no such file', true])
    const own = asError(error)
    expect(own).to.be.instanceOf(Error).and.include({ message: 'no such file', name: 'TypeError', cause: error })
    expect(asError(own)).to.equal(own)
  })

  it('what is no error is told as text', () => {
    for (const [thrown, text] of [['text', 'text'], [7, '7'], [undefined, 'undefined'], [null, 'null'], [{ message: 'half' }, '[object Object]']] as const) {
      expect([codeOf(thrown), messageOf(thrown), asError(thrown).message, isErrorLike(thrown)]).to.deep.equal([undefined, text, text, false])
    }
    expect(codeOf({ code: 7 })).to.equal(undefined)
  })

  it('H77: so do the parts that act on it', () => {
    expect(errorToJson(foreign('bad_config', 'wrong'))).to.deep.equal({ code: 'bad_config', message: 'wrong' })
    expect(toJson({ error: foreign('bad_config', 'wrong') })).to.deep.equal({ error: { code: 'bad_config', message: 'wrong' } })
    expect(exitCodeOf(foreign('bad_config', 'wrong'))).to.equal(2)
    expect(storeErrorOf(foreign('ENOSPC', 'No space left'), 'writing')).to.include({ code: 'disk_full', message: 'writing: No space left' })
    expect(storeErrorOf(Object.assign(foreign('LEVEL_DATABASE_NOT_OPEN', 'not open'), { cause: foreign('LEVEL_LOCKED', 'lock') }), 'opening').code).to.equal('locked')
  })

  it('H77: nobody else asks by its kind', async () => {
    const files = (await readdir('src', { recursive: true })).filter(file => file.endsWith('.ts') && !file.includes('kernel') && !file.endsWith('thrown.ts'))
    expect(files.length).to.be.above(100)
    const asking: string[] = []
    for (const file of files) if (/instanceof (?:Error|TypeError|RangeError)\b/.test(await readFile(`src/${file}`, 'utf8'))) asking.push(file)
    expect(asking).to.deep.equal([])
  })
})
