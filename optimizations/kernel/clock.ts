import { setTimeout as sleepTimer } from 'node:timers/promises'

/** Time as a dependency, so that everything timed can be tested on a clock that the test moves. */
export interface Clock {
  /** Wall-clock time, milliseconds since the epoch: for stamps that other processes read. */
  now(): number
  /** Monotonic time in milliseconds, with fractions: for durations. */
  monotonic(): number
  /** Resolves after `ms`; rejects with the signal's reason when it is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Runs `task` once after `ms` unless disposed first. Never keeps the process alive. */
  schedule(ms: number, task: () => void): Disposable
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) => sleepTimer(ms, undefined, signal === undefined ? {} : { signal }),
  schedule: (ms, task) => {
    const timer = setTimeout(task, ms).unref()
    return { [Symbol.dispose]: () => clearTimeout(timer) }
  },
}
