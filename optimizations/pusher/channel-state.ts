/** What Pusher says of a channel. Counts are there where the kind of channel and the app's settings allow them. */
export interface ChannelInfo {
  readonly occupied: boolean
  readonly userCount?: number
  readonly subscriptionCount?: number
}

export interface WebhookRequest {
  /** With lower-case names, as node:http gives them. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** The body's text before any parsing: the signature is over its bytes. */
  readonly rawBody: string
}

/** The state of channels, asked of Pusher's HTTP API and cached briefly; verified webhooks keep it fresh. */
export interface ChannelState {
  /** Rejects with PusherError where Pusher refuses or does not answer. */
  info(channel: string): Promise<ChannelInfo>
  /** User ids present in a presence channel; never cached. */
  users(channel: string): Promise<readonly string[]>
  /** Closes every connection of a signed-in user. */
  terminateConnections(userId: string): Promise<void>
  /** Applies a webhook; false, and nothing applied, when it is forged, damaged or too old. */
  receiveWebhook(request: WebhookRequest): boolean
}
