import { systemClock, type Clock } from '#optimizations/kernel/clock.ts'
import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import { describeError } from '#optimizations/kernel/errors.ts'
import type { CacheKey } from './cache-key.ts'
import type { Cache, EntryOptions, Load } from './cache.ts'

/** One value that shall be there before it is asked for. */
export interface WarmItem {
  readonly key: CacheKey
  readonly load: Load<unknown>
  readonly options?: EntryOptions
}

export interface WarmGroup {
  readonly name: string
  /** Groups of a higher priority are finished first; those of the same run one after the other. Default 0. */
  readonly priority?: number
  /** What there is to warm at the time that the group begins. */
  readonly items: () => Iterable<WarmItem> | AsyncIterable<WarmItem>
  /** Loads under way at once. Default 4. */
  readonly concurrency?: number
  /** Loads begun in a second, so that warming leaves room for others. Default: as fast as they come. */
  readonly ratePerSec?: number
  /** How often a load that fails is tried again, after a pause that doubles. Default 2. */
  readonly retries?: number
}

export type WarmOutcome =
  /** Its loader has been called, and has succeeded. */
  | 'loaded'
  /** A fresh value was there, or another process has just loaded it. */
  | 'fresh'
  | 'failed'
  /** Not tried: the warming was aborted, or the items of its group could not be listed. */
  | 'skipped'

export interface WarmResult {
  readonly group: string
  /** Undefined where a group could not say what it consists of. */
  readonly key: CacheKey | undefined
  readonly outcome: WarmOutcome
  readonly attempts: number
  readonly durationMs: number
  readonly error?: string
}

export interface WarmReport {
  readonly results: readonly WarmResult[]
  readonly counts: Readonly<Record<WarmOutcome, number>>
  readonly durationMs: number
}

export interface WarmOptions {
  readonly groups: readonly WarmGroup[]
  /** Told of each item as it is done. */
  readonly onProgress?: (result: WarmResult) => void
  /** Begins no further item once it is aborted. */
  readonly signal?: AbortSignal
}

const DEFAULTS = { priority: 0, concurrency: 4, retries: 2 } as const
const FIRST_RETRY_MS = 50

/**
 * Loads what is expected to be asked for, in the order of the groups' priorities. Never rejects: what became of each
 * item is in the report.
 */
export async function warmCache(
  { cache, clock = systemClock }: { readonly cache: Cache; readonly clock?: Clock },
  { groups, onProgress = () => undefined, signal }: WarmOptions,
): Promise<WarmReport> {
  const begun = clock.monotonic()
  const results: WarmResult[] = []
  const done = (result: WarmResult): void => {
    results.push(result)
    onProgress(result)
  }
  const ordered = groups.toSorted((a, b) => (b.priority ?? DEFAULTS.priority) - (a.priority ?? DEFAULTS.priority))
  for (const group of ordered) await new GroupWarmer({ cache, clock, done, signal }, group).run()
  const counts: Record<WarmOutcome, number> = { loaded: 0, fresh: 0, failed: 0, skipped: 0 }
  for (const { outcome } of results) counts[outcome] += 1
  return { results, counts, durationMs: clock.monotonic() - begun }
}

/** Warms now, and again `everyMs` after the end of each time, until it is stopped. */
export function startWarming(
  deps: { readonly cache: Cache; readonly clock?: Clock; readonly tasks: BackgroundTasks },
  options: WarmOptions & { readonly everyMs: number; readonly onReport?: (report: WarmReport) => void },
): AsyncDisposable {
  const stop = new AbortController()
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal])
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  deps.tasks.run('warming', async () => {
    while (!signal.aborted) {
      options.onReport?.(await warmCache(deps, { ...options, signal }))
      await (deps.clock ?? systemClock).sleep(options.everyMs, signal).catch(() => undefined)
    }
    resolve()
  })
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await ended
    },
  }
}

interface GroupDependencies {
  readonly cache: Cache
  readonly clock: Clock
  readonly done: (result: WarmResult) => void
  readonly signal: AbortSignal | undefined
}

class GroupWarmer {
  readonly #deps: GroupDependencies
  readonly #group: WarmGroup
  #nextAt = 0

  constructor(deps: GroupDependencies, group: WarmGroup) {
    this.#deps = deps
    this.#group = group
  }

  async run(): Promise<void> {
    const running = new Set<Promise<void>>()
    try {
      for await (const item of this.#group.items()) {
        if (this.#isAborted) this.#report(item.key, 'skipped')
        else {
          await this.#pace()
          const work = this.#warm(item)
          running.add(work)
          void work.finally(() => running.delete(work))
          if (running.size >= (this.#group.concurrency ?? DEFAULTS.concurrency)) await Promise.race(running)
        }
      }
    } catch (error) {
      this.#report(undefined, 'skipped', { error: describeError(error) })
    }
    await Promise.all(running)
  }

  get #isAborted(): boolean {
    return this.#deps.signal?.aborted === true
  }

  /** Begins are evenly spaced; time that was lost is not made up for by a burst. */
  async #pace(): Promise<void> {
    const { ratePerSec } = this.#group
    if (ratePerSec === undefined) return
    const { clock } = this.#deps
    const waitMs = this.#nextAt - clock.monotonic()
    if (waitMs > 0) await clock.sleep(waitMs)
    this.#nextAt = Math.max(this.#nextAt, clock.monotonic()) + 1_000 / ratePerSec
  }

  async #warm({ key, load, options }: WarmItem): Promise<void> {
    const { cache, clock } = this.#deps
    const begun = clock.monotonic()
    const retries = this.#group.retries ?? DEFAULTS.retries
    for (let attempts = 1; ; attempts += 1) {
      try {
        let wasLoaded = false
        await cache.getOrSet(
          key,
          (context) => {
            wasLoaded = true
            return load(context)
          },
          // After a failure the cache would turn away whoever asks again so soon.
          attempts === 1 ? options : { ...options, refresh: true },
        )
        this.#report(key, wasLoaded ? 'loaded' : 'fresh', { attempts, durationMs: clock.monotonic() - begun })
        return
      } catch (error) {
        if (attempts > retries || this.#isAborted) {
          this.#report(key, 'failed', { attempts, durationMs: clock.monotonic() - begun, error: describeError(error) })
          return
        }
        await clock.sleep(FIRST_RETRY_MS * 2 ** (attempts - 1))
      }
    }
  }

  #report(key: CacheKey | undefined, outcome: WarmOutcome, more: Partial<WarmResult> = {}): void {
    this.#deps.done({ group: this.#group.name, key, outcome, attempts: 0, durationMs: 0, ...more })
  }
}
