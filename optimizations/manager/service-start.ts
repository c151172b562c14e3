import type { BackgroundTasks } from '#optimizations/kernel/background-tasks.ts'
import type { Clock } from '#optimizations/kernel/clock.ts'
import { withDeadline } from '#optimizations/kernel/deadline.ts'
import { describeError } from '#optimizations/kernel/errors.ts'
import type { Health } from '#optimizations/kernel/health.ts'
import type { Random } from '#optimizations/kernel/random.ts'
import type { ServiceName } from './service-name.ts'
import type { ServiceState, ServiceStatus } from './start-report.ts'

/** What the manager starts: it can be asked how it is, and stopped. */
interface Startable {
  health(): Promise<Health>
  stop(): Promise<unknown>
}

export interface ServiceStartDeps<Service extends Startable> {
  readonly clock: Clock
  readonly random: Random
  readonly tasks: BackgroundTasks
  readonly start: () => Promise<Service>
  /** Called once, with the started service, before anybody else gets it. */
  readonly onStarted: (service: Service) => void | Promise<void>
}

export interface ServiceStartOptions {
  readonly name: ServiceName
  readonly timeoutMs: number
}

const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 30_000

/**
 * The start of one service: under a time limit, told truthfully, and tried again until it succeeds. A start that comes
 * too late is not thrown away: the next attempt takes its result.
 */
export class ServiceStart<Service extends Startable> {
  readonly #deps: ServiceStartDeps<Service>
  readonly #options: ServiceStartOptions
  readonly #closed = new AbortController()
  #pending: Promise<Service> | undefined
  #service: Service | undefined
  #status: ServiceStatus = { status: 'not_initialized', error: null, durationMs: 0, attempts: 0 }
  #cause: unknown

  constructor(deps: ServiceStartDeps<Service>, options: ServiceStartOptions) {
    this.#deps = deps
    this.#options = options
  }

  get status(): ServiceStatus {
    return this.#status
  }

  get service(): Service | undefined {
    return this.#service
  }

  /** What the latest attempt failed with. */
  get cause(): unknown {
    return this.#cause
  }

  /** One attempt. Never rejects: `status` says what became of it. */
  async attempt(): Promise<void> {
    const { clock } = this.#deps
    const startedAt = clock.monotonic()
    const end = (status: ServiceState, error: string | null): void => {
      const durationMs = clock.monotonic() - startedAt
      this.#status = { status, error, durationMs, attempts: this.#status.attempts + 1 }
    }
    try {
      const service = this.#service ?? (await this.#start())
      const { status, reasons } = await this.#limited('probe', service.health())
      if (status === 'healthy') end('initialized', null)
      else end('degraded', reasons.join('; '))
    } catch (error) {
      this.#cause = error
      end(this.#service === undefined ? 'failed' : 'degraded', describeError(error))
    }
  }

  /** Attempts in the background, with growing pauses, until the service is initialized or `close` is called. */
  keepTrying(): void {
    this.#deps.tasks.run(`manager.start.${this.#options.name}`, async () => {
      for (let attempt = 0; this.#status.status !== 'initialized'; attempt += 1) {
        // Half of the pause is drawn, so that the processes of a cluster do not come back in step.
        const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt) * (0.5 + this.#deps.random() / 2)
        await this.#deps.clock.sleep(pauseMs, this.#closed.signal).catch(() => undefined)
        if (this.#closed.signal.aborted) return
        await this.attempt()
      }
    })
  }

  /** No further attempt. What a late one still brings is stopped. */
  close(): void {
    this.#closed.abort()
  }

  async #start(): Promise<Service> {
    this.#pending ??= this.#startOnce().finally(() => (this.#pending = undefined))
    return await this.#limited('start', this.#pending)
  }

  /** Nobody may be waiting any more when it ends, so it cares for its result itself. */
  async #startOnce(): Promise<Service> {
    const service = await this.#deps.start()
    try {
      this.#closed.signal.throwIfAborted()
      await this.#deps.onStarted(service)
      this.#service = service
      return service
    } catch (error) {
      await service.stop()
      throw error
    }
  }

  #limited<T>(what: string, work: Promise<T>): Promise<T> {
    return withDeadline(`the ${what} of ${this.#options.name}`, this.#options.timeoutMs, work)
  }
}
