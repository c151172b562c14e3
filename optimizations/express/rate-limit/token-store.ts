/** A bucket of tokens: it refills steadily, and holds no more than the burst. */
export interface Bucket {
  readonly tokensPerSec: number
  readonly burst: number
}

export interface Grant {
  /** How many tokens were taken: from 0 to as many as were asked for. */
  readonly granted: number
  /** With nothing granted: when the next token will be there. */
  readonly retryAfterMs: number
  /** The shared store could not be asked: this process alone has decided. */
  readonly isAlone?: boolean
}

/** Where all processes keep their buckets. Rejects when it cannot be reached. */
export interface TokenStore {
  take(key: string, tokens: number, bucket: Bucket): Promise<Grant>
  /** Puts tokens back that were taken and not used; the bucket never holds more than its burst. */
  giveBack(key: string, tokens: number, bucket: Bucket): Promise<void>
}
