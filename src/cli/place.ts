/** Where a node keeps things and listens, by its options; and whether it can, which is tried before anything starts. */
import { createSocket } from 'node:dgram'
import { access, constants } from 'node:fs/promises'
import { createServer } from 'node:net'
import { makeFolder } from '../make-folder.js'
import { DEFAULT_HTTP_HOST, DEFAULT_HTTP_PORT } from '../operate/http-defaults.js'
import { codeOf } from '../protocol/thrown.js'
import { defaultFolder } from './data-folder.js'
import { FAILED, UsageError } from './failure.js'
import { shown } from './options/given.js'
import type { Settings } from './options/settings.js'
import type { Name } from './options/table.js'

/** Ports of two instances lie so far apart. */
const APART = 10
const MOST_PORT = 65_535

export interface Place {
  /** `undefined`: in memory. */
  readonly dataDir: string | undefined
  readonly listen: readonly string[]
  /** `undefined`: beside the first address of `listen`. */
  readonly discoveryPort: number | undefined
  /** `undefined`: HTTP is off. */
  readonly httpPort: number | undefined
}

/** @throws UsageError */
export function placeOf(settings: Settings): Place {
  const httpPort = settings.get('http.port') ?? (settings.get('http.metrics') ? DEFAULT_HTTP_PORT : undefined)
  const discoveryPort = settings.get('discovery.port')
  return {
    dataDir: dataDirOf(settings),
    listen: settings.get('p2p.listen').map(address => address.replace(/(?<=\/(?:tcp|udp)\/)\d+/, port => String(shifted(settings, Number(port), 'p2p.listen')))),
    discoveryPort: discoveryPort === undefined ? undefined : shifted(settings, discoveryPort, 'discovery.port'),
    httpPort: httpPort === undefined ? undefined : shifted(settings, httpPort, 'http.port'),
  }
}

/** Of `in-memory` and `data-dir` the one from the stronger source counts. */
export function dataDirOf(settings: Settings): string | undefined {
  const [memory, folder] = [settings.strengthOf('in-memory'), settings.strengthOf('data-dir')]
  const inMemory = settings.get('in-memory')
  if (inMemory && folder > 0 && memory === folder) throw new UsageError(`--in-memory and --data-dir exclude each other: ${settings.whoGave('in-memory', 'data-dir')}`)
  if (inMemory && memory > folder) return undefined
  return settings.get('data-dir') ?? defaultFolder(settings.get('chain.id'), settings.get('instance'))
}

/** 0 is any free port for every instance. */
function shifted(settings: Settings, port: number, name: Name): number {
  const instance = settings.get('instance')
  const moved = port === 0 ? 0 : port + APART * instance
  if (moved > MOST_PORT) throw new UsageError(`${settings.whoGave('instance')}: ${name} would be ${moved}, and there are ports up to ${MOST_PORT}. Give a smaller one`)
  return moved
}

interface Trial { readonly name: Name; readonly text: string; readonly open: () => Promise<() => Promise<void>> }

/** Makes the data directory, and tries every port. @throws UsageError one line: the option, its value, what is wrong, where it comes from */
export async function tryFirst(settings: Settings, place: Place): Promise<void> {
  if (place.dataDir !== undefined) await tryFolder(settings, place.dataDir)
  // all at a time: two of our own may want the same one
  const open: (() => Promise<void>)[] = []
  try {
    for (const trial of trialsOf(settings, place)) open.push(await trial.open().catch((error: unknown) => { throw failed(settings, trial, error) }))
  } finally {
    await Promise.all(open.map(async close => close()))
  }
}

async function tryFolder(settings: Settings, folder: string): Promise<void> {
  try {
    await makeFolder(folder)
    await access(folder, constants.W_OK | constants.X_OK)
  } catch (error) {
    const setting = settings.setting('data-dir')
    const [called, from] = setting === undefined ? ['--data-dir', 'its default'] : [setting.origin.called, setting.origin.place]
    throw new UsageError(`${called} ${folder}: ${REASONS[String(codeOf(error))] ?? String(error)} (from ${from}). Give a folder that this user may write to, or --in-memory`, String(codeOf(error)), FAILED)
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EROFS: 'the file system is read-only', EACCES: 'this user may not write there', EPERM: 'this user may not write there', ENOTDIR: 'there is a file in its way', EEXIST: 'there is a file in its place',
  ENOENT: 'nothing can be made there', ENOSPC: 'the disk is full', ELOOP: 'its links go round',
  EADDRINUSE: 'the port is in use', EADDRNOTAVAIL: 'this machine does not have the address', ENOTFOUND: 'this machine does not have the address',
}

function failed(settings: Settings, { name, text }: Trial, error: unknown): UsageError {
  const setting = settings.setting(name)
  const { called, place } = setting?.origin ?? { called: `--${name}`, place: 'its default' }
  const code = String(codeOf(error))
  const why = code === 'EACCES' ? 'this user may not open that port' : REASONS[code] ?? code
  return new UsageError(`${called} ${shown(name, text)}: ${why} (from ${place}). Give another one, or shift all ports with --instance NUMBER`, 'listen_failed', FAILED)
}

function trialsOf(settings: Settings, { listen, discoveryPort, httpPort }: Place): readonly Trial[] {
  const addresses = listen.flatMap(text => {
    const [, family, host, port] = /^\/ip([46])\/([^/]+)\/tcp\/(\d+)(?:\/|$)/.exec(text) ?? []
    return host === undefined ? [] : [{ text, host, port: Number(port), ipv6Only: family === '6' }]
  })
  const trials: Trial[] = addresses.map(({ text, host, port, ipv6Only }) => ({ name: 'p2p.listen', text, open: async () => tcp({ host, port, ipv6Only }) }))
  const [first] = addresses
  if (settings.get('discovery.enabled') && first !== undefined) {
    const port = discoveryPort ?? (first.port === 0 ? 0 : Math.min(first.port + 1, MOST_PORT))
    trials.push({ name: 'discovery.port', text: String(port), open: async () => udp(first.host, port, first.ipv6Only) })
  }
  if (httpPort !== undefined) trials.push({ name: 'http.port', text: String(httpPort), open: async () => tcp({ host: settings.get('http.host') ?? DEFAULT_HTTP_HOST, port: httpPort, ipv6Only: false }) })
  return trials
}

async function tcp(at: { readonly host: string; readonly port: number; readonly ipv6Only: boolean }): Promise<() => Promise<void>> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => { socket.destroy() })
    server.once('error', reject)
    server.listen({ ...at, exclusive: true }, () => { resolve(async () => new Promise(closed => { server.close(() => { closed() }) })) })
  })
}

async function udp(address: string, port: number, ipv6Only: boolean): Promise<() => Promise<void>> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: ipv6Only ? 'udp6' : 'udp4', ipv6Only })
    socket.once('error', error => { socket.close(); reject(error) })
    socket.bind({ address, port, exclusive: true }, () => { resolve(async () => new Promise(closed => { socket.close(() => { closed() }) })) })
  })
}
