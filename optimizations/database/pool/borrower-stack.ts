/** Deep enough to reach the application through the ORM. */
const DEEPEST_STACK = 40

/** Taken in the turn in which a connection is asked for. The text of it is made only when it is read. */
export function borrowerStack(): Error {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = DEEPEST_STACK
  const stack = new Error('A connection was borrowed and not given back')
  Error.stackTraceLimit = stackTraceLimit
  return stack
}
