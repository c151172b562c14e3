import { isConnectionLoss } from '../errors.ts'
import { describePlan } from './plan-nodes.ts'
import type { PooledConnection } from '../pool/pooled-connection.ts'

/** Parameters are other people's data, and a plan is for reading. Before version 16 they were never shown. */
const WITHOUT_PARAMETERS = `
select set_config('auto_explain.log_parameter_max_length', '0', false)
where current_setting('server_version_num')::int >= 160000`

/**
 * auto_explain makes the server send the plan that it used along with the answer, so nothing is run or planned twice.
 * Loading it takes rights that not every role has: the first refusal is the last try.
 */
export class AutoExplain {
  readonly #slowAfterMs: number
  #isAvailable = true

  constructor(slowAfterMs: number) {
    this.#slowAfterMs = slowAfterMs
  }

  async setUp(connection: PooledConnection): Promise<void> {
    if (!this.#isAvailable) return
    const settings = [
      `auto_explain.log_min_duration = ${Math.round(this.#slowAfterMs)}`,
      "auto_explain.log_level = 'notice'",
      "auto_explain.log_format = 'json'",
    ]
    try {
      await connection.ask(`load 'auto_explain'; ${settings.map((setting) => `set ${setting}`).join('; ')}`)
      await connection.ask(WITHOUT_PARAMETERS)
    } catch (error) {
      if (connection.isLost || isConnectionLoss(error)) throw error
      this.#isAvailable = false
    }
  }
}

/** What it writes: the duration, and the plan on the lines below. Null for any other notice. */
export function planInNotice(notice: string): string | null {
  const plan = /^duration: [\d.]+ ms {2}plan:\n([^]*)$/.exec(notice)?.[1]
  if (plan === undefined) return null
  try {
    // The text is left out: it may hold literals.
    return describePlan((JSON.parse(plan) as { Plan: unknown }).Plan)
  } catch {
    return null
  }
}
