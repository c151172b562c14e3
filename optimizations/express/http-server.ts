import { createServer, type RequestListener, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { answerClientErrors } from './client-error.ts'
import { HttpConnections } from './http-connections.ts'
import { HTTP_METHODS } from './http-methods.ts'
import { rawProblem } from './raw-problem.ts'
import { RequestError } from './request-error.ts'

/** How often Node looks for connections whose time is over: by so much each limit may be exceeded. */
const CHECK_MS = 1_000

export interface HttpServerOptions {
  /** Until the head of a request is there, counted from its first byte, and on a new connection from its opening: 10 s. */
  readonly headersTimeoutMs?: number
  /** Of a request from its head to its reply, 30 s; the request context answers when it is over. */
  readonly requestTimeoutMs?: number
  /** How long a connection stays open after a reply, without another request: 75 s. */
  readonly keepAliveTimeoutMs?: number
  /**
   * Who refuses a head without a Host (RFC 9112, 3.2) or with an unknown expectation (RFC 9110, 10.1.1): Node, with a
   * reply without a body, or the listener, which gets it. By default Node.
   */
  readonly headsAreCheckedBy?: 'node' | 'listener'
}

export interface HttpServer {
  readonly server: Server
  readonly connections: HttpConnections
}

/**
 * An HTTP server for an application that knows what is asked on each connection, so that a drain can end it. It answers
 * by itself, as a problem (RFC 9457), what Node would answer with an empty reply.
 */
export function createHttpServer(
  listener: RequestListener,
  {
    headersTimeoutMs = 10_000,
    requestTimeoutMs = 30_000,
    // Longer than any client or proxy keeps one: when the server closes first, a request that is on its way meets a reset.
    keepAliveTimeoutMs = 75_000,
    headsAreCheckedBy = 'node',
  }: HttpServerOptions = {},
): HttpServer {
  const connections = new HttpConnections(listener)
  const server = createServer({
    headersTimeout: headersTimeoutMs,
    // Behind the request context, which knows whose fault it is: for bodies of requests that it never saw.
    requestTimeout: headersTimeoutMs + requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: CHECK_MS,
    requireHostHeader: headsAreCheckedBy === 'node',
  })
  // Not a byte in either direction, behind all other limits: the client has stopped to read its reply.
  server.timeout = 2 * (headersTimeoutMs + requestTimeoutMs)
  server.on('connection', (socket) => connections.of(socket))
  server.on('request', connections.take)
  if (headsAreCheckedBy === 'listener') server.on('checkExpectation', connections.take)
  server.on('connect', (_request, socket) => {
    // Node has let go of it, and of its errors.
    socket.on('error', () => undefined)
    const refusal = new RequestError(405, 'method_not_allowed', 'CONNECT is not possible here: this is no proxy.')
    connections.of(socket as Socket).endWith(rawProblem(refusal, { allow: HTTP_METHODS.join(', ') }))
  })
  answerClientErrors(server, connections)
  return { server, connections }
}
