/** Fills in the last column of docs/hardening.md: the test files whose titles name the row. Run it after tests were moved or added. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

const root = new URL('../', import.meta.url)
const page = new URL('docs/hardening.md', root)

/** Row number → test files, without `test/` and `.test.ts`. A title is a string that follows a call. */
const filesOf = new Map()
for (const path of readdirSync(new URL('test/', root), { recursive: true, encoding: 'utf8' }).sort()) {
  if (!path.endsWith('.ts')) continue
  const titles = readFileSync(new URL(`test/${path}`, root), 'utf8').matchAll(/\b(?:describe|it|both|inThread|\w*[iI]t)\(\s*(['"`])((?:(?!\1).)*)\1/g)
  for (const [row] of [...titles].map(([, , title]) => title).join(' ').matchAll(/\bH\d{2}\b/g)) {
    filesOf.set(row, (filesOf.get(row) ?? new Set()).add(path.replace(/(\.test)?\.ts$/, '')))
  }
}

const filled = readFileSync(page, 'utf8').replace(/^(\| (H\d{2}) \|.*\|)[^|]*\|$/gm, (_, cells, row) => {
  const files = [...filesOf.get(row) ?? []].map(file => `\`${file}\``)
  return `${cells} ${files.length > 0 ? files.join(', ') : 'none yet'} |`
})
writeFileSync(page, filled)
