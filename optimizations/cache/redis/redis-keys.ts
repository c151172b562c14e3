import type { CacheKey } from '../cache-key.ts'

/**
 * The names that a namespace uses in Redis. Entry and lease of a key share a slot of Redis Cluster by the braces;
 * the text of a cache key holds none of its own. Entries and tags, and nothing else, lie under the tracked prefixes.
 */
export class RedisKeys {
  readonly entryPrefix: string
  readonly tagPrefix: string
  readonly leasePrefix: string
  /** The sorted set of the processes that hold memory: member → end of its lease, milliseconds of the server's clock. */
  readonly register: string
  readonly #channelPrefix: string

  /** Channels do not know databases, so the number of the database is part of their names. */
  constructor(namespace: string, database: number) {
    this.entryPrefix = `${namespace}:e:{`
    this.tagPrefix = `${namespace}:t:`
    this.leasePrefix = `${namespace}:l:{`
    this.register = `${namespace}:m`
    this.#channelPrefix = `${namespace}@${database}:`
  }

  entry(key: CacheKey): string {
    return `${this.entryPrefix}${key}}`
  }

  lease(key: CacheKey): string {
    return `${this.leasePrefix}${key}}`
  }

  tag(tag: string): string {
    return this.tagPrefix + tag
  }

  get announcements(): string {
    return `${this.#channelPrefix}announce`
  }

  /** What is meant for one process: acknowledgements, and the markers that it sends itself. */
  inbox(member: string): string {
    return `${this.#channelPrefix}to:${member}`
  }

  /** What a written Redis key stands for; undefined for a name that is not of this namespace. */
  parse(name: string): { readonly key: CacheKey } | { readonly tag: string } | undefined {
    if (name.startsWith(this.entryPrefix)) return { key: name.slice(this.entryPrefix.length, -1) as CacheKey }
    if (name.startsWith(this.tagPrefix)) return { tag: name.slice(this.tagPrefix.length) }
    return undefined
  }
}
