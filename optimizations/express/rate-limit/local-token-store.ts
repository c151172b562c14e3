import { LRUCache } from 'lru-cache'
import type { TokenStore } from './token-store.ts'

const MAX_BUCKETS = 10_000

/** Buckets of this process alone. */
export function createLocalTokenStore(now: () => number): TokenStore {
  const buckets = new LRUCache<string, { readonly tokens: number; readonly at: number }>({ max: MAX_BUCKETS })
  return {
    async take(key, asked, { tokensPerSec, burst }) {
      const at = now()
      const bucket = buckets.get(key) ?? { tokens: burst, at }
      const tokens = Math.min(burst, bucket.tokens + ((at - bucket.at) * tokensPerSec) / 1_000)
      const granted = Math.min(asked, Math.floor(tokens))
      buckets.set(key, { tokens: tokens - granted, at })
      return { granted, retryAfterMs: granted > 0 ? 0 : Math.ceil(((1 - tokens) * 1_000) / tokensPerSec) }
    },
    async giveBack(key, given, { burst }) {
      const bucket = buckets.get(key)
      // One that has been forgotten is full already.
      if (bucket !== undefined) buckets.set(key, { ...bucket, tokens: Math.min(burst, bucket.tokens + given) })
    },
  }
}
