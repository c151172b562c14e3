// The access token of who is signed in: goes with each request, is renewed in time, and is over when the server says so.

/** A token is renewed when this share of its time is left. */
const RENEWAL_SHARE = 1 / 3
const RETRY_MS = 5_000

/** `onOver` is called once, when the server does not take the token any more. */
export function createAccess({ renewUrl, onOver }) {
  let token
  let renewsAt = Infinity
  let timer
  let renewing

  const bearer = () => (token === undefined ? {} : { authorization: `Bearer ${token}` })

  const plan = (inMs) => {
    clearTimeout(timer)
    timer = setTimeout(() => void renew(), inMs)
  }

  const keep = (issued) => {
    const renewsInMs = issued.expiresInSec * 1_000 * (1 - RENEWAL_SHARE)
    token = issued.token
    renewsAt = Date.now() + renewsInMs
    plan(renewsInMs)
  }

  /** As `fetch`, but a 401 to the token of the moment ends it. */
  const request = async (url, init) => {
    const used = token
    const response = await fetch(url, init)
    if (response.status === 401 && used !== undefined && used === token) {
      clearTimeout(timer)
      token = undefined
      renewsAt = Infinity
      onOver()
    }
    return response
  }

  /** Without an answer it is tried again: a token that has run out meanwhile is refused, and said to be. */
  const exchange = async () => {
    const old = token
    const issued = await request(renewUrl, { method: 'POST', headers: bearer() })
      .then((response) => (response.ok ? response.json() : undefined))
      .catch(() => undefined)
    if (old === undefined || token !== old) return
    if (issued === undefined) plan(RETRY_MS)
    else keep(issued)
  }

  /** One at a time. */
  const renew = () => (renewing ??= exchange().finally(() => (renewing = undefined)))

  return {
    keep,
    fetch: request,
    isHeld: () => token !== undefined,
    /** The headers of the moment: after a sleep or an outage, in which no timer runs, the token is renewed first. */
    headers: async () => {
      if (Date.now() >= renewsAt) await renew()
      return bearer()
    },
  }
}
