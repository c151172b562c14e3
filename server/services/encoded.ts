import { createHash } from 'node:crypto'

/** JSON as it goes out, made once and kept as it is: whoever gets it from the cache serialises nothing. */
export interface Encoded {
  readonly body: Buffer
  /** A strong entity tag (RFC 9110, 8.8.3): differs whenever a byte of the body does. */
  readonly etag: string
}

/** 162 of the 256 bits of SHA-256. */
const TAG_CHARACTERS = 27

function seal(body: Buffer): Encoded {
  const digest = createHash('sha256').update(body).digest('base64url').slice(0, TAG_CHARACTERS)
  return { body, etag: `"${digest}"` }
}

export function encode(value: unknown): Encoded {
  return seal(Buffer.from(JSON.stringify(value)))
}

const CLOSING = Buffer.from('}')

/** The encoded object with one member more: what one viewer sees beside what all share. Only the member is serialised. */
export function withMember({ body }: Encoded, name: string, value: unknown): Encoded {
  const member = Buffer.from(`,${JSON.stringify(name)}:${JSON.stringify(value)}`)
  return seal(Buffer.concat([body.subarray(0, body.length - CLOSING.length), member, CLOSING]))
}
