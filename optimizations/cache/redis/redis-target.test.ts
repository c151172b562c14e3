import { expect, test } from '@playwright/test'
import { parseRedisUrl } from './redis-target.ts'

test('a plain URL names a host, and what is left out has its default', () => {
  expect(parseRedisUrl('redis://localhost')).toEqual({
    kind: 'single',
    nodes: [{ host: 'localhost', port: 6379 }],
    usesTls: false,
    database: 0,
  })
})

test('login, port, database and TLS are read from the URL, with escapes resolved', () => {
  expect(parseRedisUrl('rediss://app:p%40ss:word@cache.example:7000/3')).toEqual({
    kind: 'single',
    nodes: [{ host: 'cache.example', port: 7000 }],
    usesTls: true,
    username: 'app',
    password: 'p@ss:word',
    database: 3,
  })
  expect(parseRedisUrl('redis://:secret@[::1]:7000')).toMatchObject({
    nodes: [{ host: '::1', port: 7000 }],
    password: 'secret',
  })
  expect(parseRedisUrl('redis://:secret@h')).not.toHaveProperty('username')
  expect(parseRedisUrl('redis://app@h')).toMatchObject({ username: 'app' })
})

test('a cluster has several nodes, and sentinels name the primary that they watch', () => {
  expect(parseRedisUrl('redis+cluster://a:7000,b:7001').nodes).toEqual([
    { host: 'a', port: 7000 },
    { host: 'b', port: 7001 },
  ])
  expect(parseRedisUrl('rediss+sentinel://s1,s2:5000/main/2')).toMatchObject({
    kind: 'sentinel',
    nodes: [
      { host: 's1', port: 26_379 },
      { host: 's2', port: 5000 },
    ],
    usesTls: true,
    primaryName: 'main',
    database: 2,
  })
})

test('what is no such URL is refused, without repeating it: it may hold a password', () => {
  for (const url of [
    'http://h',
    'redis://',
    'redis://h:99999',
    'redis://h/x',
    'redis+sentinel://s',
    'redis://h/-1',
    'redis://a:b:c',
  ]) {
    expect(() => parseRedisUrl(url), url).toThrow(/URL of (a )?Redis/)
  }
  expect(() => parseRedisUrl('redis://u:hunter2@h:99999')).not.toThrow(/hunter2/)
})
