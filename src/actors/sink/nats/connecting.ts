import { readFile } from 'node:fs/promises'
import type * as Streams from '@nats-io/jetstream'
import type * as Core from '@nats-io/transport-node'
import type { ConnectionOptions, NatsConnection } from '@nats-io/transport-node'
import { messageOf } from '../../../protocol/thrown.js'
import { SinkError } from '../errors.js'
import type { SinkErrorCode } from '../errors.js'

/** Paths of PEM files, for a server whose certificate is not publicly trusted, or that wants one of its clients. */
export interface NatsTls {
  readonly caFile?: string
  readonly certFile?: string
  readonly keyFile?: string
}

/** How a NATS server is reached. */
export interface NatsReach {
  /** `nats://host:4222`, `tls://host:4222`, one or several of a cluster; user and password, or a token, may be in it. */
  readonly servers: string | readonly string[]
  /** A credentials file (`.creds`, a JWT and its seed). Read anew at every connection. */
  readonly credentials?: string
  /** TLS is used where the URL says `tls://`, the server demands it, or files are given here. */
  readonly tls?: NatsTls
}

/** How long a server may take to be connected to, or to answer, ms. */
export const ANSWER_WITHIN = 5_000
/** A connection on which nothing comes back is given up after two of these, ms. */
const PING_EVERY = 4_000

/** Loaded only where a broker is used: the packages are optional. @throws SinkError `no_client` */
export async function natsClient(): Promise<{ readonly core: typeof Core; readonly streams: typeof Streams }> {
  try {
    const [core, streams] = await Promise.all([import('@nats-io/transport-node'), import('@nats-io/jetstream')])
    return { core, streams }
  } catch (error) {
    throw new SinkError('no_client', 'the client of NATS is not installed: npm install @nats-io/transport-node @nats-io/jetstream', undefined, { cause: error })
  }
}

interface Parsed { readonly servers: readonly string[]; readonly user: string; readonly password: string; readonly tls: boolean }

/** @throws SinkError `bad_config` */
export function parseServers(servers: string | readonly string[]): Parsed {
  const all = (typeof servers === 'string' ? servers.split(',') : servers).map(server => parseServer(server.trim()))
  if (all.length === 0) throw new SinkError('bad_config', 'a server is needed, nats://host:4222', servers)
  const { username, password } = all[0]!
  return {
    servers: all.map(({ hostname, port }) => `${hostname}:${port === '' ? '4222' : port}`), tls: all.some(({ protocol }) => protocol === 'tls:'),
    user: decodeURIComponent(username), password: decodeURIComponent(password),
  }
}

function parseServer(server: string): URL {
  let url: URL | undefined
  try {
    url = new URL(server.replace(/^tls:/, 'https:').replace(/^nats:/, 'http:'))
  } catch { /* said below */ }
  // A port that is the scheme's own is left out by URL.
  const port = /:(\d+)\/?$/.exec(server)?.[1] ?? ''
  if (url === undefined || !/^(nats|tls):\/\//.test(server) || url.hostname === '') {
    throw new SinkError('bad_config', 'a server is nats://host:4222 or tls://host:4222', server.replace(/\/\/.*@/, '//…@'))
  }
  return { protocol: server.startsWith('tls:') ? 'tls:' : 'nats:', hostname: url.hostname, port, username: url.username, password: url.password } as URL
}

/** One connection: when it is lost, it is over, and whoever holds it begins anew. @throws SinkError */
export async function connectTo(reach: NatsReach, name: string): Promise<NatsConnection> {
  const { core } = await natsClient()
  const { servers, user, password, tls } = parseServers(reach.servers)
  const options: ConnectionOptions = {
    servers: [...servers], name, reconnect: false, timeout: ANSWER_WITHIN, pingInterval: PING_EVERY, maxPingOut: 2,
    ...user !== '' && (password === '' ? { token: user } : { user, pass: password }),
    ...reach.credentials !== undefined && { authenticator: core.credsAuthenticator(await credentialsOf(reach.credentials)) },
    ...(tls || reach.tls !== undefined) && { tls: { ...reach.tls } },
  }
  try {
    return await core.connect(options)
  } catch (error) {
    throw sinkErrorOf(error, `${servers.join(', ')} cannot be reached`)
  }
}

async function credentialsOf(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new SinkError('bad_config', 'the credentials file cannot be read', path, { cause: error })
  }
}

/** Answers of JetStream by their code. */
const API_CODES: Readonly<Record<number, SinkErrorCode>> = {
  10071: 'refused', 10164: 'refused', 10070: 'refused', 10059: 'gone', 10077: 'full', 10023: 'full', 10047: 'full', 10054: 'too_large', 10039: 'misconfigured', 10076: 'misconfigured',
}
/** A refusal of JetStream by its code. */
export const apiError = (code: number | undefined, description: string | undefined): SinkError =>
  new SinkError(API_CODES[code ?? 0] ?? 'failed', `the stream did not take a message: ${description ?? 'no reason'}`, code)

/** Names of the client's own errors. */
const NAMES: Readonly<Record<string, SinkErrorCode>> = {
  TimeoutError: 'timeout', AuthorizationError: 'unauthorized', UserAuthenticationExpiredError: 'unauthorized', PermissionViolationError: 'unauthorized',
  ClosedConnectionError: 'away', ConnectionError: 'away', DrainingConnectionError: 'away', NoRespondersError: 'gone', JetStreamNotEnabled: 'gone',
}

/** What a call of the client failed with, as ours. `doing`: what could not be done. */
export function sinkErrorOf(error: unknown, doing: string): SinkError {
  if (error instanceof SinkError) return error
  const { code, name, cause } = error as { readonly code?: unknown; readonly name?: string; readonly cause?: { readonly name?: string } }
  const text = messageOf(error).split('\n', 1)[0]!
  // A limit of the stream and one of the disk have the same code.
  const known = typeof code === 'number' ? API_CODES[code] : NAMES[cause?.name ?? ''] ?? NAMES[name ?? ''] ?? (/max_payload/i.test(text) ? 'too_large' as const : undefined)
  return new SinkError(known ?? (typeof code === 'string' ? 'away' : 'failed'), `${doing}: ${text}`, undefined, { cause: error })
}
