import type { Request, Response } from 'express'
import type { z } from 'zod'
import type { Principal } from './access-token.ts'

/** What one endpoint takes and answers. The document of the API is made of these, so it cannot differ from what runs. */
export interface Operation<Params = unknown, Query = unknown, Body = unknown, Reply = unknown> {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** From the root of the API, in Express's form: `/lessons/:id`. */
  readonly path: string
  readonly summary: string
  readonly params?: z.ZodType<Params>
  readonly query?: z.ZodType<Query>
  readonly body?: z.ZodType<Body>
  /** Headers that it heeds, with lower-case names; read by the handler with `parseHeaders`. */
  readonly headers?: z.ZodType
  /** The content types of the body; JSON alone by default. */
  readonly accepts?: readonly string[]
  /** The most that a body of this operation can need, below the limit of all: what is longer is not even read. */
  readonly maxBodyBytes?: number
  /** The body comes as bytes, unparsed: a signature is over them. */
  readonly isRaw?: boolean
  readonly reply: z.ZodType<Reply>
  /** It differs each time: nobody keeps it, and it has no entity tag. A write is so by itself. */
  readonly isVolatile?: boolean
  /** The statuses with which it comes; the first one unless the handler says otherwise. 200 by default. */
  readonly statuses?: readonly number[]
  /** The statuses of its own problems, beside those that every operation has. */
  readonly problems?: readonly number[]
}

/** Lets the compiler fill in what the schemas say. */
export function defineOperation<Params, Query, Body, Reply>(
  operation: Operation<Params, Query, Body, Reply>,
): Operation<Params, Query, Body, Reply> {
  return operation
}

export interface OpenCall<Params, Query, Body> {
  readonly params: Params
  readonly query: Query
  readonly body: Body
  readonly request: Request
  readonly response: Response
}

export interface Call<Params, Query, Body> extends OpenCall<Params, Query, Body> {
  readonly viewer: Principal
}
