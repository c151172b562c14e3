import type { Request } from 'express'
import type { z } from 'zod'
import { HttpError } from './problem.ts'

/** A refusal says enough to mend the request, and is not longer than what it refuses: a body may have a thousand faults. */
const MOST_FAULTS = 20
const LONGEST_FAULT = 200

const shortened = (text: string): string => (text.length <= LONGEST_FAULT ? text : `${text.slice(0, LONGEST_FAULT)}…`)

function parse<T>(schema: z.ZodType<T>, input: unknown, what: string): T {
  const parsed = schema.safeParse(input)
  if (parsed.success) return parsed.data
  const errors = parsed.error.issues
    .slice(0, MOST_FAULTS)
    .map(({ path, message }) => ({ path: shortened(path.join('.')), message: shortened(message) }))
  const first = errors[0]
  const where = first === undefined || first.path === '' ? '' : `${first.path}: `
  throw new HttpError(400, 'invalid_request', `The ${what} is invalid: ${where}${first?.message ?? ''}`, errors)
}

/** Some clients announce a body of no bytes: that is a missing body, not one of a wrong type. */
const isEmpty = (request: Request): boolean =>
  request.get('content-length') === '0' && request.get('content-type') === undefined

/** The path parameters as `schema` reads them. Throws a 400 that lists every fault. */
export function parseParams<T>(schema: z.ZodType<T>, request: Request): T {
  return parse(schema, request.params, 'path')
}

/** Whether every `%` begins the UTF-8 of something (RFC 3986, 2.1). Node puts U+FFFD in the place of what is none. */
function isDecodable(url: string): boolean {
  try {
    decodeURIComponent(url.slice(url.indexOf('?') + 1))
    return true
  } catch {
    return false
  }
}

/** The query as `schema` reads it. Throws a 400 that lists every fault. */
export function parseQuery<T>(schema: z.ZodType<T>, request: Request): T {
  if (request.url.includes('?') && !isDecodable(request.url)) {
    throw new HttpError(400, 'invalid_request', 'The query cannot be decoded: a % stands for no UTF-8.')
  }
  return parse(schema, request.query, 'query')
}

/** The headers that `schema` names, in lower case. Throws a 400 that lists every fault. */
export function parseHeaders<T>(schema: z.ZodType<T>, request: Request): T {
  return parse(schema, request.headers, 'header')
}

/**
 * The body as `schema` reads it. Throws 415 when it came in another content type than those accepted (then no parser
 * has touched it), and a 400 that lists every fault.
 */
export function parseBody<T>(
  schema: z.ZodType<T>,
  request: Request,
  accepted: readonly string[] = ['application/json'],
): T {
  if (!isEmpty(request) && request.is([...accepted]) === false) {
    throw new HttpError(415, 'unsupported_media_type', `The body has to be ${accepted.join(' or ')}.`)
  }
  return parse(schema, request.body, 'body')
}
