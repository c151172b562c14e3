import type { Request, RequestHandler, Response } from 'express'
import { principalOf } from '../access-token.ts'
import { clientAddress } from '../client-address.ts'
import { HttpError } from '../problem.ts'
import type { RateLimiter } from './rate-limiter.ts'

/** The next token of many that are missing comes sooner than all of them. */
const RETRY_PART_MS = 1_000

export const byAddress = (request: Request): string => clientAddress(request)
/** Behind `authenticate` only. */
export const byUser = (_request: Request, response: Response): string => principalOf(response).id

function refuse(response: Response, retryAfterMs: number): never {
  response.setHeader('retry-after', Math.ceil(retryAfterMs / 1_000))
  throw new HttpError(429, 'rate_limited', 'Too many requests: slow down.')
}

/** Refuses with 429 and `Retry-After` (RFC 6585, RFC 9110) what comes faster than the limit allows. */
export function createRateLimit(
  limiter: RateLimiter | undefined,
  keyOf: (request: Request, response: Response) => string,
): RequestHandler {
  return async (request, response, next) => {
    const decision = await limiter?.take(keyOf(request, response))
    if (decision?.isAllowed === false) refuse(response, decision.retryAfterMs)
    next()
  }
}

/** Takes up to so many tokens of who asks, and answers how many. Behind `authenticate` only. */
export async function takeTokens(
  limiter: RateLimiter | undefined,
  response: Response,
  wanted: number,
): Promise<number> {
  if (limiter === undefined) return wanted
  const { id } = principalOf(response)
  const decisions = await Promise.all(Array.from({ length: wanted }, () => limiter.take(id)))
  let granted = 0
  let retryAfterMs = 0
  for (const decision of decisions) {
    if (decision.isAllowed) granted += 1
    else retryAfterMs = Math.max(retryAfterMs, decision.retryAfterMs)
  }
  if (granted === 0) refuse(response, retryAfterMs)
  return granted
}

/** The same for what cannot be done in part. */
export async function requireTokens(
  limiter: RateLimiter | undefined,
  response: Response,
  wanted: number,
): Promise<void> {
  const granted = await takeTokens(limiter, response, wanted)
  if (granted < wanted) refuse(response, RETRY_PART_MS)
}
