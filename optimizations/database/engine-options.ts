import type { ConnectionPoolOptions } from './pool/connection-pool.ts'
import type { PreparedLimits } from './pool/prepared-statements.ts'
import type { ReadLanesOptions } from './pool/read-lanes.ts'
import type { ReplicaSetOptions } from './replicas/replica-set.ts'

export interface EngineOptions {
  readonly applicationName: string
  /** What the session allows a statement. */
  readonly statementTimeoutMs: number
  readonly pool: ConnectionPoolOptions
  readonly prepared: PreparedLimits & {
    /** `false` sends literals as the ORM does. */
    readonly enabled: boolean
    /** From this use on. */
    readonly fromUse: number
    /** How many of the most used statements a new base connection prepares before its first loan. */
    readonly warmStatements: number
  }
  readonly results: {
    readonly maxBytes: number
    /** Whether writes are told to other processes, and those of others heard. */
    readonly isShared: boolean
  }
  readonly statistics: {
    readonly maxFingerprints: number
    readonly slowAfterMs: number
    /** How often one request may ask the same shape before it is reported. */
    readonly repeatedFrom: number
  }
  readonly lanes: ReadLanesOptions
  readonly replicas: ReplicaSetOptions & {
    /** Where they are. Reads of a fork with `replica: true` go there. */
    readonly urls: readonly string[]
    /** Connections to each. */
    readonly poolSize: number
  }
  readonly health: {
    /** A transaction that is open for longer holds back vacuum, and often a lock. */
    readonly longTransactionMs: number
  }
  readonly breaker: { readonly failures: number; readonly coolDownMs: number }
}

/** Every option may be left out, group by group. */
export type EngineOverrides = { readonly [Group in keyof EngineOptions]?: Partial<EngineOptions[Group]> | undefined }

const DEFAULTS: EngineOptions = {
  applicationName: 'hotpath',
  statementTimeoutMs: 30_000,
  pool: {
    size: 20,
    overflow: 30,
    lingerMs: 5_000,
    acquireTimeoutMs: 30_000,
    connectTimeoutMs: 5_000,
    maxWaiting: 1_000,
    maxLifetimeMs: 3_600_000,
    validateAfterIdleMs: 500,
    leakThresholdMs: 60_000,
  },
  prepared: { enabled: true, fromUse: 3, maxStatements: 256, maxBytes: 16_777_216, warmStatements: 20 },
  results: { maxBytes: 67_108_864, isShared: true },
  statistics: { maxFingerprints: 1_000, slowAfterMs: 500, repeatedFrom: 5 },
  lanes: { connections: 0, maxInFlight: 64, maxRecentMs: 2 },
  replicas: { urls: [], poolSize: 10, pollMs: 500, maxLagBytes: 16_777_216 },
  health: { longTransactionMs: 60_000 },
  breaker: { failures: 5, coolDownMs: 1_000 },
}

type Groups = Exclude<keyof EngineOptions, 'applicationName' | 'statementTimeoutMs'>

export function resolveEngineOptions(given: EngineOverrides): EngineOptions {
  const merge = <G extends Groups>(group: G): EngineOptions[G] => ({
    ...DEFAULTS[group],
    ...defined(given[group] ?? {}),
  })
  return {
    applicationName: given.applicationName ?? DEFAULTS.applicationName,
    statementTimeoutMs: given.statementTimeoutMs ?? DEFAULTS.statementTimeoutMs,
    pool: merge('pool'),
    prepared: merge('prepared'),
    results: merge('results'),
    statistics: merge('statistics'),
    lanes: merge('lanes'),
    replicas: merge('replicas'),
    health: merge('health'),
    breaker: merge('breaker'),
  }
}

function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}
