import { parseRedisUrl } from '#optimizations/cache/redis/redis-target.ts'
import { systemClock } from '#optimizations/kernel/clock.ts'
import { systemRandom } from '#optimizations/kernel/random.ts'
import type { PublisherStores, PublisherStoresOptions } from './publisher-stores.ts'

/** Made when the first publisher starts, and the same for every later start. */
export interface LazyStores extends AsyncDisposable {
  /** Calls `onOpened` with what was made, once. */
  open(onOpened: (stores: PublisherStores) => void): Promise<PublisherStores>
}

/** Loads ioredis only where publishers share something. Throws at once for a URL that is none. */
export function createLazyStores(options: PublisherStoresOptions): LazyStores {
  parseRedisUrl(options.url)
  let stores: Promise<PublisherStores> | undefined
  const create = async (onOpened: (stores: PublisherStores) => void): Promise<PublisherStores> => {
    const { createPublisherStores } = await import('./publisher-stores.ts')
    const created = createPublisherStores({ clock: systemClock, random: systemRandom }, options)
    onOpened(created)
    return created
  }
  return {
    open: (onOpened) => (stores ??= create(onOpened)),
    [Symbol.asyncDispose]: async () => (await stores)?.[Symbol.asyncDispose](),
  }
}
