import { Server as NetServer } from 'node:net'
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises'
import type { RequestHandler } from 'express'
import { beforeHead } from './before-head.ts'
import type { HttpConnection } from './http-connection.ts'
import type { HttpConnections } from './http-connections.ts'
import type { HttpServer } from './http-server.ts'
import { rawProblem } from './raw-problem.ts'
import { endRequest } from './request-context.ts'
import { RequestError } from './request-error.ts'

/** How long the listener may wait for an empty backlog. With requests held it takes as many turns as clients wait. */
const BACKLOG_LIMIT_MS = 250
/** A turn of the event loop so short that hardly anybody has connected since it looked. */
const SHORT_TURN_MS = 0.5
const SWEEP_MS = 20
/** Without a byte for so long, counted from the close of the listener: what was sent before it has arrived. */
const QUIET_MS = 300
/** A head that comes byte by byte is waited for no longer, counted from the close of the listener. */
const HEAD_MS = 700
/** For the last replies to leave the process. */
const FLUSH_MS = 250

export interface DrainOptions {
  /** How long the listener goes on answering after readiness turned false, so that balancers can turn away. */
  readonly graceMs: number
  /** When what is still in flight is told that it will not be finished; counted from the beginning, as the grace is. */
  readonly timeoutMs: number
  readonly onListenerClosed?: () => void
}

/** Whether the process still takes requests. Readiness turns false before the listener closes. */
export interface Drain {
  readonly draining: boolean
  /** Once the listener is closed, tells every client to take its next request elsewhere. */
  readonly middleware: RequestHandler
  /** Turns readiness false, goes on answering for the grace, then stops accepting and waits for the requests in flight. */
  finish(http: HttpServer, options: DrainOptions): Promise<'drained' | 'cut off'>
}

const shuttingDown = (): RequestError => new RequestError(503, 'shutting_down', 'This server is stopping: try again.')

/**
 * The kernel resets whoever stands in the backlog when the listener closes. Node accepts one connection in each turn of
 * its loop; held requests do not lengthen the turns, and their clients do not come back, so the backlog empties.
 */
async function closeListener({ server, connections }: HttpServer): Promise<{ readonly allClosed: Promise<void> }> {
  const release = connections.hold()
  let accepted = 0
  const count = (): void => void (accepted += 1)
  server.on('connection', count)
  const giveUpAt = performance.now() + BACKLOG_LIMIT_MS
  let isQuiet = false
  while (!isQuiet && performance.now() < giveUpAt) {
    accepted = 0
    const began = performance.now()
    await turn()
    isQuiet = accepted === 0 && performance.now() - began < SHORT_TURN_MS
  }
  const { promise: allClosed, resolve } = Promise.withResolvers<void>()
  // Not the close of http, which ends at once also connections whose first request is still on its way.
  NetServer.prototype.close.call(server, () => resolve())
  server.off('connection', count)
  setImmediate(release)
  return { allClosed }
}

/** Closes, now and again, what nobody asks anything on any more. Returns how to stop that. */
function sweep(connections: HttpConnections): () => void {
  const startedAt = performance.now()
  const quiet = new WeakMap<HttpConnection, { bytes: number; since: number }>()
  const look = (): void => {
    const now = performance.now()
    for (const connection of connections.all()) {
      const { state, bytesRead } = connection
      const known = quiet.get(connection)
      if (state === 'busy' || known?.bytes !== bytesRead) {
        quiet.set(connection, { bytes: bytesRead, since: now })
        if (state !== 'begun' || now - startedAt < HEAD_MS) continue
      } else if (now - known.since < QUIET_MS && (state !== 'begun' || now - startedAt < HEAD_MS)) {
        continue
      }
      if (state === 'idle') connection.destroy()
      if (state === 'begun') connection.endWith(rawProblem(shuttingDown()))
    }
  }
  // In the turn after the timer's: before it looks, the loop has read what waited in the kernel.
  const timer = setInterval(() => setImmediate(look), SWEEP_MS)
  return () => clearInterval(timer)
}

/** Says to everybody who still waits that the answer will not come. */
function refuseTheRest(connections: HttpConnections): void {
  for (const connection of connections.all()) {
    for (const response of connection.responses) endRequest(response, shuttingDown())
    if (connection.state === 'begun') connection.endWith(rawProblem(shuttingDown()))
  }
}

export function createDrain(): Drain {
  let draining = false
  let isListenerClosed = false
  return {
    get draining() {
      return draining
    },
    middleware: (_request, response, next) => {
      // Not before: a client that comes back on a new connection is what the backlog is made of. Also for a request that
      // came earlier, whose connection would carry the next one.
      beforeHead(response, () => {
        if (isListenerClosed) response.setHeader('connection', 'close')
      })
      next()
    },
    async finish(http, { graceMs, timeoutMs, onListenerClosed }) {
      const deadlineAt = performance.now() + timeoutMs
      draining = true
      await sleep(graceMs)
      const { allClosed } = await closeListener(http)
      isListenerClosed = true
      onListenerClosed?.()
      const stopSweeping = sweep(http.connections)
      const drained = allClosed.then(() => 'drained' as const)
      const within = (ms: number): Promise<'drained' | undefined> => {
        const over = new AbortController()
        const late = sleep(Math.max(0, ms), undefined, { signal: over.signal }).catch(() => undefined)
        return Promise.race([drained, late]).finally(() => over.abort())
      }
      const outcome = await within(deadlineAt - performance.now())
      stopSweeping()
      if (outcome !== undefined) return outcome
      refuseTheRest(http.connections)
      await within(FLUSH_MS)
      http.server.closeAllConnections()
      return 'cut off'
    },
  }
}
