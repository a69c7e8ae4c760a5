/** Who may ask over HTTP. A browser on this machine reaches loopback too, on behalf of any page that it shows. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIP, isIPv4 } from 'node:net'

/** Why a request goes no further. */
export interface Refusal { readonly status: 400 | 401 | 403 | 405 | 413 | 415; readonly why: string }

export const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))

export class Guard {
  readonly #token: Buffer | undefined
  readonly loopback: boolean

  /** @param host that we listen on: an address, or a name */
  constructor(private readonly host: string, token: string | undefined) {
    this.#token = token === undefined ? undefined : digest(token)
    this.loopback = isLoopback(host)
  }

  get hasToken(): boolean { return this.#token !== undefined }

  /**
   * Refuses what a page in a browser can make a browser send: a name of the page's own that leads here (DNS rebinding needs a name, so an address
   * in `Host` is none), and requests from another origin.
   */
  refuses({ headers }: IncomingMessage): Refusal | undefined {
    const named = hostname(headers.host)
    if (named === undefined) return { status: 400, why: 'the Host header is missing or wrong' }
    if (isIP(named) === 0 && named !== 'localhost' && named !== this.host.toLowerCase()) return { status: 403, why: 'this Host is not served here' }
    const { origin } = headers
    if (origin !== undefined && origin !== `http://${headers.host}`) return { status: 403, why: 'requests from other origins are not served' }
    const site = headers['sec-fetch-site']
    if (site !== undefined && site !== 'same-origin' && site !== 'none') return { status: 403, why: 'requests from other sites are not served' }
    return undefined
  }

  /** A body of another type is what a page can send without being asked about it first. */
  refusesType({ headers }: IncomingMessage): Refusal | undefined {
    const [type = ''] = (headers['content-type'] ?? '').split(';')
    return type.trim().toLowerCase() === 'application/json' ? undefined : { status: 415, why: 'the content type is application/json' }
  }

  /** Whether the request carries the token. */
  knows({ headers: { authorization = '' } }: IncomingMessage): boolean {
    const [, given] = /^bearer +(\S{1,1024})$/i.exec(authorization) ?? []
    return given !== undefined && this.#token !== undefined && timingSafeEqual(digest(given), this.#token)
  }

  mayRead(request: IncomingMessage): boolean { return this.loopback || this.knows(request) }
}

/** Of equal length whatever was given. */
const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** The name or address in a Host header, without the port and brackets; `undefined` where it is none. */
function hostname(host: string | undefined): string | undefined {
  const [, bracketed, plain] = /^(?:\[([0-9a-f:.]{2,45})\]|([a-z0-9._-]{1,253}))(?::\d{1,5})?$/i.exec(host ?? '') ?? []
  return (bracketed ?? plain)?.toLowerCase()
}
