import { listVariables, type Variable } from './config.ts'

const NAME = 'npx node server/main.ts'

export interface Answer {
  readonly text: string
  readonly exitCode: 0 | 2
}

function describe({ name, meaning = '', isRequired, byDefault }: Variable): string {
  const note = isRequired ? ' (required)' : byDefault === undefined ? '' : ` (default ${byDefault})`
  return `  ${name}${note}\n      ${meaning}`
}

const help = (): string => `Usage: ${NAME}

The server: HTTP in, HTTP out, on PostgreSQL, Redis and Pusher. It takes no arguments; its environment configures it.

Options
  --help  this text

Variables
${listVariables().map(describe).join('\n')}

Examples
  npx node --env-file=.env ${NAME.slice('npx node '.length)}  after: cp .env.example .env
  npm start                              the same with services, seeded data and a watcher

Exit codes
  0  stopped by SIGTERM or SIGINT
  1  it could not start, or broke
  2  misuse
`

/** What is to be said instead of starting the server; absent where it is to start. */
export function answerCommandLine(args: readonly string[]): Answer | undefined {
  if (args.includes('--help')) return { text: help(), exitCode: 0 }
  const [word] = args
  if (word === undefined) return undefined
  return { text: `${NAME}: unknown option '${word}' (what there is: ${NAME} --help)\n`, exitCode: 2 }
}
