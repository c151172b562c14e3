import { isUtf8 } from 'node:buffer'
import express, { type RequestHandler } from 'express'
import type { BodyOptions } from './json-body.ts'
import { HttpError } from './problem.ts'

export const FORM = 'application/x-www-form-urlencoded'

function refuse(path: string, message: string): HttpError {
  return new HttpError(400, 'invalid_request', `The form is invalid: ${path}: ${message}`, [{ path, message }])
}

function decode(text: string, path: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw refuse(path, 'is not percent-encoded UTF-8')
  }
}

/** Throws a 400 where the parser would drop or replace a part of the form without a word. */
function refuseLosses(bytes: Buffer): void {
  if (!isUtf8(bytes)) throw refuse('form', 'is not valid UTF-8')
  const names = new Set<string>()
  for (const field of bytes.toString().split('&')) {
    if (field === '') continue
    const equals = field.indexOf('=')
    const name = decode(equals === -1 ? field : field.slice(0, equals), 'name')
    decode(equals === -1 ? '' : field.slice(equals + 1), name)
    if (name === '') throw refuse('name', 'is empty')
    if (name === '__proto__') throw refuse(name, 'is a name that objects do not keep')
    if (names.has(name)) throw refuse(name, 'is given twice')
    names.add(name)
  }
}

/** Reads forms of single fields, up to the limit, and refuses those of which something would be lost. */
export function formBody({ limitBytes, allowance }: BodyOptions): RequestHandler {
  const read = express.urlencoded({
    limit: limitBytes,
    extended: false,
    verify: (_request, _response, bytes, charset) => {
      if (charset !== 'utf-8') {
        throw new HttpError(415, 'unsupported_media_type', 'The charset of the form is not supported: it is UTF-8.')
      }
      refuseLosses(bytes)
    },
  })
  return allowance?.metered(read, { type: FORM, limitBytes }) ?? read
}
