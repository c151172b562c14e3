import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { CacheKey } from './cache-key.ts'
import type { MemoryPermit } from './local-tier.ts'
import type { Announcement, BusListener, Change, InvalidationBus, Membership } from './invalidation-bus.ts'

export interface CoherenceDependencies {
  readonly bus: InvalidationBus
  readonly clock: Clock
  readonly tasks: BackgroundTasks
  readonly permit: MemoryPermit
  /** Must end whatever this process keeps of the change before it returns: the return is what is acknowledged. */
  readonly apply: (change: Change) => void
  /** Memory is to be emptied: something may have been missed. */
  readonly reset: () => void
}

export interface CoherenceOptions {
  /** How long memory may be served without a sign of life; also the longest that a silent process delays others. */
  readonly memoryLeaseMs: number
}

/** Two clocks may run apart by this much of a lease without harm: the holder counts less than the others wait. */
const LEASE_SHARE = 0.9

interface Wait {
  readonly sequence: number
  readonly missing: Set<string>
  readonly done: () => void
}

/**
 * Keeps the memory of several processes true, by leases (C. Gray and D. Cheriton, "Leases: an efficient
 * fault-tolerant mechanism for distributed file cache consistency", SOSP 1989).
 *
 * Whoever keeps memory registers for `memoryLeaseMs` at a time and serves from memory only while its registration
 * lasts. An invalidation is announced to all, and acknowledged when every registered process has applied it, or its
 * registration has ended: a process that is frozen, cut off or killed delays others by one lease, and by then has
 * stopped serving from memory by itself.
 */
export class Coherence implements BusListener {
  readonly #deps: CoherenceDependencies
  readonly #options: CoherenceOptions
  readonly #waits = new Set<Wait>()
  /** The last announcement of each process that is applied here and not yet acknowledged. */
  readonly #owed = new Map<string, number>()
  /** The last announcement of this process that each other one has acknowledged. */
  readonly #heard = new Map<string, number>()
  #sequence = 0
  #pending: PendingAnnouncement | undefined
  #isArmed = false

  constructor(deps: CoherenceDependencies, options: CoherenceOptions) {
    this.#deps = deps
    this.#options = options
  }

  /** One sign of life: begins to listen where that is needed, and extends the permission to serve from memory. */
  async renew(): Promise<void> {
    const { bus, clock, reset } = this.#deps
    if (!bus.isListening) await bus.listen(this)
    const sentAt = clock.monotonic()
    await bus.renew()
    if (!bus.isListening) return
    if (!this.#isArmed) reset()
    this.#isArmed = true
    this.#deps.permit.validUntil = sentAt + this.#options.memoryLeaseMs * LEASE_SHARE
  }

  /** Resolves when no process serves what the change ended. Rejects when it could not be announced. */
  async announce(change: Change): Promise<void> {
    this.#pending ??= this.#collect()
    const pending = this.#pending
    for (const key of change.keys) pending.keys.add(key)
    for (const tag of change.tags) pending.tags.add(tag)
    pending.everything ||= change.everything
    await pending.sent
  }

  announced(announcement: Announcement): void {
    if (announcement.from === this.#deps.bus.member) return
    this.#deps.apply(announcement)
    const isFirst = this.#owed.size === 0
    this.#owed.set(announcement.from, announcement.sequence)
    if (isFirst) this.#deps.tasks.run('acknowledge', () => this.#acknowledge())
  }

  acknowledged(by: string, sequence: number): void {
    this.#heard.set(by, sequence)
    for (const wait of this.#waits) {
      if (wait.sequence > sequence || !wait.missing.delete(by)) continue
      if (wait.missing.size === 0) wait.done()
    }
  }

  written(change: Change): void {
    this.#deps.apply(change)
  }

  lost(): void {
    this.#isArmed = false
    this.#deps.permit.validUntil = Number.NEGATIVE_INFINITY
    this.#deps.reset()
  }

  /** Others need not wait for this process any more. */
  async stop(): Promise<void> {
    this.lost()
    if (this.#deps.bus.isListening) await this.#deps.bus.leave().catch(() => undefined)
    await this.#deps.bus.stop()
  }

  /** Announcements of one turn travel together, and are acknowledged together. */
  #collect(): PendingAnnouncement {
    const pending: PendingAnnouncement = { keys: new Set(), tags: new Set(), everything: false, sent: undefined }
    pending.sent = (async () => {
      await Promise.resolve()
      this.#pending = undefined
      await this.#send({ keys: [...pending.keys], tags: [...pending.tags], everything: pending.everything })
    })()
    return pending
  }

  async #send(change: Change): Promise<void> {
    this.#sequence += 1
    const sequence = this.#sequence
    const { others, unlistedMs } = await this.#deps.bus.announce({ ...change, from: this.#deps.bus.member, sequence })
    // Acknowledgements may have overtaken the answer that says whom to wait for.
    const missing = others.filter(({ id }) => (this.#heard.get(id) ?? 0) < sequence)
    const longest = Math.max(0, ...missing.map(({ remainingMs }) => remainingMs))
    await Promise.all([this.#hear(sequence, missing, longest), unlistedMs > 0 && this.#deps.clock.sleep(unlistedMs)])
    const listed = new Set(others.map(({ id }) => id))
    for (const id of this.#heard.keys()) if (!listed.has(id)) this.#heard.delete(id)
  }

  /** Resolves when all of `missing` have acknowledged, or the last of their leases has ended. */
  async #hear(sequence: number, missing: Membership['others'], longestMs: number): Promise<void> {
    if (missing.length === 0) return
    const stop = new AbortController()
    const wait: Wait = { sequence, missing: new Set(missing.map(({ id }) => id)), done: () => stop.abort() }
    this.#waits.add(wait)
    // The sleep is cut short by the last acknowledgement.
    await this.#deps.clock.sleep(longestMs, stop.signal).catch(() => undefined)
    this.#waits.delete(wait)
  }

  async #acknowledge(): Promise<void> {
    await Promise.resolve()
    const owed = [...this.#owed]
    this.#owed.clear()
    await Promise.all(owed.map(([to, sequence]) => this.#deps.bus.acknowledge(to, sequence)))
  }
}

interface PendingAnnouncement {
  readonly keys: Set<CacheKey>
  readonly tags: Set<string>
  everything: boolean
  sent: Promise<void> | undefined
}
