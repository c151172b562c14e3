import type { z } from 'zod'
import { EVENTS, PeoplesEvent, type EventData, type EventName } from '#server/schemas/events.ts'
import { buildBySchema, SchemaMismatchError } from './build-by-schema.ts'

/** Builds what an event says by name from its schema: members that the schema does not know are left out. */
export interface EventBuilder {
  /** Throws SchemaMismatchError for an event that is not in the table, or data that does not fit. */
  build<Name extends EventName>(event: Name, data: EventData<Name>): EventData<Name>
  /** The same of an event that people send one another. */
  buildPeoples(event: string, data: PeoplesEvent): PeoplesEvent
}

/**
 * `isStrict` is for tests and development: data with members that the schema does not know is refused too, instead of
 * being sent without them.
 */
export function createEventBuilder({ isStrict }: { readonly isStrict: boolean }): EventBuilder {
  const build = <Data>(schema: z.ZodType<Data>, data: Data, name: string): Data =>
    buildBySchema(schema, data, { what: `The event ${name}`, isStrict })
  return {
    build: <Name extends EventName>(event: Name, data: EventData<Name>) => {
      // The compiler knows the name; what came round it does not leave.
      if (!Object.hasOwn(EVENTS, event)) throw new SchemaMismatchError(`There is no event ${event}.`)
      return build(EVENTS[event] as unknown as z.ZodType<EventData<Name>>, data, event)
    },
    buildPeoples: (event, data) => build(PeoplesEvent, data, event),
  }
}
