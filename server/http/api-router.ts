import { Router, type Request, type RequestHandler, type Response } from 'express'
import type { Encoded, ReplyEncoder } from '#server/services/reply-encoder.ts'
import { principalOf } from './access-token.ts'
import { FORM, formBody } from './form-body.ts'
import { jsonBody } from './json-body.ts'
import { refuseOtherMethods } from './method-not-allowed.ts'
import type { Call, OpenCall, Operation } from './operation.ts'
import type { BodyAllowance } from './rate-limit/body-allowance.ts'
import { sendEncoded, sendUnkept } from './send-reply.ts'
import { parseBody, parseParams, parseQuery } from './validate.ts'

type Handler<C, Reply> = (call: C) => Promise<Reply> | Reply

/** An operation, and whether it asks who is there. */
export interface ServedOperation {
  readonly operation: Operation
  readonly isOpen: boolean
}

export interface ApiRouterOptions {
  readonly bodyLimitBytes: number
  /** Of every address; undefined where none is set. */
  readonly bodies: BodyAllowance | undefined
  readonly replies: ReplyEncoder
}

/** Turns operations into routes: the part of a request that is the same everywhere is written here once. */
export class ApiRouter {
  readonly #bodyLimitBytes: number
  readonly #allowance: BodyAllowance | undefined
  readonly #replies: ReplyEncoder
  readonly #open = Router()
  readonly #authenticated = Router()
  readonly #served: ServedOperation[] = []
  readonly #plainPaths: string[] = []

  constructor(options: ApiRouterOptions) {
    this.#bodyLimitBytes = options.bodyLimitBytes
    this.#allowance = options.bodies
    this.#replies = options.replies
  }

  get served(): readonly ServedOperation[] {
    return this.#served
  }

  /** For everybody who signed in. */
  serve<Params, Query, Body, Reply>(
    operation: Operation<Params, Query, Body, Reply>,
    handler: Handler<Call<Params, Query, Body>, Reply>,
  ): void {
    this.#addAuthenticated(operation, async (call) => this.#send(operation, call.response, await handler(call)))
  }

  /** The same, with a reply that has been encoded before. */
  serveEncoded<Params, Query, Body, Reply>(
    operation: Operation<Params, Query, Body, Reply>,
    handler: Handler<Call<Params, Query, Body>, Encoded<Reply>>,
  ): void {
    this.#addAuthenticated(operation, async (call) => sendEncoded(call.response, await handler(call)))
  }

  /** For everybody. */
  serveOpen<Params, Query, Body, Reply>(
    operation: Operation<Params, Query, Body, Reply>,
    handler: Handler<OpenCall<Params, Query, Body>, Reply>,
  ): void {
    this.#add(this.#open, operation, async (call) => this.#send(operation, call.response, await handler(call)))
    this.#served.push({ operation, isOpen: true })
  }

  /** For everybody, what is no JSON or was encoded before: the handler sends it by itself. */
  servePlain(path: string, handler: RequestHandler): void {
    this.#open.get(path, handler)
    this.#plainPaths.push(path)
  }

  /** What answers without a token, in Express's form. */
  get openPaths(): readonly string[] {
    const operations = this.#served.filter(({ isOpen }) => isOpen).map(({ operation }) => operation.path)
    return [...operations, ...this.#plainPaths]
  }

  /** To be called once, after the last operation. Authentication goes between the two. */
  routers(): { readonly open: Router; readonly authenticated: Router } {
    refuseOtherMethods(this.#open)
    refuseOtherMethods(this.#authenticated)
    return { open: this.#open, authenticated: this.#authenticated }
  }

  #addAuthenticated<Params, Query, Body>(
    operation: Operation<Params, Query, Body>,
    answer: (call: Call<Params, Query, Body>) => Promise<void>,
  ): void {
    this.#add(this.#authenticated, operation, (call) => answer({ ...call, viewer: principalOf(call.response) }))
    this.#served.push({ operation, isOpen: false })
  }

  #add<Params, Query, Body>(
    router: Router,
    operation: Operation<Params, Query, Body>,
    answer: (call: OpenCall<Params, Query, Body>) => Promise<void>,
  ): void {
    const { method, path, statuses } = operation
    const run: RequestHandler = async (request, response) => {
      // The handler may say another of them.
      response.status(statuses?.[0] ?? 200)
      await answer({ ...parse(operation, request), request, response })
    }
    router[method](path, ...this.#parsers(operation), run)
  }

  #send({ method, reply, isVolatile = method !== 'get' }: Operation, response: Response, value: unknown): void {
    const encoded = this.#replies.encode(reply, value)
    if (isVolatile) sendUnkept(response, encoded)
    else sendEncoded(response, encoded)
  }

  #parsers({ body, accepts, isRaw, maxBodyBytes = Infinity }: Operation): RequestHandler[] {
    if (body === undefined) return []
    const limitBytes = Math.min(this.#bodyLimitBytes, maxBodyBytes)
    const forms = accepts?.includes(FORM) === true ? [formBody({ limitBytes, allowance: this.#allowance })] : []
    return [...jsonBody({ limitBytes, allowance: this.#allowance, keepsBytes: isRaw === true }), ...forms]
  }
}

function parse<Params, Query, Body>(
  { params, query, body, accepts }: Operation<Params, Query, Body>,
  request: Request,
): Pick<OpenCall<Params, Query, Body>, 'params' | 'query' | 'body'> {
  return {
    params: (params === undefined ? {} : parseParams(params, request)) as Params,
    query: (query === undefined ? {} : parseQuery(query, request)) as Query,
    body: (body === undefined ? undefined : parseBody(body, request, accepts)) as Body,
  }
}
