import type { Response } from 'express'
import { systemClock, type Clock } from '#optimizations/kernel/clock.ts'
import { AppError } from '#optimizations/kernel/errors.ts'
import { HttpError } from '#server/http/problem.ts'
import { contextOf } from '#optimizations/express/request-context.ts'
import type { SignedInUser, SignInOrigin } from '#server/services/sign-in.ts'
import type { HeldRefusals } from '../rate-limit/held-refusals.ts'
import type { GuessLimits } from './guess-limits.ts'

export interface GuardedSignIn {
  readonly name: string
  /** The group that the client's address belongs to. */
  readonly address: string
  readonly response: Response
  readonly check: (origin: SignInOrigin) => Promise<SignedInUser>
}

type Refusals = Pick<HeldRefusals, 'holdReply'>
type Guesses = Pick<GuessLimits, 'take' | 'limiters'>

const codeOf = (error: unknown): string | undefined => (error instanceof AppError ? error.code : undefined)

/** Stands in front of sign-in: counts wrong passwords, and slows down whoever is refused. */
export class SignInGuard {
  readonly #guesses: Guesses
  readonly #clock: Pick<Clock, 'monotonic'>
  readonly #refusals: Refusals

  constructor(guesses: Guesses, refusals: Refusals, clock: Pick<Clock, 'monotonic'> = systemClock) {
    this.#guesses = guesses
    this.#refusals = refusals
    this.#clock = clock
  }

  get limiters(): GuessLimits['limiters'] {
    return this.#guesses.limiters
  }

  async run({ name, address, response, check }: GuardedSignIn): Promise<SignedInUser> {
    const { signal } = contextOf(response)
    const guess = await this.#guesses.take(name, address)
    if (!guess.isAllowed) {
      const availableAt = this.#clock.monotonic() + guess.retryAfterMs
      await this.#refusals.holdReply(response)
      const remainingMs = availableAt - this.#clock.monotonic()
      if (!response.headersSent) response.setHeader('retry-after', Math.max(1, Math.ceil(remainingMs / 1_000)))
      throw new HttpError(429, 'rate_limited', 'Too many wrong passwords: wait before the next try.')
    }
    try {
      const user = await check({ group: guess.group, isKnown: guess.isKnown, signal })
      await guess.succeeded()
      return user
    } catch (error) {
      if (codeOf(error) !== 'invalid_credentials') await guess.notMade()
      if (codeOf(error) === 'sign_in_busy') await this.#refusals.holdReply(response)
      throw error
    }
  }
}
