import { randomUUID } from 'node:crypto'
import { problemOf, type HttpError } from './problem.ts'

/** A whole reply for what never becomes a request that Express sees. The connection is of no use after it. */
export function rawProblem(error: HttpError, headers: Readonly<Record<string, string>> = {}): string {
  const requestId = randomUUID()
  const problem = problemOf(error, requestId)
  const body = JSON.stringify(problem)
  const all = {
    date: new Date().toUTCString(),
    'content-type': 'application/problem+json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    'x-request-id': requestId,
    'x-content-type-options': 'nosniff',
    connection: 'close',
    ...(problem.status === 503 ? { 'retry-after': '1' } : {}),
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  return `HTTP/1.1 ${problem.status} ${problem.title}\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}
