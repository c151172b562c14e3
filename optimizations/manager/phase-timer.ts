/** Where the time of a request can go, as `Server-Timing` names it. */
export type Phase = 'cache' | 'db'

/** Takes the time of one request. Work of one phase may overlap: the phase lasts as long as any of it is under way. */
export interface PhaseTimer {
  enter(phase: Phase): void
  leave(phase: Phase): void
}

/** `work` as a phase of `timer`. */
export async function timed<T>(timer: PhaseTimer | undefined, phase: Phase, work: () => Promise<T>): Promise<T> {
  if (timer === undefined) return work()
  timer.enter(phase)
  try {
    return await work()
  } finally {
    timer.leave(phase)
  }
}
