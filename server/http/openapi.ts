import { STATUS_CODES } from 'node:http'
import { z } from 'zod'
import type { ServedOperation } from './api-router.ts'
import type { Operation } from './operation.ts'

type Json = Readonly<Record<string, unknown>>

/** RFC 9457, as `problem.ts` sends it. */
const Problem = z.object({
  type: z.literal('about:blank'),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  requestId: z.string(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
})

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return json
}

/** One parameter for each property of the schema. */
function parametersOf(schema: z.ZodType | undefined, where: 'path' | 'query' | 'header'): Json[] {
  if (schema === undefined) return []
  const { properties = {}, required = [] } = schemaOf(schema, 'input') as {
    properties?: Readonly<Record<string, Json>>
    required?: readonly string[]
  }
  return Object.entries(properties).map(([name, property]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    schema: property,
  }))
}

function problemsOf({ operation, isOpen }: ServedOperation): readonly number[] {
  const { params, query, body, headers, problems = [] } = operation
  const takesInput = [params, query, body, headers].some((schema) => schema !== undefined)
  const statuses = [
    ...(takesInput ? [400] : []),
    ...(isOpen ? [] : [401]),
    ...(body === undefined ? [] : [408, 413, 415]),
    429,
    503,
    ...problems,
  ]
  return [...new Set(statuses)].toSorted((one, other) => one - other)
}

function responsesOf(served: ServedOperation): Json {
  const { reply, statuses = [200], method } = served.operation
  const schema = schemaOf(reply, 'output')
  const success = statuses.map((status) => [
    status,
    { description: STATUS_CODES[status], content: { 'application/json': { schema } } },
  ])
  const problems = problemsOf(served).map((status) => [status, { $ref: `#/components/responses/${status}` }])
  const unchanged = method === 'get' ? [[304, { description: 'You have it already' }]] : []
  return Object.fromEntries([...success, ...unchanged, ...problems]) as Json
}

function bodyOf({ body, accepts = ['application/json'] }: Operation): Json {
  if (body === undefined) return {}
  const schema = schemaOf(body, 'input')
  const content = Object.fromEntries(accepts.map((type) => [type, { schema }]))
  return { requestBody: { required: true, content } }
}

function operationOf(served: ServedOperation): Json {
  const { operation, isOpen } = served
  const { params, query, headers } = operation
  const parameters = [
    ...parametersOf(params, 'path'),
    ...parametersOf(query, 'query'),
    ...parametersOf(headers, 'header'),
  ]
  return {
    summary: operation.summary,
    tags: [operation.path.split('/')[1]],
    ...(isOpen ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...bodyOf(operation),
    responses: responsesOf(served),
  }
}

/** `/lessons/:id` as OpenAPI writes it. */
const pathOf = ({ path }: Operation): string => path.replaceAll(/:(\w+)/g, '{$1}')

/** The OpenAPI 3.1 document of everything that is served. `root` is where it is served. */
export function openApiDocument(served: readonly ServedOperation[], root: string): Json {
  const paths: Record<string, Record<string, Json>> = {}
  for (const one of served) {
    const methods = (paths[pathOf(one.operation)] ??= {})
    methods[one.operation.method] = operationOf(one)
  }
  const problems = [...new Set(served.flatMap(problemsOf))].map((status) => [
    status,
    {
      description: STATUS_CODES[status],
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    },
  ])
  return {
    openapi: '3.1.1',
    info: { title: 'Hotpath', version: '1', description: 'A school platform with an optimised hot path.' },
    servers: [{ url: root }],
    security: [{ bearer: [] }],
    paths,
    components: {
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      schemas: { Problem: schemaOf(Problem, 'output') },
      responses: Object.fromEntries(problems) as Json,
    },
  }
}
