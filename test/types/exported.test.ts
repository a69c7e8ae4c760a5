import { expect } from 'chai'
import ts from 'typescript'
import { fileURLToPath } from 'node:url'
import { missingTypes } from './exported.js'

const root = fileURLToPath(new URL('../../../', import.meta.url))

describe('types: what an application can write from the public entries alone', () => {
  it('every type that a public signature mentions is exported', () => {
    expect(missingTypes()).to.deep.equal([])
  })

  it('a reputation backend, a schedule, a signer, rules and a logger compile, with the package\'s own compiler options', () => {
    expect(errorsOf('test/types/application.ts')).to.deep.equal([])
  })

  it('and one that is wrong does not', () => {
    expect(errorsOf('test/types/application.ts', text => text.replace('\'accept\'', '\'maybe\''))).to.have.length.above(0)
  })
})

/** What the compiler says of a file of ours, as text. @param change of its source before it is compiled */
function errorsOf(path: string, change: (text: string) => string = text => text): string[] {
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, file => ts.sys.readFile(file)) as { config: object }
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root)
  const host = ts.createCompilerHost(options)
  const readFile = host.readFile.bind(host)
  host.readFile = file => {
    const text = readFile(file)
    return text !== undefined && file === root + path ? change(text) : text
  }
  const getSourceFile = host.getSourceFile.bind(host)
  host.getSourceFile = (file, version, ...rest) => file === root + path
    ? ts.createSourceFile(file, host.readFile(file) ?? '', version, true)
    : getSourceFile(file, version, ...rest)
  const program = ts.createProgram([root + path], { ...options, incremental: false, noEmit: true }, host)
  const source = program.getSourceFile(root + path)
  return ts.getPreEmitDiagnostics(program, source).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
}
