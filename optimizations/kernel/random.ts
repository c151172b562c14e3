/** Uniform numbers in [0, 1). Injected, so that jitter and schedules can be replayed from a seed. */
export type Random = () => number

export const systemRandom: Random = Math.random

/** A deterministic generator: the same 32-bit seed gives the same sequence on every machine (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** A whole number in [0, limit). */
export function randomInteger(random: Random, limit: number): number {
  return Math.floor(random() * limit)
}
