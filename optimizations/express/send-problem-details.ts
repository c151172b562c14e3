import type { ServerResponse } from 'node:http'
import { PROBLEM_TYPE, RETRY_AFTER_SEC, type ProblemDetails } from './problem-details.ts'
import { sendBody } from './send-body.ts'

/** Sends a problem as the reply, unless there is one already. */
export function sendProblemDetails(response: ServerResponse, problem: ProblemDetails): void {
  if (response.headersSent) return
  if (problem.status === 503) response.setHeader('retry-after', RETRY_AFTER_SEC)
  response.statusCode = problem.status
  sendBody(response, PROBLEM_TYPE, JSON.stringify(problem))
}
