/** The tables whose rows a statement may have changed; `everything` where that cannot be told. */
export type WriteEffect = ReadonlySet<string> | 'everything'

export const NO_EFFECT: WriteEffect = new Set()

export function mergeEffects(one: WriteEffect, other: WriteEffect): WriteEffect {
  if (one === 'everything' || other === 'everything') return 'everything'
  return one === NO_EFFECT ? other : one.union(other)
}
