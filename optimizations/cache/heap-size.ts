/**
 * What a value takes on the heap of V8, without pointer compression: a slot is 8 bytes, an object a header of 24.
 * Measured on Node 24; what several entries share (shapes, names of properties) is not counted.
 */
const SLOT = 8
const NUMBER = 16
const STRING = 24
const OBJECT = 24
const ARRAY = 32
const DATE = 104
const COLLECTION = 128
const COLLECTION_SLOTS = 4
const BINARY = 232
const BIGINT = 24

/** Everything that stands between a value and its place in memory: entry, key, promise, the list of the least recently used. */
const ENTRY = 400

const MAX_SMALL_INTEGER = 2 ** 31

export function heapBytes(value: unknown): number {
  switch (typeof value) {
    case 'string':
      return STRING + value.length
    case 'number':
      return Number.isInteger(value) && Math.abs(value) < MAX_SMALL_INTEGER ? 0 : NUMBER
    case 'bigint':
      return BIGINT
    case 'object':
      return value === null ? 0 : objectBytes(value)
    default:
      return 0
  }
}

function objectBytes(value: object): number {
  if (Array.isArray(value)) return sum(value, ARRAY)
  if (value instanceof Date) return DATE
  if (ArrayBuffer.isView(value)) return BINARY + value.byteLength
  if (value instanceof Map)
    return sum(value.keys(), sum(value.values(), COLLECTION)) + value.size * COLLECTION_SLOTS * SLOT
  if (value instanceof Set) return sum(value, COLLECTION) + value.size * COLLECTION_SLOTS * SLOT
  return sum(Object.values(value), OBJECT)
}

function sum(members: Iterable<unknown>, own: number): number {
  let bytes = own
  for (const member of members) bytes += SLOT + heapBytes(member)
  return bytes
}

/** One value of this many of a size is measured; the others are taken to be like it. */
const MEASURED = 16
/** How much a newly measured value counts against those before it. */
const WEIGHT = 0.2

/**
 * The size of entries in memory. Going through a value takes half as long as decoding it, so only some are gone
 * through: values of about as many bytes have about the same share of heap to bytes.
 */
export class HeapEstimator {
  /** By the number of binary digits of the size in bytes. */
  readonly #shares: (number | undefined)[] = []
  #count = 0

  estimate(value: unknown, valueBytes: number): number {
    const size = 32 - Math.clz32(valueBytes)
    const share = this.#shares[size]
    this.#count += 1
    if (share !== undefined && this.#count % MEASURED !== 0) return ENTRY + Math.ceil(valueBytes * share)
    const bytes = heapBytes(value)
    const measured = bytes / Math.max(1, valueBytes)
    this.#shares[size] = share === undefined ? measured : share + (measured - share) * WEIGHT
    return ENTRY + bytes
  }
}
