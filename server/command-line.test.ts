import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { expect, test } from '@playwright/test'
import { answerCommandLine } from './command-line.ts'
import { listVariables } from './config.ts'

const example = parseEnv(readFileSync(new URL('../.env.example', import.meta.url), 'utf8'))

test('help names every variable of the configuration with its meaning, and its default as .env.example has it', () => {
  const answer = answerCommandLine(['--help'])
  expect(answer?.exitCode).toBe(0)
  for (const { name, meaning, isRequired, byDefault } of listVariables()) {
    expect(meaning, `${name} needs a description in server/config.ts`).toMatch(/\w/)
    expect(answer?.text).toContain(`  ${name}${isRequired ? ' (required)' : ''}`)
    expect(answer?.text).toContain(`      ${meaning}`)
    if (byDefault !== undefined) expect(byDefault, name).toBe(example[name])
    if (byDefault !== undefined) expect(answer?.text).toContain(`  ${name} (default ${example[name]})`)
  }
})

test('what is required is what the server does not start without', () => {
  const required = listVariables().filter(({ isRequired }) => isRequired)
  expect(required.map(({ name }) => name)).toEqual([
    'DATABASE_URL',
    'REDIS_URL',
    'PUSHER_APP_ID',
    'PUSHER_KEY',
    'PUSHER_SECRET',
    'TOKEN_SECRET',
  ])
})

test('anything else on the command line is refused in one line, and nothing at all starts the server', () => {
  expect(answerCommandLine(['--nonsense'])).toEqual({
    text: "npx node server/main.ts: unknown option '--nonsense' (what there is: npx node server/main.ts --help)\n",
    exitCode: 2,
  })
  expect(answerCommandLine([])).toBeUndefined()
})
