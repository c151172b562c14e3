import { cacheKey, type KeyPart } from '#optimizations/cache/cache-key.ts'
import type { Cache, Invalidation, LoadContext } from '#optimizations/cache/cache.ts'

export interface ReadingOptions<Input extends KeyPart, Value> {
  /** The beginning of its keys: unique among all readings. */
  readonly name: string
  /** What ends the value: known from the input alone, before the load begins. */
  readonly tags?: (input: Input) => readonly string[]
  readonly ttlMs: number | ((input: Input) => number)
  /** How long after `ttlMs` the value may still be served while it is loaded anew. */
  readonly staleMs?: number
  readonly load: (input: Input, context: LoadContext) => Promise<Value>
}

/** The cached value for this input, loaded where nobody has loaded it. */
export type Reading<Input extends KeyPart, Value> = (input: Input) => Promise<Value>

/**
 * The only way of the services to the cache. A reading is declared once, when its service is created and there is no
 * request: its load knows nothing but its input, and the whole input is its key. So whatever decides a value is in its
 * key, or is read inside the load, behind the moment at which the cache notes the versions of the tags. What changes
 * after that moment ends the value, and what changed before is seen by the load: also by another reading inside of it,
 * which is never older than the invalidations that were acknowledged.
 */
export interface Readings {
  /** Throws when the name is taken. */
  declare<Input extends KeyPart, Value>(options: ReadingOptions<Input, Value>): Reading<Input, Value>
  /** Ends every value that carries one of the tags, in all processes. Writes end theirs in their transaction. */
  invalidate(tags: readonly string[]): Promise<Invalidation>
}

export function createReadings(cache: Pick<Cache, 'getOrSet' | 'invalidateTags'>): Readings {
  const names = new Set<string>()
  return {
    declare({ name, tags = () => [], ttlMs, staleMs, load }) {
      if (names.has(name)) throw new RangeError(`a reading is called "${name}" already: declare each once`)
      names.add(name)
      return (input) =>
        cache.getOrSet(cacheKey(name, input), (context) => load(input, context), {
          ttlMs: typeof ttlMs === 'function' ? ttlMs(input) : ttlMs,
          tags: tags(input),
          staleMs,
        })
    },
    invalidate: (tags) => cache.invalidateTags(tags),
  }
}
