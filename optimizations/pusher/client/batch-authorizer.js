/**
 * A `channelAuthorization.customHandler` for pusher-js that asks for many channels in one request: a page that subscribes
 * to 40 channels, or reconnects with them, sends one request instead of 40.
 *
 * Request: POST, JSON `{ "socket_id": "1.2", "channel_names": ["private-a", …] }`.
 * Answer: JSON `{ "private-a": { "status": 200, "authorization": { "auth": "…" } }, "private-b": { "status": 403, … } }`.
 *
 * @typedef {{ auth: string, channel_data?: string, shared_secret?: string }} Authorization
 * @typedef {{ status: number, authorization?: Authorization }} Answer
 * @typedef {(error: Error | null, authorization: Authorization | null) => void} Callback
 * @typedef {{ socketId: string, channelName: string }} Question
 * @typedef {object} BatchAuthorizerOptions
 * @property {string} endpoint
 * @property {number} [delayMs] How long questions gather.
 * @property {number} [maxChannels] The most channels in one request; it is sent at once when there are so many.
 * @property {number} [attempts] How often the server is asked before that is told: pusher-js asks once for each connection.
 * @property {number} [retryMs] Before the second attempt; each one after it waits for twice as long.
 * @property {Record<string, string> | (() => Record<string, string> | Promise<Record<string, string>>)} [headers] A function is asked for each request.
 * @property {typeof globalThis.fetch} [fetch]
 *
 * @param {BatchAuthorizerOptions} options
 * @returns {(question: Question, callback: Callback) => void}
 */
export function createBatchAuthorizer(options) {
  const { endpoint, delayMs = 10, maxChannels = 100, headers = {}, fetch = globalThis.fetch } = options
  const { attempts = 6, retryMs = 500 } = options
  /** By socket id: after a reconnect the questions of the old connection are still open. @type {Map<string, Map<string, Callback[]>>} */
  const gathering = new Map()

  /** @param {string} socketId */
  const send = async (socketId) => {
    const questions = gathering.get(socketId)
    if (questions === undefined) return
    gathering.delete(socketId)
    const answers = await insist(socketId, [...questions.keys()])
    for (const [channel, callbacks] of questions) {
      const answer = answers instanceof Error ? answers : toAnswer(channel, answers[channel])
      for (const callback of callbacks) {
        if (answer instanceof Error) callback(answer, null)
        else callback(null, answer)
      }
    }
  }

  /**
   * Whoever is refused (4xx) is told at once; a server that is away, or has too much to do, is asked again.
   *
   * @param {string} socketId
   * @param {string[]} channels
   * @returns {Promise<Record<string, Answer> | Error>}
   */
  const insist = async (socketId, channels) => {
    for (let attempt = 1; ; attempt += 1) {
      const answers = await ask(socketId, channels)
      if (!(answers instanceof Error) || answers.name === REFUSED || attempt === attempts) return answers
      const waitMs = retryMs * 2 ** (attempt - 1) * (0.5 + Math.random() / 2)
      await new Promise((resolve) => setTimeout(resolve, waitMs))
    }
  }

  /**
   * @param {string} socketId
   * @param {string[]} channels
   * @returns {Promise<Record<string, Answer> | Error>}
   */
  const ask = async (socketId, channels) => {
    try {
      const given = await (typeof headers === 'function' ? headers() : headers)
      const response = await fetch(endpoint, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...given },
        body: JSON.stringify({ socket_id: socketId, channel_names: channels }),
      })
      if (!response.ok) {
        const { status } = response
        const error = new Error(`Authorization failed with status ${status}`)
        return Object.assign(error, status < 500 && status !== 429 ? { name: REFUSED } : {})
      }
      return /** @type {Record<string, Answer>} */ (await response.json())
    } catch (error) {
      return new Error('Authorization failed: no answer', { cause: error })
    }
  }

  return ({ socketId, channelName }, callback) => {
    let questions = gathering.get(socketId)
    if (questions === undefined) {
      questions = new Map()
      gathering.set(socketId, questions)
      setTimeout(() => void send(socketId), delayMs)
    }
    questions.set(channelName, [...(questions.get(channelName) ?? []), callback])
    if (questions.size >= maxChannels) void send(socketId)
  }
}

const REFUSED = 'AuthorizationRefused'

/**
 * @param {string} channel
 * @param {Answer | undefined} answer
 */
function toAnswer(channel, answer) {
  return (
    answer?.authorization ?? new Error(`Authorization of ${channel} failed with status ${answer?.status ?? 'unknown'}`)
  )
}
