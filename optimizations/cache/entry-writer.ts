import { buildEntry, type EntryBuilderDependencies, type Origin } from './build-entry.ts'
import type { CacheEntry } from './cache.ts'
import type { ResolvedEntryOptions } from './entry-options.ts'
import type { GuardedStore } from './guarded-store.ts'
import type { Change } from './invalidation-bus.ts'
import type { Invalidator } from './invalidator.ts'
import type { Keep, KeyFlights } from './key-flights.ts'
import type { StatisticsRecorder } from './statistics-recorder.ts'
import type { TagVersions } from './tag-versions.ts'

export interface EntryWriterDependencies extends EntryBuilderDependencies {
  readonly guard: GuardedStore
  readonly flights: KeyFlights
  readonly tags: TagVersions
  readonly invalidator: Invalidator
  readonly statistics: StatisticsRecorder
  readonly apply: (change: Change) => void
  readonly announce: (change: Change) => Promise<void>
  readonly keepWritten: Keep
  readonly nextStamp: () => Buffer
}

/** Writes values that are given rather than loaded: they replace what is there, and break every lease. */
export class EntryWriter {
  readonly #deps: EntryWriterDependencies

  constructor(deps: EntryWriterDependencies) {
    this.#deps = deps
  }

  /** False: not written, and the older value is owed to be ended. */
  async write(entries: readonly CacheEntry[], options: ResolvedEntryOptions): Promise<boolean> {
    const { announce, apply, flights, guard, invalidator, keepWritten, statistics } = this.#deps
    const change: Change = { keys: entries.map(({ key }) => key), tags: [], everything: false }
    apply(change)
    // An invalidation that arrives while this is under way detaches the flights: the values stay out of memory then.
    const writes = entries.map(({ key, value }) => ({ key, value, flight: flights.open(key) }))
    try {
      const cells = await this.#deps.tags.resolve(options.tags)
      const origin = (): Origin => ({ stamp: this.#deps.nextStamp(), cells, loadMs: 0 })
      const built = writes.map((write) => ({ ...write, ...buildEntry(this.#deps, write.value, options, origin()) }))
      await guard.run('replace', (store) => store.replace(built.map(({ key, stored }) => ({ key, ...stored }))))
      for (const { flight, memory, stored, valueBytes } of built) {
        keepWritten(flight, memory, valueBytes)
        statistics.stored(stored.bytes.length)
      }
      await announce(change)
      return true
    } catch {
      statistics.counts.droppedWrites += entries.length
      apply(change)
      invalidator.owe(change.keys)
      return false
    } finally {
      for (const { flight } of writes) flights.close(flight)
    }
  }
}
