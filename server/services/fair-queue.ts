import { LRUCache } from 'lru-cache'
import type { Clock } from '#optimizations/kernel/clock.ts'

export interface Queued {
  /** Whom the job belongs to: groups take turns. */
  readonly group: string
  /** Goes before all jobs that are not preferred. */
  readonly isPreferred: boolean
}

export interface FairQueueOptions {
  readonly clock: Pick<Clock, 'monotonic'>
  /** How many may wait in all: of the preferred no more than half as many, so that the others have places too. */
  readonly maxWaiting: number
}

/** Others get a turn after so many preferred ones in a row: preference is no monopoly. */
const PREFERRED_IN_A_ROW = 3
/** A failure is remembered for so long, of so many groups. */
const REMEMBER_MS = 60_000
const MAX_REMEMBERED = 10_000

type FailuresOf = (group: string) => number

/** Jobs of one rank. The turn of a job is how many of its group wait before it, and how many have failed lately. */
class Lane<Job extends Queued> {
  readonly #failuresOf: FailuresOf
  readonly #groups = new Map<string, Job[]>()
  size = 0

  constructor(failuresOf: FailuresOf) {
    this.#failuresOf = failuresOf
  }

  push(job: Job): void {
    const jobs = this.#groups.get(job.group)
    if (jobs === undefined) this.#groups.set(job.group, [job])
    else jobs.push(job)
    this.size += 1
  }

  /** Of the groups with the fewest failures, the one that was served longest ago. */
  shift(): Job | undefined {
    let best: { readonly job: Job; readonly failures: number } | undefined
    for (const [group, [job]] of this.#groups) {
      const failures = this.#failuresOf(group)
      if (job !== undefined && (best === undefined || failures < best.failures)) best = { job, failures }
    }
    if (best === undefined) return undefined
    const { job } = best
    const jobs = this.#groups.get(job.group)
    this.remove(job)
    // A group that was served goes behind those that are its equals.
    if (jobs !== undefined && this.#groups.delete(job.group)) this.#groups.set(job.group, jobs)
    return job
  }

  remove(job: Job): boolean {
    const jobs = this.#groups.get(job.group)
    const at = jobs?.indexOf(job) ?? -1
    if (jobs === undefined || at < 0) return false
    jobs.splice(at, 1)
    if (jobs.length === 0) this.#groups.delete(job.group)
    this.size -= 1
    return true
  }

  waitingOf(group: string): number {
    return this.#groups.get(group)?.length ?? 0
  }

  /** The turn that another job of this group would have. */
  turnOf(group: string): number {
    return this.#failuresOf(group) + this.waitingOf(group)
  }

  /** About how many would be served before another job of this group. */
  aheadOf(group: string): number {
    const turn = this.turnOf(group)
    let ahead = 0
    for (const [name, jobs] of this.#groups) {
      ahead += Math.min(jobs.length, Math.max(0, turn + 1 - this.#failuresOf(name)))
    }
    return ahead
  }

  /** The job whose turn is last. */
  last(): { readonly job: Job; readonly turn: number } | undefined {
    let last: { readonly job: Job; readonly turn: number } | undefined
    for (const [group, jobs] of this.#groups) {
      const [job, turn] = [jobs.at(-1), this.turnOf(group) - 1]
      if (job !== undefined && (last === undefined || turn > last.turn)) last = { job, turn }
    }
    return last
  }
}

/**
 * Groups take turns, so that many jobs of one keep nobody else waiting for all of them. Among more groups than there are
 * places, those that have failed the least in the last minute go first: who comes for the first time is not kept out.
 */
export class FairQueue<Job extends Queued> {
  readonly #preferred: Lane<Job>
  readonly #others: Lane<Job>
  readonly #failures: LRUCache<string, number>
  readonly #maxWaiting: number
  readonly #maxPreferred: number
  #preferredInARow = 0

  constructor({ clock, maxWaiting }: FairQueueOptions) {
    this.#maxWaiting = maxWaiting
    this.#maxPreferred = Math.ceil(maxWaiting / 2)
    this.#failures = new LRUCache({
      max: MAX_REMEMBERED,
      ttl: REMEMBER_MS,
      ttlResolution: 0,
      noUpdateTTL: true,
      perf: { now: () => clock.monotonic() },
    })
    const failuresOf = (group: string): number => this.#failures.get(group) ?? 0
    this.#preferred = new Lane(failuresOf)
    this.#others = new Lane(failuresOf)
  }

  get size(): number {
    return this.#preferred.size + this.#others.size
  }

  push(job: Job): void {
    this.#laneOf(job).push(job)
  }

  shift(): Job | undefined {
    const isTurnOfOthers = this.#preferredInARow >= PREFERRED_IN_A_ROW && this.#others.size > 0
    const preferred = isTurnOfOthers ? undefined : this.#preferred.shift()
    this.#preferredInARow = preferred === undefined ? 0 : this.#preferredInARow + 1
    return preferred ?? this.#others.shift()
  }

  /** False when it is not waiting any more. */
  remove(job: Job): boolean {
    return this.#laneOf(job).remove(job)
  }

  /** Puts the next jobs of this group behind those of groups that have failed less. */
  recordFailure(group: string): void {
    this.#failures.set(group, (this.#failures.get(group) ?? 0) + 1)
  }

  /** About how many would be served before this job, were it added now. */
  aheadOf({ group, isPreferred }: Queued): number {
    if (isPreferred) return this.#preferred.aheadOf(group)
    const others = this.#others.aheadOf(group)
    return others + Math.min(this.#preferred.size, PREFERRED_IN_A_ROW * (others + 1))
  }

  hasRoomFor({ isPreferred }: Queued): boolean {
    return this.size < this.#maxWaiting && !(isPreferred && this.#isPreferredFull)
  }

  /** Makes room for a job: takes out one whose turn is later. Undefined when there is none. */
  makeRoomFor({ group, isPreferred }: Queued): Job | undefined {
    const outranked = isPreferred && !this.#isPreferredFull ? this.#others.last()?.job : undefined
    const lane = isPreferred ? this.#preferred : this.#others
    const last = lane.last()
    const job = outranked ?? (last !== undefined && last.turn > lane.turnOf(group) ? last.job : undefined)
    if (job !== undefined) this.remove(job)
    return job
  }

  get #isPreferredFull(): boolean {
    return this.#preferred.size >= this.#maxPreferred
  }

  #laneOf({ isPreferred }: Queued): Lane<Job> {
    return isPreferred ? this.#preferred : this.#others
  }
}
