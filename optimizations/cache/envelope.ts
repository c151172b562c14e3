import { crc32 } from 'node:zlib'
import type { Body } from './value-codec.ts'

/**
 * How an entry lies in Redis: a fixed header, the tags, the body. Everything that decides whether the entry may be
 * served stands before the body, so a dead entry is refused without decoding it.
 *
 *      0  magic        'H'
 *      1  version      of this layout; an unknown one is a miss, so that two releases can run side by side
 *      2  encoding     of the body
 *      3  tag count
 *      4  checksum     CRC-32 of bytes 2-3 and of everything after byte 8
 *      8  stamp        12 bytes, unique to the write; the scripts compare it in place
 *     20  fresh until  float64, milliseconds since the epoch
 *     28  stale until  float64
 *     36  load time    float32, milliseconds: the cost that early refresh weighs
 *     40  early refresh float32: the weight
 *     44  tags         for each: length (uint8), name (UTF-8), version (float64)
 *      …  body
 */
const MAGIC = 0x48
const VERSION = 1
const HEADER_BYTES = 44
const CHECKED_FROM = 8

/** Where the scripts find the stamp: first and last byte, both included. */
export const STAMP_RANGE = { from: 8, to: 19 } as const
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

export interface DecodedEntry extends EntryHeader {
  readonly body: Body
}

export function encodeEntry(header: EntryHeader, body: Body): Buffer {
  const names = header.tags.map((tag) => Buffer.from(tag))
  const tagBytes = names.reduce((sum, name) => sum + 1 + name.length + 8, 0)
  const entry = Buffer.allocUnsafe(HEADER_BYTES + tagBytes + body.bytes.length)
  entry[0] = MAGIC
  entry[1] = VERSION
  entry[2] = body.encoding
  entry[3] = names.length
  header.stamp.copy(entry, STAMP_RANGE.from)
  entry.writeDoubleLE(header.freshUntil, 20)
  entry.writeDoubleLE(header.staleUntil, 28)
  entry.writeFloatLE(header.loadMs, 36)
  entry.writeFloatLE(header.earlyRefresh, 40)
  let at = HEADER_BYTES
  for (const [index, name] of names.entries()) {
    entry[at] = name.length
    name.copy(entry, at + 1)
    entry.writeDoubleLE(header.versions[index] ?? 0, at + 1 + name.length)
    at += 1 + name.length + 8
  }
  body.bytes.copy(entry, at)
  entry.writeUInt32LE(checksum(entry), 4)
  return entry
}

/** Undefined for anything that is not a whole entry of this layout: foreign, torn, or of another release. */
export function decodeEntry(bytes: Buffer): DecodedEntry | undefined {
  if (bytes.length < HEADER_BYTES || bytes[0] !== MAGIC || bytes[1] !== VERSION) return undefined
  if (bytes.readUInt32LE(4) !== checksum(bytes)) return undefined
  const count = bytes[3] ?? 0
  const tags: string[] = []
  const versions: number[] = []
  let at = HEADER_BYTES
  for (let index = 0; index < count; index += 1) {
    const end = at + 1 + (bytes[at] ?? 0)
    tags.push(bytes.toString('utf8', at + 1, end))
    versions.push(bytes.readDoubleLE(end))
    at = end + 8
  }
  return {
    stamp: stampOf(bytes),
    freshUntil: bytes.readDoubleLE(20),
    staleUntil: bytes.readDoubleLE(28),
    loadMs: bytes.readFloatLE(36),
    earlyRefresh: bytes.readFloatLE(40),
    tags,
    versions,
    body: { bytes: bytes.subarray(at), encoding: bytes[2] ?? 0 },
  }
}

/** The bytes that the scripts would compare, of whatever lies under a key. */
export function stampOf(bytes: Buffer): Buffer {
  return bytes.subarray(STAMP_RANGE.from, STAMP_RANGE.to + 1)
}

function checksum(entry: Buffer): number {
  // Encoding and tag count enter as the initial value: they stand before the checksum.
  return crc32(entry.subarray(CHECKED_FROM), ((entry[2] ?? 0) << 8) | (entry[3] ?? 0))
}
