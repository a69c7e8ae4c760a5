/** `node --import …/register.js?yamux-frames`: this process runs without that work-around. See ./hooks.ts. */
import { register } from 'node:module'

register('./hooks.js', import.meta.url, { data: new URL(import.meta.url).search.slice(1) })
// The driver takes it by `require`, which knows no hooks, and finds what is loaded already.
await import('../../../src/actors/network/node.js')
