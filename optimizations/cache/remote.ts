import type { CacheStore } from './cache-store.ts'
import type { InvalidationBus } from './invalidation-bus.ts'

/** Whatever the processes share: a store, and a bus between them. */
export interface Remote {
  readonly store: CacheStore
  /** The bus of one process; `member` is its name among the others. */
  createBus(member: string): InvalidationBus
  /** Rejects when the first attempt fails; it goes on trying by itself. */
  connect(): Promise<void>
}
