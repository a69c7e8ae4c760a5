import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'

/** Beside this file are the compiled tests; the clauses are in the sources. */
const here = new URL('.', import.meta.url)
const clauses = new URL('../../../src/actors/kernel/SEMANTICS.md', here)

describe('kernel: semantics', () => {
  const declared = [...readFileSync(clauses, 'utf8').matchAll(/^- \*\*(K\d+)\*\*/gm)].map(match => match[1]!)
  const cited = new Set(readdirSync(here, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.test.js'))
    .flatMap(name => [...readFileSync(new URL(name, here), 'utf8').matchAll(/\b(?:it|both|inThread)\(['"`]((?:K\d+ )+)/g)])
    .flatMap(match => match[1]!.trim().split(' ')))

  it('the clauses are numbered without gaps, those of threads from K90 on', () => {
    const numbers = declared.map(clause => Number(clause.slice(1))).sort((a, b) => a - b)
    const threads = numbers.filter(number => number >= 90)
    expect(numbers.filter(number => number < 90)).deep.equal(numbers.slice(0, -threads.length).map((_, at) => at + 1))
    expect(threads).deep.equal(threads.map((_, at) => at + 90))
    expect(declared.length).greaterThan(60)
  })

  it('every clause is cited by a test, and no test cites one that is not there', () => {
    expect(declared.filter(clause => !cited.has(clause))).deep.equal([])
    expect([...cited].filter(clause => !declared.includes(clause))).deep.equal([])
  })
})
