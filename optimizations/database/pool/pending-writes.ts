import { NO_EFFECT, mergeEffects, type WriteEffect } from '../results/write-effect.ts'
import type { SqlKind } from '../statements/sql-analysis.ts'

/** How a statement ended, and how its connection stands since. */
export interface Outcome {
  readonly kind: SqlKind
  /** The server's tag; null when the statement failed. */
  readonly command: string | null
  readonly isInTransaction: boolean
  readonly isLost: boolean
}

/** What stands written in the open transaction of one connection and is not in force yet. */
export class PendingWrites {
  #effect: WriteEffect = NO_EFFECT

  get effect(): WriteEffect {
    return this.#effect
  }

  add(effect: WriteEffect): void {
    if (effect !== NO_EFFECT) this.#effect = mergeEffects(this.#effect, effect)
  }

  /** To be asked after each statement: what came into force by it. */
  settle({ kind, command, isInTransaction, isLost }: Outcome): WriteEffect {
    // COMMIT AND CHAIN is in the next transaction at once. A connection that broke may have committed before it did.
    const isOver = command === 'COMMIT' || isLost || !isInTransaction
    if (!isOver) return NO_EFFECT
    const written = this.take()
    // Several statements, or a procedure, may have committed before their end or their failure.
    const isRolledBack = kind !== 'other' && !isLost && (command === null || command === 'ROLLBACK')
    return isRolledBack ? NO_EFFECT : written
  }

  take(): WriteEffect {
    const written = this.#effect
    this.#effect = NO_EFFECT
    return written
  }
}
