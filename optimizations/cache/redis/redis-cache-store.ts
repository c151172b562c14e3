import { Cluster, type Redis } from 'ioredis'
import type { CacheKey } from '../cache-key.ts'
import type { CacheStore, Lease, LeaseAnswer, LeaseRequest, StoredEntry } from '../cache-store.ts'
import { groupBySlot } from './key-slot.ts'
import type { RedisKeys } from './redis-keys.ts'
import { REDIS_SCRIPTS, versionText } from './redis-scripts.ts'
import { runScript, type Script } from './script-runner.ts'

type Argument = string | number | Buffer

/** Longer than any entry lives: a counter that outlives its entries is never missed. */
const TAG_TTL_MS = 30 * 86_400_000
/** Keys per SCAN step and per UNLINK: each holds the server, and the loop here, for less than a millisecond. */
const SCAN_COUNT = 500

/** The store over Redis, Sentinel or Cluster. On Cluster a command never leaves its slot, so there are more of them. */
export class RedisCacheStore implements CacheStore {
  readonly #redis: Redis | Cluster
  readonly #keys: RedisKeys
  readonly #isCluster: boolean
  #connectionId: number | undefined

  constructor(redis: Redis | Cluster, keys: RedisKeys) {
    this.#redis = redis
    this.#keys = keys
    this.#isCluster = redis instanceof Cluster
  }

  async read(keys: readonly CacheKey[]): Promise<readonly (Buffer | null)[]> {
    const names = keys.map((key) => this.#keys.entry(key))
    if (!this.#isCluster) return this.#redis.mgetBuffer(names)
    const found: (Buffer | null)[] = Array.from(names, () => null)
    const readGroup = async (group: readonly number[]): Promise<void> => {
      const values = await this.#redis.mgetBuffer(group.map((index) => names[index] ?? ''))
      for (const [at, index] of group.entries()) found[index] = values[at] ?? null
    }
    await Promise.all(groupBySlot(names).map(readGroup))
    return found
  }

  async acquire(key: CacheKey, request: LeaseRequest): Promise<LeaseAnswer> {
    const args = [request.token, request.seen, request.leaseMs, request.isForced ? 1 : 0, signature(request)]
    const answer = await this.#run(REDIS_SCRIPTS.acquire, this.#pair(key), args)
    if (Buffer.isBuffer(answer)) return { outcome: 'stored', bytes: answer }
    return { outcome: answer === 1 ? 'granted' : 'held' }
  }

  async renew(key: CacheKey, lease: Lease, leaseMs: number): Promise<boolean> {
    return (await this.#run(REDIS_SCRIPTS.renewLease, [this.#keys.lease(key)], [leaseText(lease), leaseMs])) === 1
  }

  async release(key: CacheKey, lease: Lease): Promise<void> {
    await this.#run(REDIS_SCRIPTS.release, [this.#keys.lease(key)], [leaseText(lease)])
  }

  async store(key: CacheKey, lease: Lease, entry: StoredEntry): Promise<boolean> {
    // On Cluster the counters lie elsewhere. The entry carries the versions of its tags, so an outdated one would be
    // refused by its readers; here it is not even written.
    const tags = this.#isCluster ? [] : lease.tags
    const keys = [...this.#pair(key), ...tags.map((tag) => this.#keys.tag(tag))]
    const args = [leaseText(lease), entry.bytes, entry.ttlMs, ...tags.map((_, index) => versionOf(lease, index))]
    return (await this.#run(REDIS_SCRIPTS.store, keys, args)) === 1
  }

  async replace(entries: readonly (StoredEntry & { readonly key: CacheKey })[]): Promise<void> {
    await Promise.all(
      entries.map(({ key, bytes, ttlMs }) => this.#run(REDIS_SCRIPTS.replace, this.#pair(key), [bytes, ttlMs])),
    )
  }

  async remove(keys: readonly CacheKey[]): Promise<number> {
    // Leases first: a write-back that came between the two would otherwise stay.
    const leases = this.#unlink(keys.map((key) => this.#keys.lease(key)))
    const entries = this.#unlink(keys.map((key) => this.#keys.entry(key)))
    const [, removed] = await Promise.all([leases, entries])
    return removed
  }

  async removeMatching(pattern: string): Promise<number> {
    const nodes = this.#redis instanceof Cluster ? this.#redis.nodes('master') : [this.#redis]
    let removed = 0
    for (const node of nodes) {
      // All leases before any entry, for the same reason; a load that begins later sees what is true by then.
      await this.#sweep(node, `${this.#keys.leasePrefix}${pattern}}`)
      removed += await this.#sweep(node, `${this.#keys.entryPrefix}${pattern}}`)
    }
    return removed
  }

  async versions(tags: readonly string[]): Promise<readonly number[]> {
    const groups = this.#isCluster ? tags.map((tag) => [tag]) : [tags]
    const answers = await Promise.all(groups.map((group) => this.#runTags(REDIS_SCRIPTS.versions, group)))
    return (answers.flat() as Buffer[]).map(Number)
  }

  async bump(tags: readonly string[]): Promise<void> {
    const groups = this.#isCluster ? tags.map((tag) => [tag]) : [tags]
    await Promise.all(groups.map((group) => this.#runTags(REDIS_SCRIPTS.bump, group)))
  }

  async ping(): Promise<void> {
    if (this.#redis instanceof Cluster) {
      await this.#redis.ping()
      return
    }
    const id = await this.#redis.client('ID')
    const replaced = this.#connectionId
    this.#connectionId = id
    if (replaced === undefined || replaced === id) return
    // What was sent over the connection before this one may still lie in a buffer on the way, and would be executed
    // after what is sent now. A server that does not let itself be asked has to be trusted.
    await this.#redis.client('KILL', 'ID', replaced).catch(() => undefined)
  }

  async info(): Promise<Readonly<Record<string, string>>> {
    const text = await this.#redis.info()
    const fields = text.split('\r\n').filter((line) => line !== '' && !line.startsWith('#'))
    return Object.fromEntries(
      fields.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
    )
  }

  async stop(): Promise<void> {
    this.#redis.disconnect()
  }

  #pair(key: CacheKey): readonly string[] {
    return [this.#keys.entry(key), this.#keys.lease(key)]
  }

  async #run(one: Script, keys: readonly string[], args: readonly Argument[]): Promise<unknown> {
    return runScript(this.#redis, one, keys, args)
  }

  async #runTags(one: Script, tags: readonly string[]): Promise<unknown> {
    return this.#run(
      one,
      tags.map((tag) => this.#keys.tag(tag)),
      [TAG_TTL_MS],
    )
  }

  async #unlink(names: readonly string[]): Promise<number> {
    if (!this.#isCluster) return this.#redis.unlink(...names)
    const counts = await Promise.all(names.map((name) => this.#redis.unlink(name)))
    return counts.reduce((sum, count) => sum + count, 0)
  }

  async #sweep(node: Redis, match: string): Promise<number> {
    let removed = 0
    let cursor = '0'
    do {
      const [next, names] = await node.scan(cursor, 'MATCH', match, 'COUNT', SCAN_COUNT)
      if (names.length > 0) removed += await this.#unlink(names)
      cursor = next
    } while (cursor !== '0')
    return removed
  }
}

function leaseText(lease: Lease): Buffer {
  return Buffer.concat([lease.token, Buffer.from(`:${signature(lease)}`)])
}

function signature(lease: Lease): string {
  return lease.versions.map(versionText).join('')
}

function versionOf(lease: Lease, index: number): string {
  return versionText(lease.versions[index] ?? 0)
}
