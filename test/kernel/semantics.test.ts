import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'

/** Beside this file are the compiled tests; the clauses are in the sources. */
const here = new URL('.', import.meta.url)
const clauses = new URL('../../../src/actors/kernel/SEMANTICS.md', here)

describe('kernel: semantics', () => {
  const declared = [...readFileSync(clauses, 'utf8').matchAll(/^- \*\*(K\d\d)\*\*/gm)].map(match => match[1]!)
  const cited = new Set(readdirSync(here).filter(name => name.endsWith('.test.js'))
    .flatMap(name => [...readFileSync(new URL(name, here), 'utf8').matchAll(/\bit\(['"`](K\d\d) /g)].map(match => match[1]!)))

  it('the clauses are numbered without gaps', () => {
    expect(declared).deep.equal(declared.map((_, at) => `K${String(at + 1).padStart(2, '0')}`))
    expect(declared.length).greaterThan(60)
  })

  it('every clause is cited by a test, and no test cites one that is not there', () => {
    expect(declared.filter(clause => !cited.has(clause))).deep.equal([])
    expect([...cited].filter(clause => !declared.includes(clause))).deep.equal([])
  })
})
