import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { buildEntry, type EntryBuilderDependencies } from './build-entry.ts'
import type { Lease } from './cache-store.ts'
import type { CacheKey } from './cache-key.ts'
import type { Load } from './cache.ts'
import type { ResolvedEntryOptions } from './entry-options.ts'
import { stampOf } from './envelope.ts'
import type { FailureBackoff } from './failure-backoff.ts'
import type { GuardedStore } from './guarded-store.ts'
import type { Change } from './invalidation-bus.ts'
import type { Invalidator } from './invalidator.ts'
import type { Keep, KeyFlight, KeyFlights } from './key-flights.ts'
import { Entry, type Reading } from './entry.ts'
import type { RemoteReader } from './remote-reader.ts'
import { runLoad, type LoadOutcome } from './run-load.ts'
import { SharedLoad } from './shared-load.ts'
import type { StatisticsRecorder } from './statistics-recorder.ts'
import type { TagCell, TagVersions } from './tag-versions.ts'

export interface LeasedLoaderDependencies extends EntryBuilderDependencies {
  readonly guard: GuardedStore
  readonly reader: RemoteReader
  readonly flights: KeyFlights
  readonly tags: TagVersions
  readonly backoff: FailureBackoff
  readonly invalidator: Invalidator
  readonly announce: (change: Change) => Promise<void>
  readonly statistics: StatisticsRecorder
  readonly tasks: BackgroundTasks
  readonly keepWritten: Keep
  readonly nextStamp: () => Buffer
}

export interface LeaseOptions {
  /** How long a loader that has died delays the others: a living one renews its lease three times in this time. */
  readonly leaseMs: number
}

export interface LoadJob {
  readonly load: Load<unknown>
  readonly options: ResolvedEntryOptions
  /** What the caller found: its stamp tells the store apart from what others have stored since. */
  readonly found: Reading
  /** A refresh behind a value that is being served: it does not wait for another process. */
  readonly isBackground: boolean
  /** Loads whatever is there and whoever is at it, and ends when no process serves an older value any more. */
  readonly isForced: boolean
}

/** The pauses between two questions whether another process is done: it usually says so by itself. */
const FIRST_PAUSE_MS = 5
const LAST_PAUSE_MS = 50

interface Held {
  readonly lease: Lease
  readonly cells: readonly TagCell[]
}

type Grant =
  /** This process loads for all. */
  | ({ readonly kind: 'leased' } & Held)
  /** Another has loaded; or is loading, and whoever has an older value does not wait. */
  | { readonly kind: 'stored'; readonly entry: Entry }
  /** The store cannot be asked, or the other takes too long: this process loads for itself, and keeps nothing. */
  | { readonly kind: 'alone' }

type Refusal =
  | { readonly kind: 'held' }
  /** Another has stored what cannot be served any more. */
  | { readonly kind: 'unusable'; readonly seen: Buffer }

const ALONE = { kind: 'alone' } as const

/**
 * One load for all callers of all processes. Who holds the lease of a key calls the loader; the others wait for the
 * entry. The lease is also the permission to store: an invalidation breaks it, so what was loaded before is not kept.
 */
export class LeasedLoader {
  readonly #deps: LeasedLoaderDependencies
  readonly #leaseMs: number

  constructor(deps: LeasedLoaderDependencies, options: LeaseOptions) {
    this.#deps = deps
    this.#leaseMs = options.leaseMs
  }

  /** Begins to fill the key of `flight`, and keeps the flight open until the value is stored. */
  begin(flight: KeyFlight, job: LoadJob): SharedLoad {
    const shared = new SharedLoad(job.isBackground)
    flight.users += 1
    flight.load = shared
    shared.promise = this.#fill(flight, shared, job)
    shared.promise.catch(() => this.#end(flight, shared))
    return shared
  }

  async #fill(flight: KeyFlight, shared: SharedLoad, job: LoadJob): Promise<unknown> {
    const grant = await this.#obtain(flight, shared, job)
    if (grant.kind === 'leased') return this.#loadLeased(flight, shared, job, grant)
    if (grant.kind === 'alone') {
      this.#deps.statistics.counts.droppedWrites += 1
      const outcome = await this.#load(flight, shared, job)
      await this.#conclude(flight, shared, job)
      return outcome.value
    }
    this.#end(flight, shared)
    return grant.entry.value
  }

  async #loadLeased(flight: KeyFlight, shared: SharedLoad, job: LoadJob, held: Held): Promise<unknown> {
    const { guard, tasks } = this.#deps
    let storing: Promise<boolean> | undefined
    const alive = this.#keepAlive(flight, held.lease)
    try {
      const outcome = await this.#load(flight, shared, job)
      if (outcome.value !== undefined && outcome.isKept) storing = this.#writeBack(flight, held, outcome, job.options)
      const concluding = this.#conclude(flight, shared, job, storing)
      // The callers have their value. Who comes until it is stored finds this load still in the flight.
      tasks.run('write-back', () => concluding)
      if (job.isForced) await concluding.catch(() => undefined)
      return outcome.value
    } finally {
      alive[Symbol.dispose]()
      const release = (): Promise<void> => guard.run('release', (store) => store.release(flight.key, held.lease))
      if (storing === undefined) tasks.run('release-lease', release)
    }
  }

  async #conclude(flight: KeyFlight, shared: SharedLoad, job: LoadJob, storing?: Promise<boolean>): Promise<void> {
    let isStored = false
    try {
      isStored = (await storing) === true
    } finally {
      if (job.isForced) await this.#supersede(flight.key, isStored)
      this.#end(flight, shared)
    }
  }

  /** Ends what other processes keep from before the new value; where that could not be stored, the stored one as well. */
  async #supersede(key: CacheKey, isStored: boolean): Promise<void> {
    const { announce, invalidator } = this.#deps
    try {
      if (isStored) return await announce({ keys: [key], tags: [], everything: false })
    } catch {
      // Some process may not have heard of it: it is owed to them.
    }
    await invalidator.keys([key])
  }

  async #load(flight: KeyFlight, shared: SharedLoad, job: LoadJob): Promise<LoadOutcome> {
    const { clock, backoff, statistics } = this.#deps
    const begun = clock.monotonic()
    try {
      const outcome = await runLoad(job.load, shared, { clock, timeoutMs: job.options.loadTimeoutMs })
      backoff.forget(flight.key)
      statistics.loaded(flight.key, outcome.durationMs)
      return outcome
    } catch (error) {
      const now = clock.monotonic()
      statistics.loaded(flight.key, now - begun, error)
      // Callers who went away say nothing about the source.
      if (!shared.isAbandoned) backoff.failed(flight.key, error, now)
      throw error
    }
  }

  async #obtain(flight: KeyFlight, shared: SharedLoad, job: LoadJob): Promise<Grant> {
    const { clock, random, statistics } = this.#deps
    if (!(job.found instanceof Entry) && !job.found.isKnown) return ALONE
    let seen = job.found instanceof Entry ? Buffer.from(job.found.stamp, 'latin1') : job.found.seen
    // What becomes known of the key ends a pause: mostly that the other process has stored it.
    const wake = new AbortController()
    flight.onDetach(() => wake.abort())
    const giveUpAt = clock.monotonic() + job.options.loadTimeoutMs
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LAST_PAUSE_MS)) {
      const answer = await this.#ask(flight, shared, job, seen).catch(() => ALONE)
      shared.signal.throwIfAborted()
      if (answer.kind === 'unusable') seen = answer.seen
      else if (answer.kind !== 'held') return answer
      else if (job.isBackground && job.found instanceof Entry) return { kind: 'stored', entry: job.found }
      else if (clock.monotonic() >= giveUpAt) return ALONE
      else {
        if (pauseMs === FIRST_PAUSE_MS) statistics.counts.leaseWaits += 1
        const cut = wake.signal.aborted ? undefined : wake.signal
        await clock.sleep(pauseMs * (0.5 + random() / 2), cut).catch(() => undefined)
      }
    }
  }

  /** Asks for the lease once. Rejects when the store cannot say. */
  async #ask(flight: KeyFlight, shared: SharedLoad, job: LoadJob, seen: Buffer): Promise<Grant | Refusal> {
    const { clock, guard, reader, tags } = this.#deps
    // Before the load begins: what is invalidated from here on makes its result unfit to be stored.
    const cells = await tags.resolve(job.options.tags)
    shared.cells = cells
    const lease = { token: this.#deps.nextStamp(), tags: job.options.tags, versions: cells.map((cell) => cell.version) }
    const request = { ...lease, seen, leaseMs: this.#leaseMs, isForced: job.isForced }
    const answer = await guard.run('acquire', (store) => store.acquire(flight.key, request))
    if (answer.outcome === 'held') return { kind: 'held' }
    if (answer.outcome === 'granted') {
      shared.isJoinable = true
      return { kind: 'leased', lease, cells }
    }
    const reading = await reader.interpret(flight, answer.bytes)
    const isFresh = reading instanceof Entry && clock.monotonic() < reading.freshUntil
    return isFresh ? { kind: 'stored', entry: reading } : { kind: 'unusable', seen: stampOf(answer.bytes) }
  }

  /** False: the store was away, or something was invalidated since the lease was granted. */
  async #writeBack(
    flight: KeyFlight,
    held: Held,
    outcome: LoadOutcome,
    options: ResolvedEntryOptions,
  ): Promise<boolean> {
    const { guard, keepWritten, statistics } = this.#deps
    const origin = { stamp: held.lease.token, cells: held.cells, loadMs: outcome.durationMs, ttlMs: outcome.ttlMs }
    const { memory, stored, valueBytes } = buildEntry(this.#deps, outcome.value, options, origin)
    let isStored: boolean
    try {
      isStored = await guard.run('store', (store) => store.store(flight.key, held.lease, stored))
    } catch {
      statistics.counts.droppedWrites += 1
      return false
    }
    if (isStored) {
      statistics.stored(stored.bytes.length)
      keepWritten(flight, memory, valueBytes)
    } else {
      statistics.counts.refusedWriteBacks += 1
    }
    return isStored
  }

  /** Renews while the load runs, so that only a loader that has died lets its lease run out. */
  #keepAlive(flight: KeyFlight, lease: Lease): Disposable {
    const { clock, guard, tasks } = this.#deps
    let timer: Disposable | undefined
    const renew = (): Promise<boolean> => guard.run('renew', (store) => store.renew(flight.key, lease, this.#leaseMs))
    const schedule = (): void => {
      timer = clock.schedule(this.#leaseMs / 3, () => {
        tasks.run('renew-lease', renew)
        schedule()
      })
    }
    schedule()
    return { [Symbol.dispose]: () => timer?.[Symbol.dispose]() }
  }

  #end(flight: KeyFlight, shared: SharedLoad): void {
    if (flight.load === shared) flight.load = undefined
    this.#deps.flights.close(flight)
  }
}
