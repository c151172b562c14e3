import { isDeepStrictEqual } from 'node:util'
import type { z } from 'zod'
import { AppError } from '#optimizations/kernel/errors.ts'
import { EVENTS, PeoplesEvent, type EventData, type EventName } from '#server/schemas/events.ts'

/** Thrown when what an event says does not fit its schema. Names paths, and shows no value. */
export class EventSchemaError extends AppError<'event_schema'> {
  constructor(message: string) {
    super('event_schema', message)
  }
}

/** Builds what an event says by name from its schema: members that the schema does not know are left out. */
export interface EventBuilder {
  /** Throws EventSchemaError for an event that is not in the table, or data that does not fit. */
  build<Name extends EventName>(event: Name, data: EventData<Name>): EventData<Name>
  /** The same of an event that people send one another. */
  buildPeoples(event: string, data: PeoplesEvent): PeoplesEvent
}

function buildBy<Data>(schema: z.ZodType<Data>, data: unknown, name: string): Data {
  const parsed = schema.safeParse(data)
  if (parsed.success) return parsed.data
  const faults = parsed.error.issues.map(({ path, code }) => `${path.join('.') || 'its data'} (${code})`)
  throw new EventSchemaError(`The event ${name} does not fit its schema: ${faults.join(', ')}.`)
}

/** Whether both are the same JSON: what is undefined is not sent. */
function isSameJson(one: unknown, other: unknown): boolean {
  return isDeepStrictEqual(JSON.parse(JSON.stringify(one)), JSON.parse(JSON.stringify(other)))
}

/**
 * `isStrict` is for tests and development: data with members that the schema does not know is refused too, instead of
 * being sent without them.
 */
export function createEventBuilder({ isStrict }: { readonly isStrict: boolean }): EventBuilder {
  const build = <Data>(schema: z.ZodType<Data>, data: Data, name: string): Data => {
    const built = buildBy(schema, data, name)
    if (isStrict && !isSameJson(data, built)) {
      throw new EventSchemaError(`The event ${name} has members that its schema does not know.`)
    }
    return built
  }
  return {
    build: <Name extends EventName>(event: Name, data: EventData<Name>) => {
      // The compiler knows the name; what came round it does not leave.
      if (!Object.hasOwn(EVENTS, event)) throw new EventSchemaError(`There is no event ${event}.`)
      return build(EVENTS[event] as unknown as z.ZodType<EventData<Name>>, data, event)
    },
    buildPeoples: (event, data) => build(PeoplesEvent, data, event),
  }
}
