// What the optimizations do, as pictures that follow /metrics/performance and /health/ready.

const EVERY_MS = 2_000
/** Two minutes. */
const KEPT = 60
const ROUTES_SHOWN = 8
const SVG = 'http://www.w3.org/2000/svg'
const WIDTH = 320
const HEIGHT = 56

const whole = (value) => Math.round(value).toLocaleString('en')
const ms = (value) => `${value < 10 ? value.toFixed(1) : whole(value)} ms`
const percent = (value) => `${(value * 100).toFixed(1)} %`

/** Each picture: what it shows of one reading and the one before it (null where there is nothing to show). */
const TILES = [
  {
    title: 'Cache hit rate',
    hint: 'of the reads since the picture before',
    most: 1,
    show: percent,
    read: ({ cache }, before) => {
      const hits = cache.hits - (before?.cache.hits ?? 0)
      const reads = hits + cache.misses - (before?.cache.misses ?? 0)
      return reads > 0 ? hits / reads : null
    },
  },
  {
    title: 'Requests a second',
    hint: 'answered since the picture before',
    show: (value) => value.toFixed(1),
    read: ({ requests, timestamp }, before) =>
      before === undefined
        ? null
        : ((requests.requests - before.requests.requests) * 1_000) / Math.max(1, timestamp - before.timestamp),
  },
  { title: 'P95 of all requests', hint: 'since the start', show: ms, read: ({ requests }) => requests.latency.p95Ms },
  {
    title: 'Connections in use',
    hint: 'of the pool, and those who wait for one',
    show: whole,
    note: ({ database: { connectionPool } }) => `${connectionPool.waiting} waiting`,
    read: ({ database }) => database.connectionPool.checkedOut,
  },
  {
    title: 'Events on their way',
    hint: 'accepted by the publisher and not at an end',
    show: whole,
    note: ({ pusher }) => `${whole(pusher.eventsSent)} sent`,
    read: ({ pusher }) => pusher.pending,
  },
  {
    title: 'Publish to callback, P95',
    hint: 'as pages reported it, since the start',
    show: ms,
    read: ({ pusher }) => (pusher.deliveryLatency.count > 0 ? pusher.deliveryLatency.p95Ms : null),
  },
]

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties)
  made.append(...children)
  return made
}

function drawing(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value)
  made.append(...children)
  return made
}

/** A line over the kept readings, the newest at the right; gaps where there was nothing to show. */
function sparkline(values, most) {
  const top = most ?? Math.max(1e-9, ...values.filter((value) => value !== null))
  const x = (at) => ((at + KEPT - values.length) / (KEPT - 1)) * WIDTH
  const y = (value) => HEIGHT - 3 - (value / top) * (HEIGHT - 8)
  const runs = []
  let run = []
  values.forEach((value, at) => {
    if (value !== null) run.push([x(at), y(value)])
    else if (run.length > 0) runs.push(run)
    if (value === null) run = []
  })
  if (run.length > 0) runs.push(run)
  const lines = runs.map((points) => {
    const path = points.map(([left, down]) => `${left.toFixed(1)},${down.toFixed(1)}`).join(' ')
    return drawing('polyline', { points: path, class: 'line' })
  })
  const last = runs.at(-1)?.at(-1)
  const dot =
    last === undefined || values.at(-1) === null ? [] : [drawing('circle', { cx: last[0], cy: last[1], r: 3 })]
  const floor = drawing('line', { x1: 0, x2: WIDTH, y1: HEIGHT - 3, y2: HEIGHT - 3, class: 'floor' })
  const size = { viewBox: `0 0 ${WIDTH + 4} ${HEIGHT}`, class: 'sparkline', 'aria-hidden': 'true' }
  return drawing('svg', size, floor, ...lines, ...dot)
}

function tile({ title, hint, most, show, note, read }, history) {
  const values = history.map((now, at) => read(now, history[at - 1]))
  const value = values.at(-1) ?? null
  const figure = element('strong', { textContent: value === null ? '–' : show(value) })
  const beside = note === undefined ? [] : [element('small', { textContent: note(history.at(-1)) })]
  const caption = element('figcaption', {}, element('span', { textContent: title }), figure, ...beside)
  return element('figure', { title: `${title}: ${hint}` }, caption, sparkline(values, most))
}

function routeBars({ requests }) {
  const shown = requests.routes.filter(({ route }) => route.startsWith('/api/')).slice(0, ROUTES_SHOWN)
  const longest = Math.max(1, ...shown.map(({ p95Ms }) => p95Ms))
  return shown.map(({ method, route, p95Ms, count }) => {
    const bar = drawing('svg', {
      viewBox: '0 0 100 8',
      preserveAspectRatio: 'none',
      class: 'bar',
      'aria-hidden': 'true',
    })
    bar.append(drawing('rect', { width: Math.max(0.5, (p95Ms / longest) * 100), height: 8 }))
    return element(
      'tr',
      {},
      element('th', { scope: 'row', textContent: `${method} ${route.replace('/api/v1', '')}` }),
      element('td', { className: 'picture' }, bar),
      element('td', { textContent: ms(p95Ms) }),
      element('td', { textContent: whole(count) }),
    )
  })
}

const SIGNS = { healthy: '✓', degraded: '!', unhealthy: '✕' }

function healthList({ services = {}, status, reasons = [] }) {
  const all = Object.entries({ server: { status, reasons: services.cache === undefined ? reasons : [] }, ...services })
  return all.map(([name, its]) => {
    const trip = its.roundTripMs === undefined ? '' : ` · ${ms(its.roundTripMs)}`
    const item = element(
      'li',
      {},
      element('b', { textContent: `${SIGNS[its.status] ?? '?'} ${name}` }),
      ` ${its.status}${trip}`,
    )
    item.dataset.status = its.status
    if (its.reasons?.length > 0) item.append(element('small', { textContent: its.reasons.join('; ') }))
    return item
  })
}

/** Kept for as long as the tab is open. */
const KEPT_TOKEN = 'hotpath.metrics-token'

const PROBLEMS = {
  401: 'The metrics of this server are for the bearer of its metrics token.',
  403: 'The metrics of this server are closed: its operator opens them by setting METRICS_TOKEN.',
}

async function reading() {
  const token = sessionStorage.getItem(KEPT_TOKEN)
  const headers = token === null ? {} : { authorization: `Bearer ${token}` }
  const [metrics, ready] = await Promise.all([
    fetch('metrics/performance', { headers }),
    fetch('health/ready', { headers }),
  ])
  const health = await ready.json()
  if (!metrics.ok) {
    const problem = PROBLEMS[metrics.status] ?? `The metrics cannot be had (${metrics.status}).`
    return { health, problem, wantsToken: metrics.status === 401, wasWrong: token !== null }
  }
  const now = await metrics.json()
  return { now: { ...now, timestamp: Date.parse(now.timestamp) }, health }
}

/** Draws into `root` now and from then on, as long as somebody looks. */
export function watchMetrics(root) {
  const history = []
  const part = (name) => root.querySelector(`[data-part=${name}]`)
  const look = async () => {
    if (!document.hidden) {
      const { now, health, problem, wantsToken, wasWrong } = await reading().catch(() => ({
        problem: 'The server does not answer.',
      }))
      part('problem').textContent =
        wantsToken && wasWrong ? `That is not the metrics token. ${problem}` : (problem ?? '')
      part('access').hidden = wantsToken !== true
      part('figures').hidden = now === undefined && history.length === 0
      if (health !== undefined) part('health').replaceChildren(...healthList(health))
      if (now !== undefined) {
        history.push(now)
        if (history.length > KEPT) history.shift()
        part('tiles').replaceChildren(...TILES.map((one) => tile(one, history)))
        part('routes').replaceChildren(...routeBars(now))
        root.dataset.readings = String(Number(root.dataset.readings ?? 0) + 1)
      }
    }
  }
  part('access').addEventListener('submit', (event) => {
    event.preventDefault()
    sessionStorage.setItem(KEPT_TOKEN, new FormData(event.target).get('token'))
    event.target.reset()
    void look()
  })
  const lookOn = () => void look().finally(() => setTimeout(lookOn, EVERY_MS))
  lookOn()
}
