import { compressSync, uncompressSync } from 'lz4-napi'
import { LRUCache } from 'lru-cache'
import { Packr, Unpackr } from 'msgpackr'

/** A value as bytes. `encoding` says how to read them, and is kept with them. */
export interface Body {
  readonly bytes: Buffer
  readonly encoding: number
}

/** A body where it lies among other bytes: a view of it would cost more than a small value. */
export interface BodyRange extends Body {
  readonly start: number
  readonly end: number
}

/** Bits of `Body.encoding`. */
const COMPRESSED = 1
const STRUCTURED = 2
const PLAIN = 4

/** Below this a call of the compressor costs more than the bytes it saves. Strictly greater is compressed. */
const COMPRESSION_THRESHOLD_BYTES = 1_024
/** A compressed body that is not smaller than this share of the plain one is not worth its decoding. */
const WORTHWHILE_SHARE = 0.9
/** Shapes beyond this are as many as the values, so that knowing them saves nothing. */
const MAX_STRUCTURE_BYTES = 2_048
/** Sets of shapes for which a compiled reader is kept. */
const MAX_READERS = 256
const LENGTH_BYTES = 2

const OPTIONS = { moreTypes: true, copyBuffers: true, bundleStrings: true } as const

/**
 * Values to bytes and back: MessagePack, and LZ4 where it helps. Date, bigint, Buffer, Map, Set, undefined and NaN
 * survive; symbols and cycles throw on encoding, a function becomes undefined, an instance of a class a plain object.
 *
 * A large value is mostly many objects of few shapes. Its body begins with these shapes, as JSON, and its objects name
 * them by number: so a reader that is compiled for them serves every value of the same kind, in whichever process it
 * was made, and decoding takes half the time. A small value names the properties of each object, as its shapes would be
 * longer than itself; if it is plain data, objects are written as the maps of MessagePack, which are read fastest.
 */
export class ValueCodec {
  readonly #records = new Packr(OPTIONS)
  readonly #maps = new Packr({ moreTypes: true, copyBuffers: true, useRecords: false })
  readonly #readers = new LRUCache<string, Unpackr>({ max: MAX_READERS })

  encode(value: unknown): Body {
    const structures: unknown[] = []
    const packed = new Packr({ ...OPTIONS, structures: structures as [] }).pack(value)
    if (packed.length <= COMPRESSION_THRESHOLD_BYTES) {
      const small = this.#encodeSmall(value)
      if (small.bytes.length <= COMPRESSION_THRESHOLD_BYTES) return small
    }
    const shapes = Buffer.from(JSON.stringify(structures))
    if (shapes.length > MAX_STRUCTURE_BYTES) return compress(this.#records.pack(value), 0)
    const length = Buffer.allocUnsafe(LENGTH_BYTES)
    length.writeUInt16LE(shapes.length)
    return compress(Buffer.concat([length, shapes, packed]), STRUCTURED)
  }

  /** The size of the body before it was compressed. */
  plainBytes({ bytes, start, end, encoding }: BodyRange): number {
    // The compressor puts it in front of its output.
    return (encoding & COMPRESSED) === 0 ? end - start : bytes.readUInt32LE(start)
  }

  /** Throws on bytes that are no value: call it only on a body whose checksum was right. */
  decode({ bytes, start, end, encoding }: BodyRange): unknown {
    if (encoding === PLAIN) return this.#maps.unpack(bytes, { start, end })
    const body = bytes.subarray(start, end)
    const plain = (encoding & COMPRESSED) === 0 ? body : uncompressSync(body)
    if ((encoding & STRUCTURED) === 0) return this.#records.unpack(plain)
    const shapesEnd = LENGTH_BYTES + plain.readUInt16LE(0)
    return this.#reader(plain.toString('latin1', LENGTH_BYTES, shapesEnd), plain).unpack(plain.subarray(shapesEnd))
  }

  #encodeSmall(value: unknown): Body {
    return isPlain(value)
      ? { bytes: this.#maps.pack(value), encoding: PLAIN }
      : { bytes: this.#records.pack(value), encoding: 0 }
  }

  #reader(shapes: string, plain: Buffer): Unpackr {
    const known = this.#readers.get(shapes)
    if (known !== undefined) return known
    const structures = JSON.parse(plain.toString('utf8', LENGTH_BYTES, LENGTH_BYTES + shapes.length)) as []
    const reader = new Unpackr({ ...OPTIONS, structures })
    this.#readers.set(shapes, reader)
    return reader
  }
}

/** Whether it comes back as it was when objects are written as maps: a Map would come back as an object. */
function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Date) return true
  if (Array.isArray(value)) return value.every(isPlain)
  const prototype: unknown = Object.getPrototypeOf(value)
  return (prototype === Object.prototype || prototype === null) && Object.values(value).every(isPlain)
}

function compress(bytes: Buffer, encoding: number): Body {
  const compressed = compressSync(bytes)
  const helps = compressed.length < bytes.length * WORTHWHILE_SHARE
  return helps ? { bytes: compressed, encoding: encoding | COMPRESSED } : { bytes, encoding }
}

/** A body that is all of its bytes. */
export function wholeBody({ bytes, encoding }: Body): BodyRange {
  return { bytes, encoding, start: 0, end: bytes.length }
}
