import { createServer, type RequestListener, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { answerClientErrors } from './client-error.ts'
import { HttpConnections } from './http-connections.ts'
import { HttpError } from './problem.ts'
import { rawProblem } from './raw-problem.ts'
import { METHODS } from './server-options.ts'

/** How often Node looks for connections whose time is over: by so much each limit may be exceeded. */
const CHECK_MS = 1_000

/** Every limit that a connection has in time. */
export interface HttpTimeouts {
  /** Until the head of a request is there, counted from its first byte, and on a new connection from its opening. */
  readonly headersTimeoutMs: number
  /** Of a request from its head to its reply; the request context answers when it is over. */
  readonly requestTimeoutMs: number
  /** How long a connection stays open after a reply, without another request. */
  readonly keepAliveTimeoutMs: number
}

export interface HttpServer {
  readonly server: Server
  readonly connections: HttpConnections
}

/** An HTTP server for `listener` that answers by itself, as a problem, what Node would answer with an empty reply. */
export function createHttpServer(
  listener: RequestListener,
  { headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs }: HttpTimeouts,
): HttpServer {
  const connections = new HttpConnections(listener)
  const server = createServer({
    headersTimeout: headersTimeoutMs,
    // Behind the request context, which knows whose fault it is: for bodies of requests that it never saw.
    requestTimeout: headersTimeoutMs + requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: CHECK_MS,
    // Asked for by the application, which says it as a problem.
    requireHostHeader: false,
  })
  // Not a byte in either direction, behind all other limits: the client has stopped to read its reply.
  server.timeout = 2 * (headersTimeoutMs + requestTimeoutMs)
  server.on('connection', (socket) => connections.of(socket))
  server.on('request', connections.take)
  server.on('checkExpectation', connections.take)
  server.on('connect', (_request, socket) => {
    // Node has let go of it, and of its errors.
    socket.on('error', () => undefined)
    const refusal = new HttpError(405, 'method_not_allowed', 'CONNECT is not possible here: this is no proxy.')
    connections.of(socket as Socket).endWith(rawProblem(refusal, { allow: METHODS }))
  })
  answerClientErrors(server, connections)
  return { server, connections }
}
