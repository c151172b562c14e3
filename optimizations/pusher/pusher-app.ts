import Pusher from 'pusher'

/** One Pusher Channels application: at a host of its own, or at a cluster of the hosted service. */
export interface PusherApp {
  readonly appId: string
  readonly key: string
  readonly secret: string
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly useTls?: boolean | undefined
  readonly cluster?: string | undefined
  /** 32 bytes in base64; needed for private-encrypted- channels only. */
  readonly encryptionMasterKeyBase64?: string | undefined
}

/** The official library for an app: it signs, encrypts and verifies. Only the plain publisher also sends with it. */
export function createPusherLibrary(app: PusherApp, timeoutMs = 10_000): Pusher {
  const { appId, key, secret, encryptionMasterKeyBase64 } = app
  const base = {
    appId,
    key,
    secret,
    useTLS: usesTls(app),
    timeout: timeoutMs,
    ...(encryptionMasterKeyBase64 === undefined ? {} : { encryptionMasterKeyBase64 }),
  }
  return app.host === undefined
    ? new Pusher({ ...base, cluster: app.cluster ?? 'mt1' })
    : new Pusher({ ...base, host: urlHost(app.host), ...(app.port === undefined ? {} : { port: String(app.port) }) })
}

/** Scheme, host and port of the app's HTTP API. */
export function apiOrigin(app: PusherApp): string {
  const host = app.host ?? `api-${app.cluster ?? 'mt1'}.pusher.com`
  return `${usesTls(app) ? 'https' : 'http'}://${urlHost(host)}${app.port === undefined ? '' : `:${app.port}`}`
}

/** A host as it stands in a URL: an IPv6 address in brackets (RFC 3986, 3.2.2). */
export function urlHost(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}

/** A host of one's own is plain HTTP unless it says otherwise; the hosted service is TLS. */
function usesTls(app: PusherApp): boolean {
  return app.useTls ?? app.host === undefined
}
