import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { extname } from 'node:path'

/** A file that is sent as it is, and kept in memory: to ask for it costs the server neither a disk nor a thread. */
export interface PageFile {
  readonly type: string
  readonly body: Buffer
  /** A strong entity tag (RFC 9110, 8.8.3). */
  readonly etag: string
}

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** Reads the file at once, and throws where it is not there or its type is unknown. */
export function readPageFile(path: string): PageFile {
  const type = TYPES[extname(path)]
  if (type === undefined) throw new Error(`${path}: no content type is known for it`)
  const body = readFileSync(path)
  return { type, body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` }
}
