import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import { withDeadline } from '#optimizations/kernel/deadline.ts'
import type { TableVersions } from '../results/table-versions.ts'

/** A position in the write-ahead log, in bytes. */
export type Lsn = bigint

interface ReplicaSource<Pool> {
  readonly pool: Pool
  readonly position: () => Promise<Lsn>
  /** Ends what is under way there, so that the primary can be asked instead. */
  readonly giveUp: () => void
}

export interface ReplicaSetDeps<Pool> {
  readonly clock: Clock
  readonly background: BackgroundTasks
  readonly versions: TableVersions
  /** How far the primary has written. */
  readonly primaryPosition: () => Promise<Lsn>
  readonly replicas: readonly ReplicaSource<Pool>[]
}

export interface ReplicaSetOptions {
  readonly pollMs: number
  /** A replica that is further behind is not asked at all. */
  readonly maxLagBytes: number
}

interface Replica<Pool> extends ReplicaSource<Pool> {
  isHealthy: boolean
  lagBytes: bigint
  /** All writes up to this one of the counter are visible on it. */
  seesUpTo: number
}

/** Where the primary was when all writes up to `sequence` were committed. */
interface Mark {
  readonly sequence: number
  readonly position: Lsn
}

const MOST_MARKS = 100

/**
 * Chooses the replica that is least behind and has everything that this process knows to be written to the tables in
 * question: who writes, or has heard of a write, reads it. The primary's position is noted together with the counter
 * of writes; a replica that has replayed a noted position sees every write up to the counter beside it.
 */
export class ReplicaSet<Pool> {
  readonly #deps: ReplicaSetDeps<Pool>
  readonly #options: ReplicaSetOptions
  readonly #replicas: Replica<Pool>[]
  #marks: Mark[] = []
  #next: Disposable | null = null
  #isStopped = false

  constructor(deps: ReplicaSetDeps<Pool>, options: ReplicaSetOptions) {
    this.#deps = deps
    this.#options = options
    this.#replicas = deps.replicas.map((replica) => ({ ...replica, isHealthy: false, lagBytes: 0n, seesUpTo: -1 }))
  }

  /** The lag of each replica in bytes; null for one that does not answer. */
  get lags(): readonly (number | null)[] {
    return this.#replicas.map(({ isHealthy, lagBytes }) => (isHealthy ? Number(lagBytes) : null))
  }

  /** What keeps replicas from being asked, in words. */
  get complaints(): readonly string[] {
    return this.#replicas.flatMap(({ isHealthy, lagBytes }, index) => {
      if (!isHealthy) return [`replica ${index + 1} does not answer`]
      return lagBytes > this.#options.maxLagBytes ? [`replica ${index + 1} is ${lagBytes} bytes behind`] : []
    })
  }

  async start(): Promise<void> {
    if (this.#replicas.length > 0) await this.#poll()
  }

  stop(): void {
    this.#isStopped = true
    this.#next?.[Symbol.dispose]()
  }

  /** Null: only the primary will do. */
  choose(tables: ReadonlySet<string>): Pool | null {
    let best: Replica<Pool> | null = null
    for (const replica of this.#replicas) {
      const isFit = replica.isHealthy && replica.lagBytes <= this.#options.maxLagBytes
      if (!isFit || !this.#deps.versions.isCurrent(tables, replica.seesUpTo)) continue
      if (best === null || replica.lagBytes < best.lagBytes) best = replica
    }
    return best?.pool ?? null
  }

  async #poll(): Promise<void> {
    const { versions, primaryPosition, clock, background } = this.#deps
    // The counter first: a write that is counted in between is covered by the position all the same.
    const sequence = versions.now()
    const position = await this.#ask('The primary', primaryPosition).catch(() => null)
    if (position !== null) this.#marks = [...this.#marks, { sequence, position }].slice(-MOST_MARKS)
    await Promise.all(this.#replicas.map((replica) => this.#look(replica)))
    if (this.#isStopped) return
    this.#next = clock.schedule(this.#options.pollMs, () => background.run('database.replicas', () => this.#poll()))
  }

  async #look(replica: Replica<Pool>): Promise<void> {
    try {
      const replayed = await this.#ask('A replica', replica.position)
      const behind = (this.#marks.at(-1)?.position ?? replayed) - replayed
      replica.lagBytes = behind > 0n ? behind : 0n
      replica.seesUpTo = this.#marks.findLast(({ position }) => position <= replayed)?.sequence ?? -1
      replica.isHealthy = true
    } catch {
      replica.isHealthy = false
      replica.giveUp()
    }
  }

  async #ask(who: string, position: () => Promise<Lsn>): Promise<Lsn> {
    return await withDeadline(who, this.#options.pollMs * 2, position())
  }
}
