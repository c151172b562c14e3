import type { Tier } from './queued-event.ts'
import type { TokenSource } from './spare-tokens.ts'

/** What one tier has under way, and what it has paid for. */
export interface TierState {
  readonly name: Tier
  readonly tokens: TokenSource
  /** Connections that it may use at a time. */
  readonly mostInFlight: number
  inFlight: number
  /** Tokens that were taken and not used. */
  credit: number
  isAwaitingTokens: boolean
}

export function createTierState(name: Tier, tokens: TokenSource, mostInFlight: number): TierState {
  return { name, tokens, mostInFlight, inFlight: 0, credit: 0, isAwaitingTokens: false }
}
