import type { TagCell } from './tag-versions.ts'

/** One run of a loader that any number of callers wait for. */
export class SharedLoad {
  promise: Promise<unknown> = Promise.resolve()
  /** The tags as they were before the loader was called; undefined until then. */
  cells: readonly TagCell[] | undefined
  /** A refresh is nobody's answer before it has begun in earnest: another process may be at it already. */
  isJoinable: boolean
  readonly isBackground: boolean
  readonly #controller = new AbortController()
  #callers = 0
  #isAbandoned = false

  constructor(isBackground: boolean) {
    this.isBackground = isBackground
    this.isJoinable = !isBackground
    // The cache itself wants a refresh, whoever else comes and goes.
    if (isBackground) this.#callers = 1
  }

  /** Aborted by the time limit, or when every caller has gone. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Whether it was aborted because nobody wanted it any more. */
  get isAbandoned(): boolean {
    return this.#isAbandoned
  }

  /** False once a tag has been invalidated: who comes later must not get what was read before. */
  get isCurrent(): boolean {
    if (!this.isJoinable || this.signal.aborted) return false
    return this.cells === undefined || this.cells.every((cell) => cell.isCurrent)
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason)
  }

  /** The result; with a signal, for as long as the caller wants it. */
  async join(signal?: AbortSignal): Promise<unknown> {
    this.#callers += 1
    if (signal === undefined) return this.promise
    const { promise: gone, reject } = Promise.withResolvers<never>()
    const leave = (): void => {
      this.#callers -= 1
      reject(signal.reason as Error)
      if (this.#callers > 0) return
      this.#isAbandoned = true
      this.abort(signal.reason)
    }
    if (signal.aborted) leave()
    signal.addEventListener('abort', leave, { once: true })
    try {
      return await Promise.race([this.promise, gone])
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }
}
