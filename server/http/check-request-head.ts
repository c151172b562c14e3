import type { Request, RequestHandler } from 'express'
import { HttpError } from './problem.ts'

/** `uri-host [ ":" port ]` (RFC 3986, 3.2.2): a name or an IPv4 address, or an address in brackets. */
const HOST = /^(?:\[[\da-f:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[\da-f]{2})+)(?::\d{0,5})?$/i

/** What HTTP asks of a head beyond its syntax. Returns what is wrong with it. */
function faultOf(request: Request): HttpError | undefined {
  const { httpVersionMajor: major, httpVersionMinor: minor, headers } = request
  const bad = (code: string, message: string): HttpError => new HttpError(400, code, message)
  if (major !== 1) return bad('unsupported_http_version', 'Only HTTP/1.1 and HTTP/1.0 are spoken here.')
  const hosts = request.headersDistinct['host'] ?? []
  const [host] = hosts
  if (hosts.length > 1) return bad('invalid_host', 'The request has more than one Host.')
  // Only HTTP/1.0 may leave it out (RFC 9112, 3.2).
  if (host === undefined && minor > 0) return bad('invalid_host', 'The request has no Host.')
  if (host !== undefined && !HOST.test(host)) return bad('invalid_host', 'The Host of the request is none.')
  // In any other coding the end of the body is anybody's guess (RFC 9112, 6.1).
  const coding = headers['transfer-encoding']
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    return bad('unsupported_transfer_encoding', 'The only transfer encoding that is read is chunked.')
  }
  // RFC 9110, 10.1.1; of HTTP/1.0 it is not taken for one.
  if (headers.expect !== undefined && minor > 0 && headers.expect.toLowerCase() !== '100-continue') {
    return new HttpError(417, 'expectation_failed', 'Only 100-continue can be expected.')
  }
  return undefined
}

/** Refuses such a head, and ends its connection: who reads it in another way sees another end of the request too. */
export const checkRequestHead: RequestHandler = (request, response, next) => {
  const fault = faultOf(request)
  if (fault === undefined) {
    next()
    return
  }
  response.setHeader('connection', 'close')
  throw fault
}
