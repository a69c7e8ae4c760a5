/**
 * `Promise.withResolvers`, which Node 20 lacks and libp2p's queues call. Imported first by whatever loads libp2p, and by every
 * worker. Does nothing where the platform has it (Node 22 and later).
 */
interface WithResolvers<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T | PromiseLike<T>) => void
  readonly reject: (reason?: unknown) => void
}

function withResolvers<T>(this: PromiseConstructor): WithResolvers<T> {
  let resolve!: WithResolvers<T>['resolve']
  let reject!: WithResolvers<T>['reject']
  const promise = new this<T>((onResolve, onReject) => { resolve = onResolve; reject = onReject })
  return { promise, resolve, reject }
}

if (!('withResolvers' in Promise)) {
  Object.defineProperty(Promise, 'withResolvers', { value: withResolvers, configurable: true, writable: true, enumerable: false })
}
