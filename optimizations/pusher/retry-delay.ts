import type { Random } from '#optimizations/kernel/random.ts'

const MAX_RETRY_AFTER_MS = 300_000

/** Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"): uniform below an exponentially growing cap. */
export function retryDelayMs(random: Random, failures: number, baseMs: number, maxMs: number): number {
  return random() * Math.min(maxMs, baseMs * 2 ** Math.min(failures, 30))
}

/**
 * Milliseconds of a Retry-After header: seconds (some servers send fractions) or an HTTP date. Undefined when there is
 * none or it makes no sense; capped, so that one wrong answer does not silence the publisher for a day.
 */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined
  const text = value.trim()
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS)
}
