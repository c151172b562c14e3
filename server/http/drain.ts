import type { Server } from 'node:http'
import { Server as NetServer } from 'node:net'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import type { RequestHandler } from 'express'
import { beforeHead } from './before-head.ts'

const IDLE_CHECK_MS = 100

export interface DrainOptions {
  /** How long the listener goes on answering after readiness turned false, so that balancers can turn away. */
  readonly graceMs: number
  /** How long the requests in flight are waited for after that. */
  readonly timeoutMs: number
}

/** Whether the process still takes requests. Readiness turns false before the listener closes. */
export interface Drain {
  readonly draining: boolean
  /** Tells the clients of a draining process to take their next request elsewhere. */
  readonly middleware: RequestHandler
  /** Turns readiness false, goes on answering for the grace, then stops accepting and waits for the requests in flight. */
  finish(server: Server, options: DrainOptions): Promise<'drained' | 'cut off'>
}

export function createDrain(): Drain {
  let draining = false
  return {
    get draining() {
      return draining
    },
    middleware: (_request, response, next) => {
      // Also for a request that came before: on its connection would be the next one when the listener closes.
      beforeHead(response, () => {
        if (draining) response.setHeader('connection', 'close')
      })
      next()
    },
    async finish(server, { graceMs, timeoutMs }) {
      draining = true
      await sleep(graceMs)
      // Just after the loop has accepted all who were waiting: the kernel resets whom it would find unaccepted.
      await turn()
      const closed = new Promise<'drained'>((resolve) => {
        // Not the close of http, which ends idle connections at once: on one that was accepted this moment the first
        // request is still on its way.
        NetServer.prototype.close.call(server, () => resolve('drained'))
      })
      // A kept-alive connection is idle only once its last reply is out, so this is asked again and again.
      const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS)
      const { promise: late, resolve: giveUp } = Promise.withResolvers<'cut off'>()
      const timer = setTimeout(() => giveUp('cut off'), timeoutMs)
      const outcome = await Promise.race([closed, late])
      clearTimeout(timer)
      clearInterval(idle)
      if (outcome === 'cut off') server.closeAllConnections()
      return outcome
    },
  }
}
