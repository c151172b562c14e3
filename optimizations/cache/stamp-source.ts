import { randomBytes } from 'node:crypto'
import { STAMP_BYTES } from './envelope.ts'

const COUNTER_BYTES = 4

/** Tokens that no other process makes: a random part of this one, and a counter. */
export function createStampSource(): () => Buffer {
  const own = randomBytes(STAMP_BYTES - COUNTER_BYTES)
  let count = 0
  return () => {
    const stamp = Buffer.alloc(STAMP_BYTES)
    own.copy(stamp)
    count = (count + 1) >>> 0
    stamp.writeUInt32LE(count, own.length)
    return stamp
  }
}
