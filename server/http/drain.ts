import type { Server } from 'node:http'

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
      server.closeIdleConnections()
      const { promise: late, resolve: giveUp } = Promise.withResolvers<'cut off'>()
      const timer = setTimeout(() => giveUp('cut off'), deadlineMs)
      const outcome = await Promise.race([closed, late])
      clearTimeout(timer)
      if (outcome === 'cut off') server.closeAllConnections()
      return outcome
    },
  }
}
