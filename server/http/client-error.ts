import { randomUUID } from 'node:crypto'
import { STATUS_CODES, type Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Problem } from './problem.ts'

/** What Node says of bytes that never become a request, and what HTTP says of that. */
const STATUS_OF_CODE: Readonly<Record<string, readonly [number, string, string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'headers_too_large', 'The head of the request is too large.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'body_too_large', 'The body says more about itself than it holds.'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'request_timeout', 'The request did not arrive in time.'],
}

/** As Express would answer it; it never sees it. The connection is of no use after that. */
function answer(code: string | undefined): string {
  const [status, name, detail] = STATUS_OF_CODE[code ?? ''] ?? [400, 'bad_request', 'The request could not be read.']
  const title = STATUS_CODES[status] ?? 'Error'
  const requestId = randomUUID()
  const body = JSON.stringify({ type: 'about:blank', title, status, detail, code: name, requestId } satisfies Problem)
  const head = [
    `HTTP/1.1 ${status} ${title}`,
    'content-type: application/problem+json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'x-content-type-options: nosniff',
    'connection: close',
  ]
  return `${head.join('\r\n')}\r\n\r\n${body}`
}

/** Answers with a problem also what is no HTTP, is too long, or does not arrive. */
export function answerClientErrors(server: Server): void {
  server.on('clientError', (error: Error & { readonly code?: string }, socket: Socket) => {
    // Whoever has closed the connection hears nothing any more.
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy(error)
      return
    }
    socket.end(answer(error.code))
  })
}
