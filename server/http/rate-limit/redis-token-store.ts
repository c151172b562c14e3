import { createHash } from 'node:crypto'
import { Redis } from 'ioredis'
import type { Bucket, Grant, TokenStore } from './token-store.ts'

/**
 * By the clock of Redis, which all processes share. The bucket is forgotten once it would be full again.
 * KEYS: the bucket. ARGV: tokens per millisecond, burst, tokens asked for. Answers tokens granted and milliseconds to wait.
 */
const TAKE = `
local rate, burst, asked = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(bucket[1]) or burst, tonumber(bucket[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local granted = math.min(asked, math.floor(tokens))
tokens = tokens - granted
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', string.format('%.3f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate) + 1000)
if granted > 0 then return { granted, 0 } end
return { 0, math.ceil((1 - tokens) / rate) }`
const TAKE_SHA = createHash('sha1').update(TAKE).digest('hex')

/** A limit must not cost more than what it protects: past this a request goes on without it. */
const COMMAND_TIMEOUT_MS = 250
const CONNECT_TIMEOUT_MS = 1_000
const LONGEST_RETRY_MS = 2_000

/** Buckets in Redis. Comes back by itself when Redis does. */
export class RedisTokenStore implements TokenStore, AsyncDisposable {
  readonly #redis: Redis
  readonly #prefix: string

  constructor(options: { readonly url: string; readonly namespace: string }) {
    this.#prefix = `${options.namespace}:limit:`
    this.#redis = new Redis(options.url, {
      lazyConnect: true,
      // Without these a command waits for a Redis that is away, for over a minute in ioredis 6.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout: COMMAND_TIMEOUT_MS,
      connectTimeout: CONNECT_TIMEOUT_MS,
      retryStrategy: (attempt) => Math.min(LONGEST_RETRY_MS, 50 * 2 ** attempt),
    })
    // Whoever takes a token is told.
    this.#redis.on('error', () => undefined)
  }

  /** Resolves also when Redis is away: it is tried again in the background. */
  async start(): Promise<void> {
    await this.#redis.connect().catch(() => undefined)
  }

  async take(key: string, tokens: number, { tokensPerSec, burst }: Bucket): Promise<Grant> {
    const args = [1, `${this.#prefix}${key}`, tokensPerSec / 1_000, burst, tokens] as const
    const [granted, retryAfterMs] = (await this.#redis.evalsha(TAKE_SHA, ...args).catch((error: unknown) => {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return this.#redis.eval(TAKE, ...args)
    })) as [number, number]
    return { granted, retryAfterMs }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#redis.disconnect()
  }
}
