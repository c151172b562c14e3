import type { CacheKey } from './cache-key.ts'

/** What is no longer true. `everything` stands for any number of keys. */
export interface Change {
  readonly keys: readonly CacheKey[]
  readonly tags: readonly string[]
  readonly everything: boolean
}

export const EVERYTHING: Change = { keys: [], tags: [], everything: true }

export interface Announcement extends Change {
  readonly from: string
  /** Grows by one with each announcement of a process: one acknowledgement covers all up to its number. */
  readonly sequence: number
}

/** The other processes that may hold memory, and for how long they may before they have to renew. */
export interface Membership {
  readonly others: readonly { readonly id: string; readonly remainingMs: number }[]
  /** How long processes may still be alive that the register does not list, because it was lost; usually 0. */
  readonly unlistedMs: number
}

export interface BusListener {
  announced(announcement: Announcement): void
  acknowledged(by: string, sequence: number): void
  /** Somebody wrote past the cache, or another process stored an entry. */
  written(change: Change): void
  /** Messages may have been missed: nothing in memory can be trusted. */
  lost(reason: string): void
}

/**
 * Carries invalidations between processes, in order. Its promise, which coherence is built on: what was announced
 * before a `renew` was executed has been delivered to the listener before that `renew` resolves.
 */
export interface InvalidationBus {
  /** The name of this process among the others. */
  readonly member: string
  readonly isListening: boolean
  /** False where the store does not report foreign writes: those are seen when an entry ends. */
  readonly seesForeignWrites: boolean
  listen(listener: BusListener): Promise<void>
  announce(announcement: Announcement): Promise<Membership>
  acknowledge(to: string, sequence: number): Promise<void>
  /** Registers this process for one lease of memory, from the moment that the store executes it. */
  renew(): Promise<void>
  leave(): Promise<void>
  stop(): Promise<void>
}
