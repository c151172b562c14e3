import { describeError } from '#optimizations/kernel/errors.ts'

/** A part that could not be had says so: nobody takes a failure for a zero. */
export type Part<T> =
  | { readonly status: 'ok'; readonly data: T }
  | { readonly status: 'unavailable'; readonly reason: 'late' | 'failed' }

export type LoadPart<T> = (signal: AbortSignal) => Promise<T>

export type Parts<Loads> = { readonly [Name in keyof Loads]: Loads[Name] extends LoadPart<infer T> ? Part<T> : never }

export interface PartsOptions {
  /** One for all parts: what is not there by then is left out. */
  readonly deadlineMs: number
  /** Told why a part failed; the reply does not say it. */
  readonly onError: (reason: string, error: unknown) => void
}

/** All parts at once, under one deadline. Never rejects for a part of it. */
export async function loadParts<Loads extends Readonly<Record<string, LoadPart<unknown>>>>(
  loads: Loads,
  { deadlineMs, onError }: PartsOptions,
): Promise<{ readonly parts: Parts<Loads>; readonly isComplete: boolean }> {
  const deadline = AbortSignal.timeout(deadlineMs)
  // A load that does not heed its signal is late all the same.
  const { promise: late, reject } = Promise.withResolvers<never>()
  late.catch(() => undefined)
  deadline.addEventListener('abort', () => reject(deadline.reason as Error))
  const loadOne = async ([name, load]: [string, LoadPart<unknown>]): Promise<[string, Part<unknown>]> => {
    try {
      return [name, { status: 'ok', data: await Promise.race([load(deadline), late]) }]
    } catch (error) {
      onError(`part ${name} is missing: ${describeError(error)}`, error)
      return [name, { status: 'unavailable', reason: deadline.aborted ? 'late' : 'failed' }]
    }
  }
  const loaded = await Promise.all(Object.entries(loads).map(loadOne))
  return {
    parts: Object.fromEntries(loaded) as Parts<Loads>,
    isComplete: loaded.every(([, { status }]) => status === 'ok'),
  }
}
