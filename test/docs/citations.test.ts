import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'

/** This file is compiled to dist/test/docs. */
const root = new URL('../../../', import.meta.url)
const kept = new Map<string, string>()

function read(path: string): string {
  const text = kept.get(path) ?? readFileSync(new URL(path, root), 'utf8')
  kept.set(path, text)
  return text
}

/** Files below these folders, or these files, as paths from the root. */
function filesIn(folders: readonly string[], endings: readonly string[]): string[] {
  return folders.flatMap(folder => readdirSync(new URL(`${folder}/`, root), { recursive: true, encoding: 'utf8' }).map(path => `${folder}/${path}`))
    .filter(path => endings.some(ending => path.endsWith(ending)) && !path.includes('/target/')).sort()
}

const sources = [...filesIn(['src', 'test', 'bench', 'examples', 'scripts'], ['.ts', '.cts', '.js', '.cjs', '.rs']), '.ci/run', 'package.json']
const docs = filesIn(['docs'], ['.md'])
const papers = [...docs, ...readdirSync(root, { encoding: 'utf8' }).filter(name => name.endsWith('.md')), 'src/actors/kernel/SEMANTICS.md']
const written = [...sources, ...papers]

/** What each file cites, as `file: citation`, where `known` does not have it. */
function unknown(files: readonly string[], citation: RegExp, known: (cited: string) => boolean): string[] {
  return files.flatMap(file => [...read(file).matchAll(citation)].map(match => match[1]!).filter(cited => !known(cited)).map(cited => `${file}: ${cited}`))
}

const declared = (path: string, form: RegExp): Set<string> => new Set([...read(path).matchAll(form)].map(match => match[1]!))
const paths = (path: string): string => path.slice(0, path.lastIndexOf('/') + 1)

/** Headings as GitHub names them in links. */
const anchors = (path: string): Set<string> => new Set([...read(path).matchAll(/^#+ (.*)$/gm)]
  .map(match => match[1]!.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')))

interface Link { readonly from: string, readonly to: string, readonly anchor: string | undefined }

const links: Link[] = papers.flatMap(from => [...read(from).replace(/^(```|~~~)[^]*?^\1/gm, '').matchAll(/\]\(([^)\s]+)\)/g)].map(match => match[1]!)
  .filter(target => !/^[a-z]+:/.test(target))
  .map(target => {
    const [path, anchor] = target.split('#')
    return { from, to: path === '' ? from : new URL(path!, new URL(paths(from), 'file:///')).pathname.slice(1), anchor }
  }))

describe('docs: what is cited and linked is there', () => {
  it('every § is a section of docs/protocol.md', () => {
    const sections = declared('docs/protocol.md', /^## (\d+)\. /gm)
    expect([...sections]).deep.equal(['1', '2', '3', '4', '5', '6', '7', '8', '9', '10'])
    expect(unknown(written, /§ ?(\d+)/g, cited => sections.has(cited))).deep.equal([])
  })

  it('every LOOKAHEAD § is a section of docs/schedule.md', () => {
    const sections = declared('docs/schedule.md', /^## (\d+)\. /gm)
    expect(unknown(written, /LOOKAHEAD §(\d+)/g, cited => sections.has(cited))).deep.equal([])
  })

  it('every H.. is a row of docs/hardening.md', () => {
    const rows = declared('docs/hardening.md', /^\| (H\d{2}) \|/gm)
    expect([...rows].sort()).deep.equal(Array.from({ length: rows.size }, (_, at) => `H${String(at + 1).padStart(2, '0')}`))
    expect(unknown(written, /\b(H\d{2})\b/g, cited => rows.has(cited))).deep.equal([])
  })

  it('every K.. is a clause of SEMANTICS.md', () => {
    const clauses = declared('src/actors/kernel/SEMANTICS.md', /^- \*\*(K\d+)\*\*/gm)
    expect(unknown(written, /\b(K\d{2,3})\b/g, cited => clauses.has(cited))).deep.equal([])
  })

  it('docs/hardening.md names the tests of each row (node scripts/hardening-tests.js fills them in)', () => {
    const titles = sources.filter(file => file.endsWith('.test.ts')).map(file => ({ file, text: [...read(file).matchAll(/\b(?:it|both|describe)\(['"`]([HK]\d+ .*)/g)].join(' ') }))
    for (const [, row, cell] of read('docs/hardening.md').matchAll(/^\| (H\d{2}) \|.*\|([^|]*)\|$/gm)) {
      const files = [...cell!.matchAll(/`([^`]+)`/g)].map(match => [`test/${match[1]}.test.ts`, `test/${match[1]}.ts`].find(path => existsSync(new URL(path, root))) ?? `no ${match[1]}`)
      expect(files.filter(file => !file.startsWith('test/') || !read(file).includes(row!)), row).deep.equal([])
      const titled = titles.filter(({ text }) => text.includes(row!)).map(({ file }) => file)
      if (titled.length > 0) expect(files, `${row} is tested in ${titled.join(', ')}`).not.deep.equal([])
    }
  })

  it('every page that is named in source or tests is there', () => {
    expect(unknown(sources, /\b(docs\/[\w-]+\.md)\b/g, cited => existsSync(new URL(cited, root)))).deep.equal([])
  })

  it('docs/operating.md has every ailment, and no other', () => {
    const codes = [...declared('src/actors/service/health.ts', /code: '(\w+)'/g)].sort()
    const table = read('docs/operating.md').split('## Ailments')[1]!.split('\n## ')[0]!
    expect([...table.matchAll(/^\| `(\w+)` \|/gm)].map(match => match[1]!).sort()).deep.equal(codes)
  })

  it('every relative link leads to a file, and to a heading of it', () => {
    expect(links.length).greaterThan(20)
    for (const { from, to, anchor } of links) {
      expect(existsSync(new URL(to, root)), `${from} → ${to}`).equal(true)
      if (anchor !== undefined) expect([...anchors(to)], `${from} → ${to}#${anchor}`).to.include(anchor)
    }
  })

  it('every page of docs is linked from the README or from another page', () => {
    const linked = new Set(links.filter(({ from, to }) => from !== to).map(({ to }) => to))
    expect(docs.filter(page => !linked.has(page))).deep.equal([])
  })
})
