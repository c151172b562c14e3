import { LRUCache } from 'lru-cache'
import type { CacheKey } from './cache-key.ts'
import type { Entry } from './entry.ts'

export interface MemoryLimits {
  readonly maxBytes: number
  readonly maxEntries: number
}

/** The nearest tier: the entries used last, within a limit of bytes and of number. */
export class MemoryTier {
  readonly #entries: LRUCache<CacheKey, Entry> | undefined

  constructor(limits: MemoryLimits) {
    if (limits.maxBytes === 0) return
    this.#entries = new LRUCache({ max: limits.maxEntries, maxSize: limits.maxBytes })
  }

  get size(): number {
    return this.#entries?.size ?? 0
  }

  get bytes(): number {
    return this.#entries?.calculatedSize ?? 0
  }

  get(key: CacheKey): Entry | undefined {
    return this.#entries?.get(key)
  }

  peek(key: CacheKey): Entry | undefined {
    return this.#entries?.peek(key)
  }

  put(key: CacheKey, entry: Entry, bytes: number): void {
    this.#entries?.set(key, entry, { size: bytes })
  }

  delete(key: CacheKey): void {
    this.#entries?.delete(key)
  }

  clear(): void {
    this.#entries?.clear()
  }
}
