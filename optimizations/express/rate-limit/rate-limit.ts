import type { Request, RequestHandler, Response } from 'express'
import { RequestError } from '../request-error.ts'
import type { RateLimiter } from './rate-limiter.ts'

/** The next token of many that are missing comes sooner than all of them. */
const RETRY_PART_MS = 1_000

function refusal(response: Response, retryAfterMs: number): RequestError {
  response.setHeader('retry-after', Math.ceil(retryAfterMs / 1_000))
  return new RequestError(429, 'rate_limited', 'Too many requests: slow down.')
}

/**
 * Refuses with 429 and `Retry-After` (RFC 6585, RFC 9110) what comes faster than the limit allows. `keyOf` names whoever
 * the request is counted for. Without a limiter everything passes.
 */
export function createRateLimit(
  limiter: RateLimiter | undefined,
  keyOf: (request: Request, response: Response) => string,
): RequestHandler {
  // Express 4 does not look at what a handler returns, so a failure is handed on.
  return async (request, response, next) => {
    try {
      const decision = await limiter?.take(keyOf(request, response))
      if (decision?.isAllowed === false) throw refusal(response, decision.retryAfterMs)
    } catch (error) {
      next(error)
      return
    }
    next()
  }
}

export interface WantedTokens {
  /** Whoever they are counted for. */
  readonly key: string
  readonly wanted: number
  /** Is told the time to wait in `Retry-After`. */
  readonly response: Response
}

/** Takes up to so many tokens, and answers how many; throws a 429 when it got none. */
export async function takeTokens(
  limiter: RateLimiter | undefined,
  { key, wanted, response }: WantedTokens,
): Promise<number> {
  if (limiter === undefined) return wanted
  const decisions = await Promise.all(Array.from({ length: wanted }, () => limiter.take(key)))
  let granted = 0
  let retryAfterMs = 0
  for (const decision of decisions) {
    if (decision.isAllowed) granted += 1
    else retryAfterMs = Math.max(retryAfterMs, decision.retryAfterMs)
  }
  if (granted === 0) throw refusal(response, retryAfterMs)
  return granted
}

/** The same for what cannot be done in part. */
export async function requireTokens(limiter: RateLimiter | undefined, tokens: WantedTokens): Promise<void> {
  const granted = await takeTokens(limiter, tokens)
  if (granted < tokens.wanted) throw refusal(tokens.response, RETRY_PART_MS)
}
