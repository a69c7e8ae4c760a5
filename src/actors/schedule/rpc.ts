import { codeOf, isErrorLike } from '../../protocol/thrown.js'
import { ScheduleError } from './errors.js'

/** One JSON-RPC call to one endpoint. @throws whatever its transport throws */
export type Call = (method: string, params: readonly unknown[], signal: AbortSignal) => Promise<unknown>

/** Opens endpoints by URL. Tests bring their own. */
export type OpenRpc = (url: string, limits: { readonly maxResponse: number; readonly callWithin: number }) => Call

/** Endpoints over HTTP. viem is loaded here, so whoever follows no L1 does without. */
export async function httpRpc(): Promise<OpenRpc> {
  const { http, BaseError, RpcRequestError, HttpRequestError, ResponseBodyTooLargeError } = await import('viem')
  return (url, { maxResponse, callWithin }) => {
    const { request } = http(url, { retryCount: 0, timeout: callWithin, maxResponseBodySize: maxResponse })({ retryCount: 0, timeout: callWithin })
    const send = request as (body: { method: string; params: readonly unknown[] }, options: { signal: AbortSignal }) => Promise<unknown>
    return async (method, params, signal) => {
      try {
        return await send({ method, params }, { signal })
      } catch (error) {
        // viem's own texts repeat the URL, which may hold a secret
        const find = <T>(type: abstract new (...args: never[]) => T): T | undefined => {
          const found: unknown = error instanceof BaseError ? error.walk(each => each instanceof type) : undefined
          return found instanceof type ? found : undefined
        }
        const refusal = find(RpcRequestError)
        if (refusal !== undefined) throw new ScheduleError('rpc_refused', `${method}: ${refusal.details.slice(0, 200)}`, refusal.code)
        if (find(ResponseBodyTooLargeError) !== undefined) throw new ScheduleError('rpc_refused', `${method}: the answer is over ${maxResponse} bytes`, 'too_large')
        const status = find(HttpRequestError)?.status
        if (status === 400 || status === 413) throw new ScheduleError('rpc_refused', `${method}: HTTP status ${status}`, status)
        throw new ScheduleError('rpc_failed', `${method}: ${status === undefined ? kindOf(error) : `HTTP status ${status}`}`, status)
      }
    }
  }
}

/** The innermost reason: the system's code, or the name of the error. */
function kindOf(error: unknown): string {
  for (let each = error; isErrorLike(each); each = each.cause) {
    const code = codeOf(each)
    if (code !== undefined) return code
    if (!isErrorLike(each.cause)) return each.name
  }
  return 'failed'
}
