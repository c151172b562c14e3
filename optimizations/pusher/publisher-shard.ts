import type { CircuitBreaker } from './circuit-breaker.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { PusherApp } from './pusher-app.ts'
import type { PusherTransport } from './pusher-transport.ts'
import type { RateLimiter } from './rate-limiter.ts'

/** One app with everything that is its own: a limit, a breaker, connections, a queue. */
export interface PublisherShard {
  readonly app: PusherApp
  readonly transport: PusherTransport
  readonly limiter: RateLimiter
  readonly breaker: CircuitBreaker
  readonly dispatcher: Dispatcher
}

/**
 * Which of several apps carries a channel: FNV-1a (32 bits) of its name, modulo their number. Subscribers must follow
 * the same rule, and changing the number of apps moves channels.
 */
export function appIndexOf(channel: string, apps: number): number {
  let hash = 0x81_1c_9d_c5
  for (let index = 0; index < channel.length; index += 1) {
    hash = Math.imul(hash ^ channel.charCodeAt(index), 0x01_00_01_93)
  }
  return (hash >>> 0) % apps
}

export function shardOf(shards: readonly PublisherShard[], channel: string): PublisherShard {
  return shards[appIndexOf(channel, shards.length)] as PublisherShard
}
