import { BrokenCircuitError, CircuitState, ConsecutiveBreaker, circuitBreaker, handleWhen } from 'cockatiel'
import { DatabaseError, isConnectionLoss } from '../errors.ts'

export interface ConnectBreaker {
  /** Whether the server counts as away, so that opening a connection is refused without a try. */
  readonly isOpen: boolean
  guard(open: () => Promise<void>): Promise<void>
}

/** Guards the opening of connections: what is open already goes on, and one try after the cool-down closes it again. */
export function createConnectBreaker(options: {
  readonly failures: number
  readonly coolDownMs: number
}): ConnectBreaker {
  const isAway = (error: unknown): boolean =>
    isConnectionLoss(error) || (error instanceof DatabaseError && error.code === 'pool_connect_timeout')
  const policy = circuitBreaker(handleWhen(isAway), {
    halfOpenAfter: options.coolDownMs,
    breaker: new ConsecutiveBreaker(options.failures),
  })
  return {
    get isOpen() {
      return policy.state !== CircuitState.Closed
    },
    async guard(open) {
      try {
        return await policy.execute(open)
      } catch (error) {
        if (!(error instanceof BrokenCircuitError)) throw error
        throw new DatabaseError('database_breaker_open', 'PostgreSQL could not be reached; it is tried again shortly', {
          retryable: true,
          cause: error,
        })
      }
    },
  }
}
