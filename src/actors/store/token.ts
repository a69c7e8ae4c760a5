import { threadId } from 'node:worker_threads'

let openers = 0

/** Names an opener of the database: another one for every call, in every thread of this process. */
export const newToken = (): string => `${process.pid}.${threadId}.${++openers}`
