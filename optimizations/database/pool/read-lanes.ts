import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { PooledConnection } from './pooled-connection.ts'

export interface ReadLanesOptions {
  /** How many connections are shared by all quick reads. 0 turns lanes off. */
  readonly connections: number
  /** More than this many statements at once in one lane go to the pool instead. */
  readonly maxInFlight: number
  /** A shape that took longer of late would hold up those behind it. */
  readonly maxRecentMs: number
}

export interface ReadLanesDeps {
  readonly clock: Clock
  readonly background: BackgroundTasks
  /** Makes a connection whose client pipelines; `open` is called here. */
  readonly create: () => PooledConnection
}

interface Lane {
  connection: PooledConnection | null
  inFlight: number
}

const RECONNECT_MS = 1_000

/**
 * A few connections on which quick reads are sent without waiting for the answers before them (pipelining): a round
 * trip is shared by all that are under way. Only for what is read-only, prepared and known to be quick, since the
 * server answers in order.
 */
export class ReadLanes {
  readonly #deps: ReadLanesDeps
  readonly #options: ReadLanesOptions
  readonly #lanes: Lane[]
  #retry: Disposable | null = null
  #isStopped = false

  constructor(deps: ReadLanesDeps, options: ReadLanesOptions) {
    this.#deps = deps
    this.#options = options
    this.#lanes = Array.from({ length: options.connections }, () => ({ connection: null, inFlight: 0 }))
  }

  get open(): number {
    return this.#lanes.filter(({ connection }) => connection !== null).length
  }

  async start(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => this.#open(lane)))
  }

  /** Runs `work` on the emptiest lane; null when there is none with room, or the shape is too slow for it. */
  take<T>(recentMs: number, work: (connection: PooledConnection) => Promise<T>): Promise<T> | null {
    if (recentMs > this.#options.maxRecentMs) return null
    let best: Lane | null = null
    for (const lane of this.#lanes) {
      if (lane.connection !== null && (best === null || lane.inFlight < best.inFlight)) best = lane
    }
    if (best === null || best.inFlight >= this.#options.maxInFlight) return null
    return this.#run(best, work)
  }

  /** A connection broke: it may have been one of these. */
  forget(connection: PooledConnection): void {
    const lane = this.#lanes.find((one) => one.connection === connection)
    if (lane === undefined) return
    lane.connection = null
    this.#plan()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#retry?.[Symbol.dispose]()
    await Promise.all(this.#lanes.map(async ({ connection }) => await connection?.close()))
  }

  async #run<T>(lane: Lane, work: (connection: PooledConnection) => Promise<T>): Promise<T> {
    lane.inFlight += 1
    try {
      return await work(lane.connection as PooledConnection)
    } finally {
      lane.inFlight -= 1
    }
  }

  async #open(lane: Lane): Promise<void> {
    const connection = this.#deps.create()
    try {
      await connection.open()
      lane.connection = connection
    } catch {
      // Without lanes the pool does it all.
      await connection.close()
      this.#plan()
    }
  }

  #plan(): void {
    this.#retry?.[Symbol.dispose]()
    if (this.#isStopped) return
    this.#retry = this.#deps.clock.schedule(RECONNECT_MS, () =>
      this.#deps.background.run('database.lanes', async () => {
        for (const lane of this.#lanes) if (lane.connection === null) await this.#open(lane)
      }),
    )
  }
}
