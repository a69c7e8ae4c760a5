/**
 * The entry of a validator thread; runs as JavaScript only. Piscina calls the exports by name and waits for their promises, so
 * the libraries are loaded once, before the first task. What runs here imports the protocol file by file: its index brings SSZ
 * along, which no thread needs and which would double its start.
 */
import { workerData } from 'node:worker_threads'
import { loadCrypto } from '../../protocol/crypto.js'
import { serve } from './serve.js'
import type { WorkerData } from './serve.js'

const { rules, crypto } = workerData as WorkerData

export const { greet, check } = serve(rules, loadCrypto(crypto))
