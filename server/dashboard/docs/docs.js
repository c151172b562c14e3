// Shows the OpenAPI document to people. Everything on the page comes from it, as text.

const $ = (id) => document.getElementById(id)

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties)
  made.append(...children)
  return made
}

const schema = (title, value) => [
  element('h4', { textContent: title }),
  element('pre', { textContent: JSON.stringify(value, null, 2) }),
]

function parameterTable(parameters) {
  const line = ({ name, in: where, required, schema: { type, format, enum: values } }) =>
    element(
      'tr',
      {},
      element('th', { scope: 'row', textContent: name }),
      element('td', { textContent: where }),
      element('td', { textContent: required ? 'required' : 'optional' }),
      element('td', { textContent: values?.join(' | ') ?? format ?? type ?? '' }),
    )
  return element('table', {}, ...parameters.map(line))
}

function operation(root, path, method, { summary, parameters = [], requestBody, responses, security }) {
  const answers = Object.entries(responses).map(([status, { description, $ref, content }]) =>
    element(
      'div',
      {},
      ...schema(
        `${status} ${description ?? ''}`,
        $ref ?? Object.values(content ?? {}).map((media) => media.schema)[0] ?? 'no body',
      ),
    ),
  )
  const made = element(
    'details',
    {},
    element(
      'summary',
      {},
      element('code', { textContent: `${method.toUpperCase()} ${root}${path}` }),
      `${summary}${security === undefined ? '' : ' (open to everybody)'}`,
    ),
    ...(parameters.length > 0 ? [element('h4', { textContent: 'Parameters' }), parameterTable(parameters)] : []),
    ...Object.entries(requestBody?.content ?? {}).flatMap(([type, media]) => schema(`Body: ${type}`, media.schema)),
    ...answers,
  )
  made.dataset.words = `${method} ${path} ${summary}`.toLowerCase()
  return made
}

async function show() {
  const response = await fetch('../api/v1/openapi.json')
  const { servers, paths, components } = await response.json()
  // Relative to where the document is (OpenAPI 3.1, Server Object).
  const root = new URL(servers[0].url, response.url).pathname
  const all = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => operation(root, path, method, one)),
  )
  const problem = element('details', {}, element('summary', { textContent: 'Problem: what every refusal looks like' }))
  problem.append(...schema('application/problem+json (RFC 9457)', components.schemas.Problem))
  problem.dataset.words = 'problem'
  $('operations').replaceChildren(...all, problem)
}

$('find').addEventListener('input', ({ target }) => {
  const words = target.value.toLowerCase().split(/\s+/)
  for (const one of $('operations').children) {
    one.hidden = !words.every((word) => one.dataset.words.includes(word))
  }
})

try {
  await show()
} catch (error) {
  $('problem').textContent = `The document could not be read: ${error.message}`
  $('problem').hidden = false
}
