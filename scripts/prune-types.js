/** Before packing: removes the declarations in dist/src that no public entry of package.json leads to. */
import { readFileSync, readdirSync, rmSync } from 'node:fs'

const root = new URL('../', import.meta.url)
const { exports } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))

const reached = new Set()
const next = Object.values(exports).flatMap(({ types }) => types === undefined ? [] : [new URL(types, root).href])
while (next.length > 0) {
  const file = next.pop()
  if (reached.has(file)) continue
  reached.add(file)
  for (const [, path] of readFileSync(new URL(file), 'utf8').matchAll(/(?:\bfrom|\bimport|\bimport\() ?['"](\.[^'"]+)['"]/g)) {
    next.push(new URL(path.replace(/\.(c?)js$/, '.d.$1ts'), file).href)
  }
}

for (const path of readdirSync(new URL('dist/src/', root), { recursive: true, encoding: 'utf8' })) {
  const file = new URL(`dist/src/${path}`, root)
  if (/\.d\.c?ts$/.test(path) && !reached.has(file.href)) rmSync(file)
}
