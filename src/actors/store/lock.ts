import { link, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { StoreError } from './errors.js'
import { codeOf } from '../../protocol/thrown.js'

/** Who holds a data directory, as its lock file says. */
export interface Holder {
  readonly pid: number
  /** When that process started, in the kernel's ticks since the boot: a pid is used again, the pair is not. Linux only. */
  readonly started: string | undefined
  /** Which boot, and which numbering of processes (a container has its own). Linux only. */
  readonly boot: string | undefined
  readonly pidNamespace: string | undefined
  readonly host: string
  /** Which opener within that process. */
  readonly token: string
}

/**
 * What a lock file means for us. `unsure` where the pid cannot be judged from here: then the database's own lock decides,
 * which the operating system holds for as long as the process lives.
 */
export type Judgement = 'free' | 'ours' | 'stale' | 'held' | 'unsure'

const FILE = 'lock'
/** Between looks at a lock that another opener is removing, ms. */
const TURN_PAUSE_MS = 5
const fileIn = (dataDir: string): string => join(dataDir, FILE)

const maybe = (reading: Promise<string>): Promise<string | undefined> => reading.then(text => text.trim(), () => undefined)

/** State and start of a process from /proc; the name in the second field may hold blanks and parentheses. */
async function processOf(pid: number | 'self'): Promise<{ readonly state: string; readonly started: string } | undefined> {
  const stat = await maybe(readFile(`/proc/${pid}/stat`, 'utf8'))
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, started] = [fields?.[0], fields?.[19]]
  return state === undefined || started === undefined ? undefined : { state, started }
}

/** Ourselves, as a lock file says it. */
export async function selfAsHolder(token: string): Promise<Holder> {
  const [own, boot, pidNamespace] = await Promise.all([
    processOf('self'), maybe(readFile('/proc/sys/kernel/random/boot_id', 'utf8')), maybe(readlink('/proc/self/ns/pid')),
  ])
  return { pid: process.pid, started: own?.started, boot, pidNamespace, host: hostname(), token }
}

/** The lock file's content; `undefined` where there is none or it cannot be read as one. */
export async function readHolder(dataDir: string): Promise<Holder | undefined> {
  const text = await maybe(readFile(fileIn(dataDir), 'utf8'))
  return text === undefined ? undefined : parseHolder(text)
}

function parseHolder(text: string): Holder | undefined {
  try {
    const { pid, started, boot, pidNamespace, host, token } = JSON.parse(text) as Readonly<Record<string, unknown>>
    if (typeof pid !== 'number' || typeof host !== 'string' || typeof token !== 'string') return undefined
    const known = (value: unknown): string | undefined => typeof value === 'string' ? value : undefined
    return { pid, started: known(started), boot: known(boot), pidNamespace: known(pidNamespace), host, token }
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: there is one, of another user.
    return codeOf(error) !== 'ESRCH'
  }
}

/**
 * 1. our own token: a thread of ours that died left it;
 * 2. another host, or another numbering of processes: its pid says nothing here;
 * 3. another boot, a pid without a process, a zombie, or a process that started at another time (the pid was used again): stale;
 * 4. the same process: held; where the system does not tell when a process started: unsure.
 */
export async function judge(holder: Holder | undefined, self: Holder): Promise<Judgement> {
  if (holder === undefined) return 'free'
  const differs = (field: 'started' | 'boot' | 'pidNamespace'): boolean =>
    holder[field] !== undefined && self[field] !== undefined && holder[field] !== self[field]
  if (holder.token === self.token && holder.pid === self.pid && !differs('started') && !differs('boot')) return 'ours'
  if (holder.host !== self.host || differs('pidNamespace')) return 'unsure'
  if (differs('boot') || !isAlive(holder.pid)) return 'stale'
  const now = await processOf(holder.pid)
  if (now === undefined || holder.started === undefined) return 'unsure'
  return now.state === 'Z' || now.started !== holder.started ? 'stale' : 'held'
}

/** The error that names the holder. */
export function lockedBy(dataDir: string, holder: Holder | undefined, cause?: unknown): StoreError {
  const who = holder === undefined ? 'another process' : `process ${holder.pid} on ${holder.host}`
  const pid = holder === undefined ? {} : { value: holder.pid }
  return new StoreError('locked', `the data directory ${dataDir} is held by ${who}`, pid, { cause })
}

/**
 * Takes the directory for this opener. The lock file is made by a link, of which the file system lets one succeed: so it holds between
 * threads of this process, whose other names for the directory the database's own lock does not see, as it holds between processes.
 * A lock whose holder is gone is removed first, by one opener at a time: a second lock, beside it, says whose turn that is.
 * @returns `after_crash` where an earlier run has left its lock; `unsure` where the holder cannot be judged from here: then the database's own
 * lock decides, and `writeLock` follows
 * @throws StoreError `locked` where a living process, or another opener of this one, holds the directory
 */
export async function takeLock(dataDir: string, self: Holder): Promise<'taken' | 'after_crash' | 'unsure'> {
  const [lock, mine] = [fileIn(dataDir), `${fileIn(dataDir)}.${self.token}`]
  await writeFile(mine, `${JSON.stringify(self)}\n`)
  let crashed = false
  try {
    for (;;) {
      const made = await linked(mine, lock)
      if (made === 'made') return crashed ? 'after_crash' : 'taken'
      // A file system without links: the database's own lock is all there is.
      if (made !== 'there') return 'unsure'
      const before = await maybe(readFile(lock, 'utf8'))
      const holder = before === undefined ? undefined : parseHolder(before)
      const judgement = await judge(holder, self)
      if (judgement === 'held') throw lockedBy(dataDir, holder)
      if (judgement === 'unsure') return 'unsure'
      crashed ||= before !== undefined
      if (before !== undefined) await removeStale(lock, before, mine, self)
    }
  } finally {
    await rm(mine, { force: true })
  }
}

const linked = async (from: string, to: string): Promise<'made' | 'there' | 'impossible'> => link(from, to).then(() => 'made', (error: unknown) =>
  (error as { code?: unknown } | undefined)?.code === 'EEXIST' ? 'there' : 'impossible')

/** While another opener removes it, nothing is done here; an opener that died over it is no hindrance. */
async function removeStale(lock: string, before: string, mine: string, self: Holder): Promise<void> {
  const turn = `${lock}.turn`
  if (await linked(mine, turn) !== 'made') {
    const other = await maybe(readFile(turn, 'utf8'))
    const judgement = other === undefined ? 'free' : await judge(parseHolder(other), self)
    if (judgement === 'stale') await rm(turn, { force: true })
    else await new Promise(resolve => setTimeout(resolve, TURN_PAUSE_MS))
    return
  }
  try {
    // Whoever removed it before us has another one there now.
    if (await maybe(readFile(lock, 'utf8')) === before) await rm(lock, { force: true })
  } finally {
    await rm(turn, { force: true })
  }
}

/** Once the database's own lock is ours: names us, in place of whoever stood there. */
export async function writeLock(dataDir: string, self: Holder): Promise<void> {
  const written = `${fileIn(dataDir)}.${self.token}`
  await writeFile(written, `${JSON.stringify(self)}\n`)
  await rename(written, fileIn(dataDir))
}

/** Takes our lock file away; another's stays. */
export async function releaseLock(dataDir: string, token: string): Promise<void> {
  const holder = await readHolder(dataDir)
  if (holder?.token === token && holder.pid === process.pid) await rm(fileIn(dataDir), { force: true })
}
