import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Random } from '#optimizations/kernel/random.ts'
import type { StoredEntry } from './cache-store.ts'
import type { ResolvedEntryOptions } from './entry-options.ts'
import { encodeEntry } from './envelope.ts'
import { lifetimeOf, refreshFrom } from './lifetime.ts'
import { Entry } from './entry.ts'
import type { TagCell } from './tag-versions.ts'
import { wholeBody, type ValueCodec } from './value-codec.ts'

export interface EntryBuilderDependencies {
  readonly codec: ValueCodec
  readonly clock: Clock
  readonly random: Random
}

/** Where a value comes from. */
export interface Origin {
  /** Unique to this write. */
  readonly stamp: Buffer
  /** The tags as they were before the value was loaded. */
  readonly cells: readonly TagCell[]
  /** What it cost to load; 0 for a value that was given. */
  readonly loadMs: number
  /** The lifetime that its loader chose. */
  readonly ttlMs?: number | undefined
}

/** One value in the two forms in which the tiers keep it. */
export interface BuiltEntry {
  readonly memory: Entry
  readonly stored: StoredEntry
  /** The size of the value before compression. */
  readonly valueBytes: number
}

/** Throws when the value cannot be written: a function, a symbol, a cycle. */
export function buildEntry(
  { codec, clock, random }: EntryBuilderDependencies,
  value: unknown,
  options: ResolvedEntryOptions,
  { stamp, cells, loadMs, ttlMs }: Origin,
): BuiltEntry {
  const body = codec.encode(value)
  const { freshMs, totalMs } = lifetimeOf(value, options, random, ttlMs)
  const now = clock.now()
  const header = {
    stamp,
    freshUntil: now + freshMs,
    staleUntil: now + totalMs,
    loadMs,
    earlyRefresh: options.earlyRefresh,
    tags: cells.map((cell) => cell.tag),
    versions: cells.map((cell) => cell.version),
  }
  const freshUntil = clock.monotonic() + freshMs
  const times = {
    freshUntil,
    staleUntil: freshUntil + totalMs - freshMs,
    refreshFrom: refreshFrom(freshUntil, loadMs, options.earlyRefresh, random),
  }
  return {
    memory: new Entry(value, times, stamp.toString('latin1'), cells.length === 0 ? undefined : cells),
    stored: { bytes: encodeEntry(header, body), ttlMs: totalMs },
    valueBytes: codec.plainBytes(wholeBody(body)),
  }
}
