/** Deep enough to reach the application through the ORM. */
const DEEPEST_STACK = 40
/** Code that always leaks is found in the first loans of a process. */
const ALWAYS_AT_FIRST = 1_000
const ONE_IN = 32

/**
 * Takes the stacks of borrowers. V8 needs 2 to 3 microseconds for one, which is several times what a loan costs, so not
 * every loan has one: the first of the process have, those made while connections are getting scarce, every one once
 * something has leaked, and otherwise a sample. A leak without a stack is named by its request and last statement.
 */
export class BorrowerStacks {
  #loans = 0
  #hasLeaked = false

  /** To be called in the turn in which a connection is asked for. The text of it is made only when it is read. */
  take(isScarce: boolean): Error | null {
    this.#loans += 1
    if (!isScarce && !this.#hasLeaked && this.#loans > ALWAYS_AT_FIRST && this.#loans % ONE_IN !== 0) return null
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = DEEPEST_STACK
    const stack = new Error('A connection was borrowed and not given back')
    Error.stackTraceLimit = stackTraceLimit
    return stack
  }

  leaked(): void {
    this.#hasLeaked = true
  }
}
