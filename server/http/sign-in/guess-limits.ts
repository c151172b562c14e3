import { createHmac } from 'node:crypto'
import type { Clock } from '#optimizations/kernel/clock.ts'
import { AttemptLimiter } from '#server/http/rate-limit/attempt-limiter.ts'
import type { Bucket, TokenStore } from '#optimizations/express/rate-limit/token-store.ts'
import type { KnownPairs } from './known-pairs.ts'

export interface GuessLimitsDeps {
  readonly store: TokenStore
  readonly known: KnownPairs
  readonly clock: Pick<Clock, 'monotonic'>
  /** Names are kept by a hash that nobody without it can compare with names of their own. */
  readonly secret: string
}

/** Undefined is no limit. */
export interface GuessBuckets {
  readonly perName?: Bucket | undefined
  readonly perAddress?: Bucket | undefined
}

/** A try that may be made. One of the two is to be called unless the password was wrong. */
export interface AllowedGuess {
  readonly isAllowed: true
  /** The name has signed in from this address before. */
  readonly isKnown: boolean
  /** Who takes turns: whoever is known by themselves, so that no neighbour stands in their way; others by address. */
  readonly group: string
  succeeded(): Promise<void>
  /** No password was checked. */
  notMade(): Promise<void>
}

export type Guess = AllowedGuess | { readonly isAllowed: false; readonly retryAfterMs: number }

interface Attempt {
  readonly limiter: AttemptLimiter
  readonly key: string
}

async function giveBackAll(attempts: readonly Attempt[]): Promise<void> {
  await Promise.all(attempts.map(({ limiter, key }) => limiter.giveBack(key)))
}

/** Takes from all or from none. */
async function takeAll(attempts: readonly Attempt[]): Promise<{ readonly retryAfterMs: number } | undefined> {
  const decisions = await Promise.all(attempts.map(({ limiter, key }) => limiter.take(key)))
  const refusals = decisions.filter((decision) => !decision.isAllowed)
  if (refusals.length === 0) return undefined
  await giveBackAll(attempts.filter((_attempt, index) => decisions[index]?.isAllowed === true))
  return { retryAfterMs: Math.max(...refusals.map(({ retryAfterMs }) => retryAfterMs)) }
}

/**
 * Limits wrong passwords: for each name, and from each address. A name that has signed in from an address before has
 * a bucket of its own there, so that strangers who guess, anywhere, lock nobody out of where they usually are.
 */
export class GuessLimits {
  readonly #deps: GuessLimitsDeps
  readonly #perName: AttemptLimiter | undefined
  readonly #perAddress: AttemptLimiter | undefined
  readonly #perPair: AttemptLimiter | undefined

  constructor(deps: GuessLimitsDeps, { perName, perAddress }: GuessBuckets) {
    this.#deps = deps
    const create = (name: string, bucket: Bucket | undefined) =>
      bucket === undefined ? undefined : new AttemptLimiter(deps, { name, ...bucket })
    this.#perName = create('guessesPerName', perName)
    this.#perAddress = create('guessesPerAddress', perAddress)
    this.#perPair = create('guessesPerKnownPair', perName)
  }

  /** Those that are in force. */
  get limiters(): readonly AttemptLimiter[] {
    return [this.#perName, this.#perAddress, this.#perPair].filter((limiter) => limiter !== undefined)
  }

  /** Names count as the query for accounts compares them, which is letter by letter. */
  async take(name: string, address: string): Promise<Guess> {
    const pair = this.#idOf([name, address])
    const isKnown = await this.#deps.known.has(pair)
    const attempts = isKnown
      ? this.#attempts([this.#perPair, pair])
      : this.#attempts([this.#perName, this.#idOf([name])], [this.#perAddress, address])
    const refusal = await takeAll(attempts)
    if (refusal !== undefined) return { isAllowed: false, ...refusal }
    return {
      isAllowed: true,
      isKnown,
      group: isKnown ? pair : address,
      succeeded: async () => {
        await Promise.all([giveBackAll(attempts), this.#deps.known.remember(pair)])
      },
      notMade: () => giveBackAll(attempts),
    }
  }

  #attempts(...all: readonly (readonly [AttemptLimiter | undefined, string])[]): Attempt[] {
    return all.flatMap(([limiter, key]) => (limiter === undefined ? [] : [{ limiter, key }]))
  }

  #idOf(parts: readonly string[]): string {
    return createHmac('sha256', this.#deps.secret).update(JSON.stringify(parts)).digest('base64url')
  }
}
