import { constants, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import type { NodeGCPerformanceDetail, PerformanceEntry } from 'node:perf_hooks'

const NANOSECONDS_PER_MS = 1e6
/** How often the event loop is asked whether it is late. */
const RESOLUTION_MS = 20

export type GcKind = 'major' | 'minor' | 'incremental' | 'weakcb'

const GC_KINDS: ReadonlyMap<number | undefined, GcKind> = new Map([
  [constants.NODE_PERFORMANCE_GC_MAJOR, 'major'],
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL, 'incremental'],
  [constants.NODE_PERFORMANCE_GC_WEAKCB, 'weakcb'],
])

export interface ProcessMetrics {
  readonly uptimeSec: number
  /** User and system time of all threads. */
  readonly cpuSec: number
  readonly memory: {
    readonly rssBytes: number
    readonly heapUsedBytes: number
    readonly heapTotalBytes: number
    readonly externalBytes: number
  }
  /** Since the start of the monitor: how much later than planned the event loop came round. */
  readonly eventLoopDelay: {
    readonly meanMs: number
    readonly p50Ms: number
    readonly p95Ms: number
    readonly p99Ms: number
    readonly maxMs: number
  }
  /** Share of the time since the start of the monitor in which the event loop was busy, 0 to 1. */
  readonly eventLoopUtilization: number
  readonly gc: Readonly<Record<GcKind, { readonly count: number; readonly totalMs: number }>>
}

/** The types of Node leave out what an entry of this kind has. */
type GcEntry = PerformanceEntry & { readonly detail: NodeGCPerformanceDetail }

/** What the process itself can tell: event loop, garbage collection, memory. */
export interface ProcessMonitor extends Disposable {
  snapshot(): ProcessMetrics
}

export function startProcessMonitor(): ProcessMonitor {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  const began = performance.eventLoopUtilization()
  const gc = {
    major: { count: 0, totalMs: 0 },
    minor: { count: 0, totalMs: 0 },
    incremental: { count: 0, totalMs: 0 },
    weakcb: { count: 0, totalMs: 0 },
  }
  const collections = new PerformanceObserver((list) => {
    for (const { detail, duration } of list.getEntries() as GcEntry[]) {
      // V8 has more than one way to collect young objects.
      const kind = GC_KINDS.get(detail.kind) ?? 'minor'
      gc[kind].count += 1
      gc[kind].totalMs += duration
    }
  })
  collections.observe({ entryTypes: ['gc'] })

  // The monitor's own period is part of what it measures; an empty histogram answers NaN.
  const late = (nanoseconds: number): number => Math.max(0, (nanoseconds || 0) / NANOSECONDS_PER_MS - RESOLUTION_MS)

  return {
    snapshot() {
      const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
      const { user, system } = process.cpuUsage()
      return {
        uptimeSec: process.uptime(),
        cpuSec: (user + system) / 1e6,
        memory: { rssBytes: rss, heapUsedBytes: heapUsed, heapTotalBytes: heapTotal, externalBytes: external },
        eventLoopDelay: {
          meanMs: late(delay.mean),
          p50Ms: late(delay.percentile(50)),
          p95Ms: late(delay.percentile(95)),
          p99Ms: late(delay.percentile(99)),
          maxMs: late(delay.max),
        },
        eventLoopUtilization: performance.eventLoopUtilization(began).utilization,
        gc: structuredClone(gc),
      }
    },
    [Symbol.dispose]() {
      delay.disable()
      collections.disconnect()
    },
  }
}
