import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { HttpConnections } from './http-connections.ts'
import { rawProblem } from './raw-problem.ts'
import { endRequest } from './request-context.ts'
import { RequestError, type RequestErrorCode } from './request-error.ts'

/** What Node says of bytes that are no request, and what HTTP says of that. */
const STATUS_OF_CODE: Readonly<Record<string, readonly [number, RequestErrorCode, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'headers_too_large', 'The head of the request is too large.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'body_too_large', 'The body says more about itself than it holds.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'request_timeout', 'The request did not arrive in time.'],
}

const UNREADABLE = [400, 'bad_request', 'The request could not be read.'] as const

function clientError(code: string | undefined): RequestError {
  const [status, name, detail] = STATUS_OF_CODE[code ?? ''] ?? UNREADABLE
  return new RequestError(status, name, detail)
}

/** Answers with a problem also what is no HTTP, is too long, or does not arrive. */
export function answerClientErrors(server: Server, connections: HttpConnections): void {
  server.on('clientError', (error: Error & { readonly code?: string }, socket: Socket) => {
    const connection = connections.of(socket)
    if (connection.state === 'closing') return
    // Whoever has closed the connection hears nothing any more; whoever never asked anything must not be answered: the
    // answer would be taken for that to a request which is on its way.
    if (error.code === 'ECONNRESET' || !socket.writable || connection.state === 'idle') return connection.destroy()
    const answer = clientError(error.code)
    const last = connection.responses.at(-1)
    if (last === undefined) return connection.endWith(rawProblem(answer))
    // The fault is in the body of the last request, or behind it: then the requests before get their replies first.
    const isBehind = last.req.complete
    last.once('close', () => connection.endWith(isBehind ? rawProblem(answer) : ''))
    if (!isBehind) endRequest(last, answer)
  })
}
