/** A validator thread on a machine where the native library does not load. */
import { workerData } from 'node:worker_threads'
import { serve } from '../../../src/actors/validator/serve.js'
import type { WorkerData } from '../../../src/actors/validator/serve.js'
import { defaultLoaders } from '../../../src/protocol/backends.js'
import { loadCrypto } from '../../../src/protocol/index.js'

const recover = { ...defaultLoaders.recover, secp256k1: () => Promise.reject(new Error('no binary for this platform')) }

export const { greet, check } = serve((workerData as WorkerData).rules, loadCrypto({ loaders: { ...defaultLoaders, recover } }))
