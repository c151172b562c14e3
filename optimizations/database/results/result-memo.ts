import { Utils } from '@mikro-orm/core'
import type { CachedQueryOptions, EntityManager } from '../database.ts'
import { DatabaseError } from '../errors.ts'
import type { MemoryResults } from './memory-results.ts'
import { ReadDependencies } from './read-dependencies.ts'

export interface ResultMemoDeps {
  readonly memory: MemoryResults
  /** An entity manager for one run of a reading function, whose reads are noted. */
  readonly fork: (dependencies: ReadDependencies) => EntityManager
}

const DEFAULT_TTL_MS = 900_000

/** Keeps what reading functions return, until a table changes that they read from while they ran. */
export function memoizeQuery<A extends readonly unknown[], T>(
  { memory, fork }: ResultMemoDeps,
  read: (em: EntityManager, ...args: A) => Promise<T>,
  options: CachedQueryOptions<A>,
): (...args: A) => Promise<T> {
  const { name, ttlMs = DEFAULT_TTL_MS, key = (...args: A) => JSON.stringify(args) } = options
  return (...args) =>
    memory.getOrLoad(
      `${name}\n${key(...args)}`,
      null,
      async () => {
        const dependencies = new ReadDependencies()
        const value = await read(fork(dependencies), ...args)
        const bytes = freezePlain(name, value)
        return { value, bytes, tables: dependencies.tables, ttlMs }
      },
      () => undefined,
    )
}

/** Freezes the whole, since it is shared by all who ask. Answers what it weighs, roughly. */
function freezePlain(name: string, value: unknown): number {
  if (typeof value === 'string') return value.length
  if (value === null || typeof value !== 'object') return 8
  if (Utils.isEntity(value) || Reflect.get(value, '__helper') !== undefined) {
    throw new DatabaseError('result_uncacheable', `The cached query "${name}" returned an entity; return plain data`, {
      details: { name },
    })
  }
  if (Object.isFrozen(value) || ArrayBuffer.isView(value)) return 8
  let bytes = 16
  for (const [key, inner] of Object.entries(value)) bytes += key.length + freezePlain(name, inner)
  Object.freeze(value)
  return bytes
}
