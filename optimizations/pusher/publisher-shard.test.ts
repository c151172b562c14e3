import { expect, test } from '@playwright/test'

import { appIndexOf } from './publisher-shard.ts'

test('a channel stays with its app, by a rule that subscribers can follow', () => {
  // FNV-1a, 32 bits: 0x811c9dc5 of nothing, 0xe40c292c of "a", 0xbf9cf968 of "foobar".
  expect(['', 'a', 'foobar'].map((channel) => appIndexOf(channel, 2 ** 31))).toEqual(
    [0x81_1c_9d_c5, 0xe4_0c_29_2c, 0xbf_9c_f9_68].map((hash) => hash % 2 ** 31),
  )
})

test('channels are spread over the apps about evenly', () => {
  const counts = [0, 0, 0]
  for (let n = 0; n < 3_000; n += 1) {
    const index = appIndexOf(`private-class-${n}`, 3)
    counts[index] = (counts[index] ?? 0) + 1
  }
  for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150)
})
