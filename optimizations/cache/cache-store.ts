import type { CacheKey } from './cache-key.ts'

/** Who fills an entry, and what it saw: the write-back is refused unless both still hold. */
export interface Lease {
  /** `STAMP_BYTES` bytes, unique to this attempt; it becomes the stamp of the entry. */
  readonly token: Buffer
  readonly tags: readonly string[]
  /** The version of each tag before the load began. */
  readonly versions: readonly number[]
}

export interface LeaseRequest extends Lease {
  /** The stamp of the unusable entry that the caller has seen; empty where it saw none. */
  readonly seen: Buffer
  readonly leaseMs: number
  /** Takes the lease from whoever holds it, and passes over an entry that is there. */
  readonly isForced: boolean
}

export type LeaseAnswer =
  /** The caller loads, and must `store` or `release`. */
  | { readonly outcome: 'granted' }
  /** Another loads: ask again. */
  | { readonly outcome: 'held' }
  /** Another has stored an entry since the caller looked. */
  | { readonly outcome: 'stored'; readonly bytes: Buffer }

/**
 * The remote tier: entries, leases and tag versions, in whatever all processes share. Every method rejects when the
 * store cannot be reached or does not answer in time; then it is unknown whether the operation took place.
 */
export interface CacheStore {
  /** The bytes under each key, in the order of the keys. */
  read(keys: readonly CacheKey[]): Promise<readonly (Buffer | null)[]>

  /** At most one caller holds the lease of a key; one whose tag versions are newer takes it from one who must fail. */
  acquire(key: CacheKey, request: LeaseRequest): Promise<LeaseAnswer>
  /** False: the lease was broken by an invalidation, or has run out. */
  renew(key: CacheKey, lease: Lease, leaseMs: number): Promise<boolean>
  release(key: CacheKey, lease: Lease): Promise<void>
  /** Writes if the lease is still the caller's and no tag has changed; ends the lease either way. */
  store(key: CacheKey, lease: Lease, entry: StoredEntry): Promise<boolean>

  /** Writes unconditionally and breaks leases: no load that is under way can overwrite it. */
  replace(entries: readonly (StoredEntry & { readonly key: CacheKey })[]): Promise<void>
  /** Removes entries and breaks their leases, leases first; answers how many entries there were. */
  remove(keys: readonly CacheKey[]): Promise<number>
  removeMatching(pattern: string): Promise<number>

  /** The version of each tag. A tag that has none, or whose version was evicted, gets one that it never had before. */
  versions(tags: readonly string[]): Promise<readonly number[]>
  /** Gives each tag a version that it never had before. */
  bump(tags: readonly string[]): Promise<void>

  /** Resolves when the store answers, and nothing that was sent over an earlier connection can take effect any more. */
  ping(): Promise<void>
  /** What the store says of itself, as a flat list of names and values. */
  info(): Promise<Readonly<Record<string, string>>>
  stop(): Promise<void>
}

export interface StoredEntry {
  readonly bytes: Buffer
  /** When the store itself may drop the entry. */
  readonly ttlMs: number
}

/** What readers and writers ask of the store. */
export type StoreOperation = Exclude<keyof CacheStore, 'ping' | 'info' | 'stop'>
