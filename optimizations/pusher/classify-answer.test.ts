import { expect, test } from '@playwright/test'

import { classifyAnswer, isChannelList } from './classify-answer.ts'
import type { HttpAnswer } from './http-answer.ts'

const answer = (status: number, rest: Partial<HttpAnswer> = {}): HttpAnswer => ({
  status,
  body: '{}',
  retryAfterMs: undefined,
  fault: undefined,
  ...rest,
})

const NOT_PUSHER = { kind: 'unavailable', reason: 'not_pusher' } as const
/** Redirects, methods, proxies, requests gone astray, upgrades, legal reasons, and what only gateways say. */
const OF_THE_ADDRESS = [
  300, 301, 302, 303, 304, 305, 307, 308, 405, 406, 407, 409, 410, 411, 412, 414, 415, 416, 417, 418, 421, 423, 424,
  425, 426, 428, 431, 451, 499, 502, 504, 511, 520, 599,
]

for (const [what, given, outcome] of [
  ['200', answer(200), { kind: 'delivered' }],
  ['202', answer(202), { kind: 'delivered' }],
  ['200 whose body broke off', answer(200, { body: '{"er', fault: 'und_err_socket' }), { kind: 'delivered' }],
  ['200 that drips', answer(200, { body: ' ', fault: 'failed' }), { kind: 'delivered' }],
  ['200 as soketi says it', answer(200, { body: '{"ok":true}' }), { kind: 'delivered' }],
  ['200 as Reverb says it', answer(200, { body: '{"batch":{}}' }), { kind: 'delivered' }],
  ['200 with attributes', answer(200, { body: ' {"channels": {"a": {"user_count": 1}}}\n' }), { kind: 'delivered' }],
  ['200 with attributes of a batch', answer(200, { body: '{"batch":[{}]}' }), { kind: 'delivered' }],
  ...[
    '',
    '<html>It works!</html>',
    'OK',
    '[]',
    'null',
    '7',
    '{"status":"up"}',
    '{"ok":false}',
    '{"error":"…',
    '{"error":"odd"}',
    '{ "error": "odd", "code": 200 }',
    '{"channels":7}',
  ].map((body) => [`200 with ${body || 'nothing'}`, answer(200, { body }), NOT_PUSHER] as const),
  ['200 with a page that broke off', answer(200, { body: '<html>', fault: 'und_err_socket' }), NOT_PUSHER],
  [
    '200 with an error behind blanks',
    answer(200, { body: '{ "error": "Unauthorized", "code": 401 }' }),
    { kind: 'refused', scope: 'app', reason: 'http_401' },
  ],
  [
    '200 with the error that soketi means',
    answer(200, { body: '{"error":"The event data should be less than 100 KB","code":413}' }),
    { kind: 'refused', scope: 'event', reason: 'http_413' },
  ],
  [
    '200 with an error about the app',
    answer(200, { body: '{"error":"The secret authentication failed","code":401}' }),
    { kind: 'refused', scope: 'app', reason: 'http_401' },
  ],
  [
    '400',
    answer(400, { body: 'name must be a non-empty string\n' }),
    { kind: 'refused', scope: 'event', reason: 'http_400' },
  ],
  ['401', answer(401), { kind: 'refused', scope: 'app', reason: 'http_401' }],
  ['403', answer(403), { kind: 'refused', scope: 'app', reason: 'http_403' }],
  ['404', answer(404), { kind: 'refused', scope: 'app', reason: 'http_404' }],
  [
    '422 as Reverb says it',
    answer(422, { body: '{"message":"The data field is required."}' }),
    { kind: 'refused', scope: 'event', reason: 'http_422' },
  ],
  [
    '401 with a page',
    answer(401, { body: ' <html>' }),
    { kind: 'unavailable', reason: 'http_401', retryAfterMs: undefined },
  ],
  [
    '413 without a word',
    answer(413),
    { kind: 'unavailable', reason: 'http_413', retryAfterMs: undefined, isTooLarge: true },
  ],
  ...[400, 422].flatMap((status) =>
    ['', '{}', '<html>Bad Request</html>'].map(
      (body) =>
        [
          `${status} with ${body || 'nothing'}`,
          answer(status, { body }),
          { kind: 'unavailable', reason: `http_${status}`, retryAfterMs: undefined },
        ] as const,
    ),
  ),
  ...OF_THE_ADDRESS.map(
    (status) =>
      [
        `${status} with a reason`,
        answer(status, { body: 'because' }),
        { kind: 'unavailable', reason: `http_${status}`, retryAfterMs: undefined },
      ] as const,
  ),
  [
    '413',
    answer(413, { body: 'The data content of this event exceeds the allowed maximum (10240 bytes)' }),
    { kind: 'refused', scope: 'event', reason: 'http_413' },
  ],
  ['408', answer(408), { kind: 'unavailable', reason: 'http_408', retryAfterMs: undefined }],
  ['429', answer(429, { retryAfterMs: 250 }), { kind: 'throttled', reason: 'http_429', retryAfterMs: 250 }],
  ['500', answer(500), { kind: 'unavailable', reason: 'http_500', retryAfterMs: undefined }],
  ['503', answer(503, { retryAfterMs: 9 }), { kind: 'unavailable', reason: 'http_503', retryAfterMs: 9 }],
  ['no answer', answer(0, { fault: 'econnreset' }), { kind: 'unavailable', reason: 'econnreset' }],
  ['no answer for no reason', answer(0), { kind: 'unavailable', reason: 'no_answer' }],
] as const) {
  test(`an answer of ${what} is ${outcome.kind}`, () => {
    expect(classifyAnswer(given)).toEqual(outcome)
  })
}

test('a list of channels is an object with the object channels', () => {
  expect(['{"channels":{}}', '{ "channels": { "a": {} } }'].map(isChannelList)).toEqual([true, true])
  const others = ['', '{}', '{"channels":1}', '{"channels":null}', '[]', '<html>', '{"error":"no"}']
  expect(others.filter(isChannelList)).toEqual([])
})
