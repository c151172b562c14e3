import { createHash } from 'node:crypto'
import type { z } from 'zod'
import { buildBySchema } from './build-by-schema.ts'

/** Only a `ReplyEncoder` makes a value of this type: what was not built by a schema cannot be sent. */
declare const encodedAs: unique symbol

/** JSON as it goes out, made once and kept as it is: whoever gets it from the cache serialises nothing. */
export interface Encoded<Reply = unknown> {
  readonly body: Buffer
  /** A strong entity tag (RFC 9110, 8.8.3): differs whenever a byte of the body does. */
  readonly etag: string
  readonly [encodedAs]: Reply
}

export interface ReplyEncoder {
  /**
   * The value as JSON, built by name from the schema: members that the schema does not know are left out. Throws
   * SchemaMismatchError where the value does not fit.
   */
  encode<Reply>(schema: z.ZodType<Reply>, value: unknown): Encoded<Reply>
  /** The encoded object with one member more: what one viewer sees beside what all share. Only the member is serialised. */
  withMember<Reply, Name extends string, Value>(
    encoded: Encoded<Reply>,
    member: { readonly name: Name; readonly schema: z.ZodType<Value>; readonly value: unknown },
  ): Encoded<Reply & Readonly<Record<Name, Value>>>
}

/** 162 of the 256 bits of SHA-256. */
const TAG_CHARACTERS = 27
const CLOSING = Buffer.from('}')

function seal<Reply>(body: Buffer): Encoded<Reply> {
  const digest = createHash('sha256').update(body).digest('base64url').slice(0, TAG_CHARACTERS)
  return { body, etag: `"${digest}"` } as Encoded<Reply>
}

/**
 * `isStrict` is for tests and development: a value with members that the schema does not know is refused too, instead of
 * being sent without them.
 */
export function createReplyEncoder({ isStrict }: { readonly isStrict: boolean }): ReplyEncoder {
  const serialize = (schema: z.ZodType, value: unknown): string =>
    JSON.stringify(buildBySchema(schema, value, { what: 'A reply', isStrict }))
  return {
    encode: (schema, value) => seal(Buffer.from(serialize(schema, value))),
    withMember: ({ body }, { name, schema, value }) => {
      const member = Buffer.from(`,${JSON.stringify(name)}:${serialize(schema, value)}`)
      return seal(Buffer.concat([body.subarray(0, body.length - CLOSING.length), member, CLOSING]))
    },
  }
}
