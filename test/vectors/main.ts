import { runVectors } from './run.js'

/** `npm run vectors -- DIRECTORY`: prints each failure and, last, `N passed, M failed`. Exits 0 only if nothing failed. */
async function main(args: readonly string[]): Promise<number> {
  const [directory, ...rest] = args
  if (directory === undefined || rest.length > 0) {
    console.error('usage: npm run vectors -- DIRECTORY')
    return 2
  }
  const { files, backends, passed, failures } = await runVectors(directory)
  console.log(`with ${backends.join('; ')}`)
  for (const report of files) console.log(`${report.file}: ${report.passed} passed, ${report.failures.length} failed`)
  for (const { file, name, message } of failures) console.log(`FAILED ${file}${name === '' ? '' : ` ${name}`}: ${message}`)
  console.log(`${passed} passed, ${failures.length} failed`)
  return failures.length === 0 ? 0 : 1
}

process.exitCode = await main(process.argv.slice(2))
