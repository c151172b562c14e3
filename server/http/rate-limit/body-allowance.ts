import type { Request, RequestHandler, Response } from 'express'
import { LRUCache } from 'lru-cache'
import type { Clock } from '#optimizations/kernel/clock.ts'
import { clientAddress } from '#optimizations/express/client-address.ts'
import { HttpError } from '../problem.ts'
import type { HeldRefusals } from './held-refusals.ts'
import type { Bucket } from '#optimizations/express/rate-limit/token-store.ts'

/** What is no longer takes the process about as long as any request, and counts as one. */
const SMALL_BYTES = 16_384
const MAX_ADDRESSES = 10_000

export interface BodyAllowanceDeps {
  readonly clock: Pick<Clock, 'monotonic'>
  readonly refusals: Pick<HeldRefusals, 'holdReply'>
}

export interface BodyAllowanceStatistics {
  /** Bodies that were read. */
  readonly allowed: number
  readonly refused: number
}

export interface MeteredBody {
  readonly type: string
  readonly limitBytes: number
}

/** The length that its head tells of what the server will hold; undefined where only reading it tells. */
function declaredBytes({ headers }: Request): number | undefined {
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') return undefined
  return headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : undefined
}

/**
 * How many bytes an address may send in large bodies, which cost the process far more time than their sender: inflating,
 * parsing, looking for what would be lost. Of each process by itself, because it is the time of this process. Counted
 * when a body has been read, as its head may not tell how long it is; an address in debt is refused until it is paid.
 */
export class BodyAllowance {
  readonly name = 'body'
  readonly #deps: BodyAllowanceDeps
  readonly #bucket: Bucket
  readonly #balances = new LRUCache<string, { readonly bytes: number; readonly at: number }>({ max: MAX_ADDRESSES })
  readonly #counts = { allowed: 0, refused: 0 }

  /** `bucket` counts bytes. */
  constructor(deps: BodyAllowanceDeps, bucket: Bucket) {
    this.#deps = deps
    this.#bucket = bucket
  }

  statistics(): BodyAllowanceStatistics {
    return { ...this.#counts }
  }

  /**
   * The parser, for who has an allowance left; anybody else gets a late 429 with `Retry-After`, and what they send is not
   * read before it. `type` is what the parser reads, and `limitBytes` where it gives up.
   */
  metered(parser: RequestHandler, { type, limitBytes }: MeteredBody): RequestHandler {
    return async (request, response, next) => {
      const declared = declaredBytes(request)
      if ((declared !== undefined && declared <= SMALL_BYTES) || request.is(type) !== type) {
        await parser(request, response, next)
        return
      }
      const address = clientAddress(request)
      await this.#admit(address, response)
      await parser(request, response, (error?: unknown) => {
        const read: unknown = request.body
        const bytes = Buffer.isBuffer(read) ? read.length : Math.min(declared ?? limitBytes, limitBytes)
        if (bytes > SMALL_BYTES) this.#charge(address, bytes)
        next(error)
      })
    }
  }

  async #admit(address: string, response: Response): Promise<void> {
    const bytes = this.#balanceOf(address)
    if (bytes > 0) {
      this.#counts.allowed += 1
      return
    }
    this.#counts.refused += 1
    response.setHeader('retry-after', Math.max(1, Math.ceil((1 - bytes) / this.#bucket.tokensPerSec)))
    await this.#deps.refusals.holdReply(response)
    throw new HttpError(429, 'rate_limited', 'Too many large bodies: slow down.')
  }

  #balanceOf(address: string): number {
    const { tokensPerSec, burst } = this.#bucket
    const last = this.#balances.get(address)
    if (last === undefined) return burst
    return Math.min(burst, last.bytes + ((this.#deps.clock.monotonic() - last.at) * tokensPerSec) / 1_000)
  }

  #charge(address: string, bytes: number): void {
    this.#balances.set(address, { bytes: this.#balanceOf(address) - bytes, at: this.#deps.clock.monotonic() })
  }
}
