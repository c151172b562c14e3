import type { OptionalStore } from './optional-store.ts'
import type { TokenStore } from '#optimizations/express/rate-limit/token-store.ts'

/** Asks the buckets that all processes share, and those of this process while the shared ones are away. */
export function createFallbackTokenStore(
  store: OptionalStore,
  { shared, local }: { readonly shared: TokenStore; readonly local: TokenStore },
): TokenStore {
  return {
    async take(key, tokens, bucket) {
      const grant = await store.ask(() => shared.take(key, tokens, bucket))
      if (grant === undefined) return { ...(await local.take(key, tokens, bucket)), isAlone: true }
      // What is seen of the shared bucket stands in the own one, so that an outage is no second burst.
      await local.take(key, grant.granted === 0 ? bucket.burst : grant.granted, bucket)
      return grant
    },
    // Into both: where they were taken from may be away now, and neither holds more than its burst.
    async giveBack(key, tokens, bucket) {
      await Promise.all([local.giveBack(key, tokens, bucket), store.ask(() => shared.giveBack(key, tokens, bucket))])
    },
  }
}
