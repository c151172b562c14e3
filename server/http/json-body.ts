import { isUtf8 } from 'node:buffer'
import { MIMEType } from 'node:util'
import express, { type RequestHandler } from 'express'
import { findJsonLoss } from './json-loss.ts'
import { HttpError } from './problem.ts'
import type { BodyAllowance } from './rate-limit/body-allowance.ts'

const JSON_TYPE = 'application/json'

/** JSON travels as UTF-8 (RFC 8259, section 8.1). */
const refuseOtherCharsets: RequestHandler = (request, _response, next) => {
  const type = request.headers['content-type']
  if (type !== undefined && type !== JSON_TYPE && request.is(JSON_TYPE) === JSON_TYPE && charsetOf(type) !== 'utf-8') {
    throw new HttpError(415, 'unsupported_media_type', 'The charset of the body is not supported: JSON is UTF-8.')
  }
  next()
}

function charsetOf(type: string): string | undefined {
  try {
    return (new MIMEType(type).params.get('charset') ?? 'utf-8').toLowerCase()
  } catch {
    return undefined
  }
}

function malformed(detail: string): HttpError {
  return new HttpError(400, 'malformed_json', detail)
}

/**
 * The object or array that the bytes say, the whole of it. Throws a 400 where they are no JSON, and where a part of what
 * they say would be lost.
 */
export function parseJsonBody(bytes: Buffer): object {
  // Some clients announce JSON and send none.
  if (bytes.length === 0) return {}
  // Before they become text: each wrong byte would turn into U+FFFD.
  if (!isUtf8(bytes)) throw malformed('The body is not valid UTF-8.')
  const decoded = bytes.toString('utf8')
  // A parser may pass over the mark (RFC 8259, section 8.1).
  const text = decoded.startsWith('\uFEFF') ? decoded.slice(1) : decoded
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw malformed('The body is not valid JSON.')
  }
  if (typeof value !== 'object' || value === null) throw malformed('The body is neither a JSON object nor an array.')
  const loss = findJsonLoss(text)
  if (loss === undefined) return value
  const detail = `The body would not be kept as it is: ${loss.path}: ${loss.message}`
  throw new HttpError(400, 'invalid_request', detail, [loss])
}

export interface BodyOptions {
  readonly limitBytes: number
  readonly allowance: BodyAllowance | undefined
}

export interface JsonBodyOptions extends BodyOptions {
  /** Leaves the bytes as they came: a signature is over them. They are checked all the same. */
  readonly keepsBytes?: boolean
}

/** Reads bodies of JSON, up to the limit, and refuses those of which something would be lost. */
export function jsonBody({ limitBytes, allowance, keepsBytes = false }: JsonBodyOptions): RequestHandler[] {
  const parse: RequestHandler = (request, _response, next) => {
    const bytes: unknown = request.body
    if (Buffer.isBuffer(bytes)) {
      const value = parseJsonBody(bytes)
      if (!keepsBytes) request.body = value
    }
    next()
  }
  const read = express.raw({ type: JSON_TYPE, limit: limitBytes })
  return [refuseOtherCharsets, allowance?.metered(read, { type: JSON_TYPE, limitBytes }) ?? read, parse]
}
