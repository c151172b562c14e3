import { LRUCache } from 'lru-cache'
import type { CacheKey } from './cache-key.ts'
import type { Entry } from './entry.ts'
import { HeapEstimator } from './heap-size.ts'

export interface MemoryLimits {
  readonly maxBytes: number
  readonly maxEntries: number
}

/** The nearest tier: the entries used last, within a limit of bytes of the heap and of number. */
export class MemoryTier {
  readonly #entries: LRUCache<CacheKey, Entry>
  readonly #sizes = new HeapEstimator()

  constructor({ maxBytes, maxEntries }: MemoryLimits) {
    // A limit of no bytes keeps nothing, as nothing is as small as one byte.
    this.#entries = new LRUCache({ max: maxEntries, maxSize: Math.max(1, maxBytes) })
  }

  get size(): number {
    return this.#entries.size
  }

  get bytes(): number {
    return this.#entries.calculatedSize
  }

  get(key: CacheKey): Entry | undefined {
    return this.#entries.get(key)
  }

  peek(key: CacheKey): Entry | undefined {
    return this.#entries.peek(key)
  }

  put(key: CacheKey, entry: Entry, valueBytes: number): void {
    this.#entries.set(key, entry, { size: this.#sizes.estimate(entry.value, valueBytes) })
  }

  delete(key: CacheKey): void {
    this.#entries.delete(key)
  }

  clear(): void {
    this.#entries.clear()
  }
}
