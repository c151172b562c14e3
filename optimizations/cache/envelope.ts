import { crc32 } from 'node:zlib'
import type { Body, BodyRange } from './value-codec.ts'

/**
 * How an entry lies in Redis: a fixed header, the tags, the body. Everything that decides whether the entry may be
 * served stands before the body, so a dead entry is refused without decoding it.
 *
 *      0  magic        'H'
 *      1  version      of this layout; an unknown one is a miss, so that two releases can run side by side
 *      2  encoding     of the body
 *      3  tag count
 *      4  stamp        12 bytes, unique to the write; the scripts compare it in place
 *     16  fresh until  float64, milliseconds since the epoch
 *     24  stale until  float64
 *     32  load time    float32, milliseconds: the cost that early refresh weighs
 *     36  early refresh float32: the weight
 *     40  tags         for each: length (uint8), name (UTF-8), version (float64)
 *      …  body
 *   last  checksum     CRC-32 of all before it, as uint32
 */
const MAGIC = 0x48
const VERSION = 2
const HEADER_BYTES = 40
const CHECKSUM_BYTES = 4
/** The CRC-32 of anything that is followed by its own CRC-32, least significant byte first. */
const RESIDUE = 0x2144df1c

/** Where the scripts find the stamp: first and last byte, both included. */
export const STAMP_RANGE = { from: 4, to: 15 } as const
export const STAMP_BYTES = 12

export const MAX_TAGS = 255
export const MAX_TAG_BYTES = 255

export interface EntryHeader {
  readonly stamp: Buffer
  /** Milliseconds since the epoch, by the clock of the writer. */
  readonly freshUntil: number
  readonly staleUntil: number
  readonly loadMs: number
  /** The beta of XFetch. */
  readonly earlyRefresh: number
  readonly tags: readonly string[]
  /** The version of each tag when the load began. */
  readonly versions: readonly number[]
}

/** An entry as it was read: what decides about it, and where in its bytes the body is. */
export interface DecodedEntry extends Omit<EntryHeader, 'stamp'> {
  readonly body: BodyRange
}

export function encodeEntry(header: EntryHeader, body: Body): Buffer {
  const names = header.tags.map((tag) => Buffer.from(tag))
  const tagBytes = names.reduce((sum, name) => sum + 1 + name.length + 8, 0)
  const entry = Buffer.allocUnsafe(HEADER_BYTES + tagBytes + body.bytes.length + CHECKSUM_BYTES)
  entry[0] = MAGIC
  entry[1] = VERSION
  entry[2] = body.encoding
  entry[3] = names.length
  header.stamp.copy(entry, STAMP_RANGE.from)
  entry.writeDoubleLE(header.freshUntil, 16)
  entry.writeDoubleLE(header.staleUntil, 24)
  entry.writeFloatLE(header.loadMs, 32)
  entry.writeFloatLE(header.earlyRefresh, 36)
  let at = HEADER_BYTES
  for (const [index, name] of names.entries()) {
    entry[at] = name.length
    name.copy(entry, at + 1)
    entry.writeDoubleLE(header.versions[index]!, at + 1 + name.length)
    at += 1 + name.length + 8
  }
  at += body.bytes.copy(entry, at)
  entry.writeUInt32LE(crc32(entry.subarray(0, at)), at)
  return entry
}

/** Undefined for anything that is not a whole entry of this layout: foreign, torn, or of another release. */
export function decodeEntry(bytes: Buffer): DecodedEntry | undefined {
  if (bytes.length < HEADER_BYTES + CHECKSUM_BYTES || bytes[0] !== MAGIC || bytes[1] !== VERSION) return undefined
  if (crc32(bytes) !== RESIDUE) return undefined
  const count = bytes.readUInt8(3)
  const tags: string[] = []
  const versions: number[] = []
  let at = HEADER_BYTES
  for (let index = 0; index < count; index += 1) {
    const end = at + 1 + bytes.readUInt8(at)
    tags.push(bytes.toString('utf8', at + 1, end))
    versions.push(bytes.readDoubleLE(end))
    at = end + 8
  }
  return {
    freshUntil: bytes.readDoubleLE(16),
    staleUntil: bytes.readDoubleLE(24),
    loadMs: bytes.readFloatLE(32),
    earlyRefresh: bytes.readFloatLE(36),
    tags,
    versions,
    body: { bytes, start: at, end: bytes.length - CHECKSUM_BYTES, encoding: bytes.readUInt8(2) },
  }
}

/** The bytes that the scripts would compare, of whatever lies under a key. */
export function stampOf(bytes: Buffer): Buffer {
  return bytes.subarray(STAMP_RANGE.from, STAMP_RANGE.to + 1)
}

/** The same as text, which does not keep the rest of the bytes. */
export function stampText(bytes: Buffer): string {
  return bytes.toString('latin1', STAMP_RANGE.from, STAMP_RANGE.to + 1)
}
