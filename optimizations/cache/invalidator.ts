import type { CacheKey } from './cache-key.ts'
import type { CacheStore } from './cache-store.ts'
import type { Invalidation } from './cache.ts'
import type { GuardedStore } from './guarded-store.ts'
import { EVERYTHING, type Change } from './invalidation-bus.ts'
import type { StatisticsRecorder } from './statistics-recorder.ts'

export interface InvalidatorDependencies {
  readonly guard: GuardedStore
  readonly statistics: StatisticsRecorder
  /** Ends what this process keeps. */
  readonly apply: (change: Change) => void
  /** Resolves when no other process serves what the change ended. */
  readonly announce: (change: Change) => Promise<void>
}

/** What has to be done once more. Beyond this many keys and tags, everything is. */
interface Owed {
  readonly keys: Set<CacheKey>
  readonly tags: Set<string>
  readonly patterns: Set<string>
}

const MAX_OWED = 10_000
const KEYS_AT_ONCE = 500

/**
 * Ends entries everywhere: in the store, in this process and in all others. What the store did not confirm is owed:
 * this process does not read the store again before it is paid, and pays as soon as the store answers.
 */
export class Invalidator {
  readonly #deps: InvalidatorDependencies
  #owed: Owed = { keys: new Set(), tags: new Set(), patterns: new Set() }

  constructor(deps: InvalidatorDependencies) {
    this.#deps = deps
  }

  get owed(): number {
    return this.#owed.keys.size + this.#owed.tags.size + this.#owed.patterns.size
  }

  async keys(keys: readonly CacheKey[]): Promise<Invalidation> {
    return this.#invalidate({ keys, tags: [], everything: false }, undefined)
  }

  async tags(tags: readonly string[]): Promise<Invalidation> {
    return this.#invalidate({ keys: [], tags, everything: false }, undefined)
  }

  async pattern(pattern: string): Promise<Invalidation> {
    return this.#invalidate(EVERYTHING, pattern)
  }

  /** A write that was not confirmed: what the store holds may be older, or may be the write itself. */
  owe(keys: readonly CacheKey[]): void {
    this.#remember({ keys, tags: [], everything: false }, undefined)
  }

  /** Does what is owed. To be called before the store is read again, with the store itself: the guard is shut. */
  async pay(store: CacheStore): Promise<void> {
    if (this.owed === 0) return
    const owed = this.#owed
    this.#owed = nothing()
    try {
      const keys = [...owed.keys]
      for (let at = 0; at < keys.length; at += KEYS_AT_ONCE) await store.remove(keys.slice(at, at + KEYS_AT_ONCE))
      if (owed.tags.size > 0) await store.bump([...owed.tags])
      for (const pattern of owed.patterns) await store.removeMatching(pattern)
      await this.#deps.announce({ keys, tags: [...owed.tags], everything: owed.patterns.size > 0 })
    } catch (error) {
      this.#owed = {
        keys: this.#owed.keys.union(owed.keys),
        tags: this.#owed.tags.union(owed.tags),
        patterns: this.#owed.patterns.union(owed.patterns),
      }
      throw error
    }
  }

  async #invalidate(change: Change, pattern: string | undefined): Promise<Invalidation> {
    const { announce, apply, guard, statistics } = this.#deps
    statistics.counts.invalidations += 1
    apply(change)
    let result: Invalidation = { acknowledged: false, removed: 0 }
    try {
      const operation = pattern === undefined ? (change.keys.length > 0 ? 'remove' : 'bump') : 'removeMatching'
      const removed = await guard.run(operation, (store) => perform(store, change, pattern))
      // What was read or loaded while the store was about it.
      apply(change)
      statistics.counts.deletes += removed
      await announce(change)
      result = { acknowledged: true, removed }
    } catch {
      apply(change)
      this.#remember(change, pattern)
      statistics.counts.unacknowledged += 1
    }
    statistics.invalidated(change, pattern, result.acknowledged)
    return result
  }

  #remember(change: Change, pattern: string | undefined): void {
    if (this.owed + change.keys.length + change.tags.length >= MAX_OWED) {
      this.#owed = nothing()
      this.#owed.patterns.add('*')
    } else {
      for (const key of change.keys) this.#owed.keys.add(key)
      for (const tag of change.tags) this.#owed.tags.add(tag)
      if (pattern !== undefined) this.#owed.patterns.add(pattern)
    }
    // Whatever the store answers now may be what should have ended.
    this.#deps.guard.breaker.trip()
  }
}

async function perform(store: CacheStore, { keys, tags }: Change, pattern: string | undefined): Promise<number> {
  if (pattern !== undefined) return store.removeMatching(pattern)
  if (keys.length > 0) return store.remove(keys)
  await store.bump(tags)
  return 0
}

function nothing(): Owed {
  return { keys: new Set(), tags: new Set(), patterns: new Set() }
}
