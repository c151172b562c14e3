import type { Server } from 'node:http'

const IDLE_CHECK_MS = 20

/** Whether the process still takes requests. Readiness turns false before the listener closes. */
export interface Drain {
  readonly draining: boolean
  /** Stops accepting, ends idle connections, and waits for the requests in flight, for at most `deadlineMs`. */
  finish(server: Server, deadlineMs: number): Promise<'drained' | 'cut off'>
}

export function createDrain(): Drain {
  let draining = false
  return {
    get draining() {
      return draining
    },
    async finish(server, deadlineMs) {
      draining = true
      const closed = new Promise<'drained'>((resolve) => {
        server.close(() => resolve('drained'))
      })
      // A kept-alive connection is idle only once its last reply is out, so this is asked again and again.
      server.closeIdleConnections()
      const idle = setInterval(() => server.closeIdleConnections(), IDLE_CHECK_MS)
      const { promise: late, resolve: giveUp } = Promise.withResolvers<'cut off'>()
      const timer = setTimeout(() => giveUp('cut off'), deadlineMs)
      const outcome = await Promise.race([closed, late])
      clearTimeout(timer)
      clearInterval(idle)
      if (outcome === 'cut off') server.closeAllConnections()
      return outcome
    },
  }
}
