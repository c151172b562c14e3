import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { expect, test } from '@playwright/test'
import { InvalidEnvironmentError, parseConfig } from './config.ts'

const example = parseEnv(readFileSync(new URL('../.env.example', import.meta.url), 'utf8'))
const complete = {
  DATABASE_URL: 'postgresql://user:secret@127.0.0.1:5432/school',
  REDIS_URL: 'redis://127.0.0.1:6379',
  PUSHER_APP_ID: '1',
  PUSHER_KEY: 'key',
  PUSHER_SECRET: 'hidden',
  PUSHER_HOST: '127.0.0.1',
  TOKEN_SECRET: 'x'.repeat(32),
}

test('.env.example is a valid environment and says the defaults as they are', () => {
  const given = parseConfig(example)
  const byDefault = parseConfig({ ...complete, PUSHER_PORT: example['PUSHER_PORT'] })
  expect({ ...given, database: { ...given.database, url: '' }, pusher: {}, token: {} }).toEqual({
    ...byDefault,
    database: { ...byDefault.database, url: '' },
    pusher: {},
    token: {},
  })
  expect(given.token.ttlSec).toBe(byDefault.token.ttlSec)
})

test('.env.example names every variable that the schema reads, and no other', () => {
  const source = readFileSync(new URL('config.ts', import.meta.url), 'utf8')
  const read = [...source.matchAll(/^ {4}([A-Z_]+):/gm)].map(([, name]) => name ?? '')
  expect(Object.keys(example).toSorted()).toEqual(read.toSorted())
})

for (const [host, proxies, isOpen] of [
  ['127.0.0.1', '0', true],
  ['127.8.0.1', '0', true],
  ['::1', '0', true],
  ['localhost', '0', true],
  ['0.0.0.0', '0', false],
  ['::', '0', false],
  ['192.0.2.1', '0', false],
  ['localhost.example', '0', false],
  ['127.0.0.1', '1', false],
] as const) {
  test(`on ${host} with ${proxies} proxies in front, metrics without a token are ${isOpen ? 'open' : 'closed'}`, () => {
    const { inspection } = parseConfig({ ...complete, HOST: host, TRUSTED_PROXIES: proxies })
    expect(inspection.isOpenOnLoopback).toBe(isOpen)
  })
}

test('a limit of 0 is none, and the burst for channels is never below what one request may ask for', () => {
  const off = parseConfig({ ...complete, RATE_LIMIT_TRIGGERS_PER_USER: '0' }).rateLimit
  expect(off.triggersPerUser).toBeUndefined()
  const small = parseConfig({ ...complete, RATE_LIMIT_CHANNELS_PER_USER: '1', RATE_LIMIT_BURST_SEC: '0.1' }).rateLimit
  expect(small.channelsPerUser).toEqual({ tokensPerSec: 1, burst: 100 })
  expect(small.triggersPerUser).toEqual({ tokensPerSec: 10, burst: 1 })
})

for (const written of ['1e3', '0x10', ' 80', '8.0', '080', '-1', '99999999999', 'ten']) {
  test(`a number that is written ${JSON.stringify(written)} is refused by the name of its variable`, () => {
    for (const name of ['PORT', 'REQUEST_TIMEOUT_MS', 'RATE_LIMIT_PER_USER', 'PUSHER_PORT', 'TRUSTED_PROXIES']) {
      expect(() => parseConfig({ ...complete, [name]: written })).toThrow(`${name}: `)
    }
  })
}

test('a time is no longer than what a timer can wait', () => {
  expect(() => parseConfig({ ...complete, REQUEST_TIMEOUT_MS: '2147483648' })).toThrow('REQUEST_TIMEOUT_MS: ')
  expect(parseConfig({ ...complete, REQUEST_TIMEOUT_MS: '2147483647' }).requestTimeoutMs).toBe(2_147_483_647)
})

test('the seconds of a burst may have a fraction', () => {
  expect(parseConfig({ ...complete, RATE_LIMIT_BURST_SEC: '0.5' }).rateLimit.perUser?.burst).toBe(500)
  expect(() => parseConfig({ ...complete, RATE_LIMIT_BURST_SEC: '.5' })).toThrow('RATE_LIMIT_BURST_SEC: ')
})

test('the configuration is frozen', () => {
  expect(Object.isFrozen(parseConfig(complete))).toBe(true)
})

test('OPTIMIZATIONS=off turns every optimization off, whatever the single switches say', () => {
  expect(parseConfig({ ...complete, OPTIMIZATIONS: 'off', OPTIMIZE_CACHE: 'on' }).optimize).toEqual({
    cache: false,
    database: false,
    pusher: false,
  })
  expect(parseConfig({ ...complete, OPTIMIZE_PUSHER: 'off' }).optimize).toEqual({
    cache: true,
    database: true,
    pusher: false,
  })
})

test('the hosted service is reached by its cluster, over TLS', () => {
  const { PUSHER_HOST: _none, ...rest } = complete
  expect(parseConfig({ ...rest, PUSHER_CLUSTER: 'eu' }).pusher).toMatchObject({ cluster: 'eu', useTls: true })
})

for (const [what, environment, names] of [
  ['nothing at all', {}, ['DATABASE_URL', 'REDIS_URL', 'PUSHER_APP_ID', 'PUSHER_KEY', 'PUSHER_SECRET', 'TOKEN_SECRET']],
  ['an empty variable', { ...complete, TOKEN_SECRET: '' }, ['TOKEN_SECRET']],
  ['a short secret', { ...complete, TOKEN_SECRET: 'hunter2' }, ['TOKEN_SECRET']],
  ['no Pusher address', { ...complete, PUSHER_HOST: undefined }, ['PUSHER_HOST']],
  ['a URL of another kind', { ...complete, DATABASE_URL: 'mysql://hunter2@127.0.0.1' }, ['DATABASE_URL']],
  ['a port out of range', { ...complete, PORT: '99999' }, ['PORT']],
  ['a switch that is neither on nor off', { ...complete, OPTIMIZE_CACHE: 'yes' }, ['OPTIMIZE_CACHE']],
] as const) {
  test(`${what} is refused with every fault named in one line and no value shown`, () => {
    let message = ''
    try {
      parseConfig(environment)
    } catch (error) {
      expect(error).toBeInstanceOf(InvalidEnvironmentError)
      message = (error as Error).message
    }
    for (const name of names) expect(message).toContain(`${name}: `)
    expect(message).not.toContain('\n')
    expect(message).not.toContain('hunter2')
  })
}

test('a grace that leaves no time for the rest of the stop is refused, by its name', () => {
  expect(parseConfig({ ...complete, DRAIN_GRACE_MS: '4000' }).drain).toEqual({ graceMs: 4_000, timeoutMs: 8_000 })
  expect(() => parseConfig({ ...complete, DRAIN_GRACE_MS: '4001' })).toThrow(/^Invalid environment: DRAIN_GRACE_MS: /)
})
