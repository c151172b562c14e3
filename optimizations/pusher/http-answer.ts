/** What came back for a request. */
export interface HttpAnswer {
  /** 0 when nothing answered. */
  readonly status: number
  readonly body: string
  readonly retryAfterMs: number | undefined
  /** A short stable word, when the answer is missing or broken off. */
  readonly fault: string | undefined
}
