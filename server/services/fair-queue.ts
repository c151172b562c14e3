export interface Queued {
  /** Whom the job belongs to: groups take turns. */
  readonly group: string
  /** Goes before all jobs that are not preferred. */
  readonly isPreferred: boolean
}

/** Others get a turn after so many preferred ones in a row: preference is no monopoly. */
const PREFERRED_IN_A_ROW = 3

/** Jobs of one rank. A group that was served goes behind all others. */
class Lane<Job extends Queued> {
  readonly #groups = new Map<string, Job[]>()
  size = 0

  push(job: Job): void {
    const jobs = this.#groups.get(job.group)
    if (jobs === undefined) this.#groups.set(job.group, [job])
    else jobs.push(job)
    this.size += 1
  }

  shift(): Job | undefined {
    const [first] = this.#groups.values()
    const job = first?.[0]
    if (job === undefined) return undefined
    const jobs = this.#groups.get(job.group)
    this.remove(job)
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

  /** How many would be served before another job of this group. */
  aheadOf(group: string): number {
    const own = this.waitingOf(group)
    let ahead = 0
    for (const [name, jobs] of this.#groups) ahead += name === group ? own : Math.min(jobs.length, own + 1)
    return ahead
  }

  /** The last job of the group with the most. */
  lastOfLongest(): Job | undefined {
    let longest: Job[] = []
    for (const jobs of this.#groups.values()) if (jobs.length > longest.length) longest = jobs
    return longest.at(-1)
  }
}

/** Groups take turns (round robin), so that many jobs of one keep nobody else waiting for all of them. */
export class FairQueue<Job extends Queued> {
  readonly #preferred = new Lane<Job>()
  readonly #others = new Lane<Job>()
  #preferredInARow = 0

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

  /** About how many would be served before this job, were it added now. */
  aheadOf({ group, isPreferred }: Queued): number {
    return isPreferred ? this.#preferred.aheadOf(group) : this.#preferred.size + this.#others.aheadOf(group)
  }

  /** Makes room for a job: takes out one of a group that has more waiting than this one's. Undefined when none has. */
  makeRoomFor({ group, isPreferred }: Queued): Job | undefined {
    const last = this.#others.lastOfLongest() ?? (isPreferred ? this.#preferred.lastOfLongest() : undefined)
    if (last === undefined) return undefined
    const isOutranked = isPreferred && !last.isPreferred
    const lane = this.#laneOf(last)
    if (!isOutranked && lane.waitingOf(last.group) <= lane.waitingOf(group) + 1) return undefined
    lane.remove(last)
    return last
  }

  #laneOf({ isPreferred }: Queued): Lane<Job> {
    return isPreferred ? this.#preferred : this.#others
  }
}
