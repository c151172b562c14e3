import { randomUUID } from 'node:crypto'
import { problemDetails, PROBLEM_TYPE, RETRY_AFTER_SEC } from './problem-details.ts'
import type { RequestError } from './request-error.ts'

/** A whole reply for what never becomes a request that Express sees. The connection is of no use after it. */
export function rawProblem(error: RequestError, headers: Readonly<Record<string, string>> = {}): string {
  const requestId = randomUUID()
  const { status, code, message: detail } = error
  const problem = problemDetails({ status, code, detail }, requestId)
  const body = JSON.stringify(problem)
  const all = {
    date: new Date().toUTCString(),
    'content-type': PROBLEM_TYPE,
    'content-length': Buffer.byteLength(body),
    'x-request-id': requestId,
    'x-content-type-options': 'nosniff',
    connection: 'close',
    ...(status === 503 ? { 'retry-after': RETRY_AFTER_SEC } : {}),
    ...headers,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  return `HTTP/1.1 ${status} ${problem.title}\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}
