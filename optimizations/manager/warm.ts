import type { Clock } from '#optimizations/kernel/clock.ts'
import { describeError } from '#optimizations/kernel/errors.ts'

export interface WarmingItem {
  /** Unique within its group. */
  readonly name: string
  /** Reads the value by the same way as a request would, so that it is kept under the same key. */
  readonly warm: (signal: AbortSignal) => Promise<unknown>
}

/** Items that are worth the same. Which they are is asked at the time of warming. */
export interface WarmingGroup {
  readonly name: string
  readonly items: (signal: AbortSignal) => Promise<readonly WarmingItem[]>
}

/** The most important group first. */
export type WarmingPlan = readonly WarmingGroup[]

export interface WarmedItem {
  readonly name: string
  /** skipped: the time was over before its turn came. */
  readonly status: 'warmed' | 'failed' | 'skipped'
  /** null unless it failed. */
  readonly error: string | null
  readonly durationMs: number
  readonly attempts: number
}

export interface WarmedGroup {
  readonly name: string
  /** Why its items could not be found out; null when they could. */
  readonly error: string | null
  readonly items: readonly WarmedItem[]
}

export interface WarmReport {
  /** completed: everything was warmed. failed: nothing was. partial: something. skipped: there was no sense in trying. */
  readonly status: 'completed' | 'partial' | 'failed' | 'skipped'
  /** Why it was skipped; null when it was not. */
  readonly reason: string | null
  readonly durationMs: number
  readonly successfulWarmups: number
  readonly totalWarmups: number
  readonly groups: readonly WarmedGroup[]
  readonly timestamp: string
}

export interface WarmingOptions {
  /** Items that are read at the same time: few, because requests have to be served beside it. */
  readonly concurrency: number
  readonly attempts: number
  /** After this time nothing more is begun, and what is under way is aborted. */
  readonly deadlineMs: number
}

interface Warming {
  readonly clock: Clock
  readonly options: WarmingOptions
  readonly signal: AbortSignal
}

const SKIPPED = { status: 'skipped', error: null, durationMs: 0, attempts: 0 } as const

async function warmItem({ clock, options, signal }: Warming, { name, warm }: WarmingItem): Promise<WarmedItem> {
  if (signal.aborted) return { name, ...SKIPPED }
  const startedAt = clock.monotonic()
  for (let attempts = 1; ; attempts += 1) {
    try {
      await warm(signal)
      return { name, status: 'warmed', error: null, durationMs: clock.monotonic() - startedAt, attempts }
    } catch (error) {
      if (attempts < options.attempts && !signal.aborted) continue
      const durationMs = clock.monotonic() - startedAt
      return { name, status: 'failed', error: describeError(error), durationMs, attempts }
    }
  }
}

async function warmGroup(warming: Warming, { name, items: find }: WarmingGroup): Promise<WarmedGroup> {
  try {
    warming.signal.throwIfAborted()
    const items = await find(warming.signal)
    const warmed = Array<WarmedItem>(items.length)
    const queue = items.entries()
    const work = Array.from({ length: warming.options.concurrency }, async () => {
      for (const [at, item] of queue) warmed[at] = await warmItem(warming, item)
    })
    await Promise.all(work)
    return { name, error: null, items: warmed }
  } catch (error) {
    return { name, error: describeError(error), items: [] }
  }
}

function statusOf(groups: readonly WarmedGroup[], items: readonly WarmedItem[]): WarmReport['status'] {
  const isWhole = groups.every(({ error }) => error === null) && items.every(({ status }) => status === 'warmed')
  if (isWhole) return 'completed'
  return items.some(({ status }) => status === 'warmed') ? 'partial' : 'failed'
}

/** Nothing was tried, and this is why. */
export function skippedWarming(clock: Clock, reason: string): WarmReport {
  const timestamp = new Date(clock.now()).toISOString()
  const nothing = { durationMs: 0, successfulWarmups: 0, totalWarmups: 0, groups: [] }
  return { status: 'skipped', reason, ...nothing, timestamp }
}

/** Group by group, the items of one side by side. Never rejects: what became of each item is in the report. */
export async function runWarming(
  clock: Clock,
  plan: WarmingPlan,
  options: WarmingOptions,
  stop: AbortSignal,
): Promise<WarmReport> {
  const startedAt = clock.monotonic()
  const late = new AbortController()
  using _deadline = clock.schedule(options.deadlineMs, () => late.abort(new Error('the time for warming is over')))
  const warming: Warming = { clock, options, signal: AbortSignal.any([late.signal, stop]) }
  const groups: WarmedGroup[] = []
  for (const group of plan) groups.push(await warmGroup(warming, group))
  const items = groups.flatMap((group) => group.items)
  return {
    status: statusOf(groups, items),
    reason: null,
    durationMs: clock.monotonic() - startedAt,
    successfulWarmups: items.filter(({ status }) => status === 'warmed').length,
    totalWarmups: items.length,
    groups,
    timestamp: new Date(clock.now()).toISOString(),
  }
}
