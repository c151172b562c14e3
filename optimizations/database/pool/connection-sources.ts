import type { ClientConfig } from 'pg'
import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import type { Random } from '#optimizations/kernel/random.ts'
import type { EngineOptions } from '../engine-options.ts'
import { createConnectBreaker, type ConnectBreaker } from '../recovery/connect-breaker.ts'
import { ReplicaSet } from '../replicas/replica-set.ts'
import type { TableVersions } from '../results/table-versions.ts'
import type { FormatDate } from '../statements/encode-value.ts'
import { ConnectionPool, type ConnectionPoolOptions, type Leak } from './connection-pool.ts'
import { PooledConnection, type ConnectionObserver } from './pooled-connection.ts'
import { ReadLanes } from './read-lanes.ts'

export interface ConnectionSourcesDeps {
  readonly clock: Clock
  readonly random: Random
  readonly background: BackgroundTasks
  readonly versions: TableVersions
  readonly client: ClientConfig
  readonly formatDate: FormatDate
  /** What is to be known of every connection, whichever source it is of. */
  readonly observer: Omit<ConnectionObserver, 'lost' | 'released'>
  readonly setUp: (connection: PooledConnection) => Promise<void>
  readonly prepare: (connection: PooledConnection) => Promise<void>
  readonly onLeak: (leak: Leak) => void
}

/** Every place that connections come from: the primary's pool, the lanes for quick reads, a pool for each replica. */
export class ConnectionSources {
  readonly primary: ConnectionPool
  /** The primary's: each server has one of its own. */
  readonly breaker: ConnectBreaker
  readonly lanes: ReadLanes
  readonly replicas: ReplicaSet<ConnectionPool>
  readonly #deps: ConnectionSourcesDeps
  readonly #options: EngineOptions
  readonly #replicaPools: readonly ConnectionPool[]
  /** Which pool a connection is of: it is told of its losses and returns. */
  readonly #pools = new WeakMap<PooledConnection, ConnectionPool>()
  readonly #observer: ConnectionObserver

  constructor(deps: ConnectionSourcesDeps, options: EngineOptions) {
    this.#deps = deps
    this.#options = options
    this.#observer = {
      ...deps.observer,
      lost: (connection) => {
        this.lanes.forget(connection)
        this.#pools.get(connection)?.forget(connection)
      },
      released: (connection) => this.#pools.get(connection)?.release(connection),
    }
    this.breaker = createConnectBreaker(options.breaker)
    this.primary = this.#createPool(deps.client, options.pool, this.breaker)
    this.lanes = this.#createLanes()
    this.#replicaPools = options.replicas.urls.map((url) =>
      this.#createPool(
        { ...deps.client, connectionString: url },
        { ...options.pool, size: options.replicas.poolSize, overflow: 0 },
        createConnectBreaker(options.breaker),
      ),
    )
    this.replicas = this.#createReplicas()
  }

  /** Rejects when the primary cannot be reached; lanes and replicas may come later. */
  async start(): Promise<void> {
    await this.primary.warmUp()
    await this.lanes.start()
    await Promise.allSettled(this.#replicaPools.map((pool) => pool.warmUp()))
    await this.replicas.start()
  }

  async stop(drainMs: number): Promise<void> {
    this.replicas.stop()
    await Promise.all([this.primary, ...this.#replicaPools].map((pool) => pool.stop(drainMs)))
    await this.lanes.stop()
  }

  #createLanes(): ReadLanes {
    const { clock, background, client } = this.#deps
    // `pipeline` is new in pg 8.23 and not in its types yet.
    const pipelined: ClientConfig & { readonly pipeline: true } = { ...client, pipeline: true }
    const create = (): PooledConnection => this.#createConnection(pipelined)
    return new ReadLanes({ clock, background, create }, this.#options.lanes)
  }

  #createReplicas(): ReplicaSet<ConnectionPool> {
    const { clock, background, versions } = this.#deps
    const replicas = this.#replicaPools.map((pool) => ({
      pool,
      position: () => positionOf(pool, 'pg_last_wal_replay_lsn()'),
      giveUp: () => pool.giveUp(),
    }))
    const primaryPosition = (): Promise<bigint> => positionOf(this.primary, 'pg_current_wal_lsn()')
    return new ReplicaSet({ clock, background, versions, primaryPosition, replicas }, this.#options.replicas)
  }

  #createConnection(client: ClientConfig): PooledConnection {
    const { clock, formatDate } = this.#deps
    const { prepared, statementTimeoutMs } = this.#options
    return new PooledConnection(clock, this.#observer, { client, prepared, statementTimeoutMs, formatDate })
  }

  #createPool(client: ClientConfig, options: ConnectionPoolOptions, breaker: ConnectBreaker): ConnectionPool {
    const { clock, random, background, setUp, prepare, onLeak } = this.#deps
    const create = (): PooledConnection => {
      const connection = this.#createConnection(client)
      this.#pools.set(connection, pool)
      return connection
    }
    const guard = (open: () => Promise<void>): Promise<void> => breaker.guard(open)
    const deps = { clock, random, background, create, guard, setUp, prepare, onLeak }
    const pool: ConnectionPool = new ConnectionPool(deps, options)
    return pool
  }
}

/** Where a server is in the write-ahead log. */
async function positionOf(pool: ConnectionPool, position: string): Promise<bigint> {
  const connection = await pool.acquire()
  try {
    const [row] = await connection.ask(`select (${position} - '0/0')::text as bytes`)
    return BigInt(String(row?.['bytes']))
  } finally {
    pool.release(connection)
  }
}
