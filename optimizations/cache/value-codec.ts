import { compressSync, uncompressSync } from 'lz4-napi'
import { Packr } from 'msgpackr'
import type { Body } from './envelope.ts'

/** Below this a call of the compressor costs more than the bytes it saves. Strictly greater is compressed. */
const COMPRESSION_THRESHOLD_BYTES = 1_024
/** A compressed body that is not smaller than this share of the plain one is not worth its decoding. */
const WORTHWHILE_SHARE = 0.9

/**
 * Values to bytes and back: MessagePack with self-contained records, which every process can read, and LZ4.
 * Date, bigint, Buffer, Map, Set, undefined and NaN survive; functions, symbols and cycles throw on encoding; an
 * instance of a class comes back as a plain object.
 */
export class ValueCodec {
  readonly #packer = new Packr({ moreTypes: true, copyBuffers: true })
  readonly #thresholdBytes: number

  constructor(thresholdBytes = COMPRESSION_THRESHOLD_BYTES) {
    this.#thresholdBytes = thresholdBytes
  }

  encode(value: unknown): Body {
    const plain = this.#packer.pack(value)
    if (plain.length <= this.#thresholdBytes) return { bytes: plain, isCompressed: false }
    const compressed = compressSync(plain)
    const helps = compressed.length < plain.length * WORTHWHILE_SHARE
    return helps ? { bytes: compressed, isCompressed: true } : { bytes: plain, isCompressed: false }
  }

  /** The size of the body before it was compressed. */
  plainBytes(body: Body): number {
    // The compressor puts it in front of its output.
    return body.isCompressed ? body.bytes.readUInt32LE(0) : body.bytes.length
  }

  /** Throws on bytes that are no value: call it only on a body whose checksum was right. */
  decode(body: Body): unknown {
    return this.#packer.unpack(body.isCompressed ? uncompressSync(body.bytes) : body.bytes)
  }
}
