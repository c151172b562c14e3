/**
 * What became of a request. delivered: Pusher has it. throttled: 429. unavailable: 5xx, an answer that is not Pusher's, or
 * none in time, in which case it may have been delivered all the same; `isTooLarge`: for a gateway, which may let a smaller
 * request through. refused: by Pusher, for what it carries (`event`) or for the app's credentials or quota (`app`).
 */
export type SendOutcome =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'throttled'; readonly reason: string; readonly retryAfterMs?: number | undefined }
  | {
      readonly kind: 'unavailable'
      readonly reason: string
      readonly retryAfterMs?: number | undefined
      readonly isTooLarge?: boolean
    }
  | { readonly kind: 'refused'; readonly scope: 'event' | 'app'; readonly reason: string }
