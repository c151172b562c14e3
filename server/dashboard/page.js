/* global Pusher */
// The live page: sign in, open a lesson, report progress, and watch the events of its class arrive.

import { createAccess } from './access.js'
import { createBatchAuthorizer } from './vendor/batch-authorizer.js'
import { createDeliveryGuard } from './vendor/delivery-guard.js'
import { createEventReplay } from './vendor/event-replay.js'
import { watchMetrics } from './metrics.js'

const $ = (id) => document.getElementById(id)
const SIGNED_OUT = {
  user: undefined,
  pusher: undefined,
  channel: undefined,
  watched: undefined,
}
const session = { ...SIGNED_OUT }
const SHOWN_EVENTS = 30

/** How long the events of the page took, until the server is told. */
const latenciesMs = []
const REPORT_EVERY_MS = 1_000
/** What only the user hears. */
const USER_EVENTS = [
  'enrollment.created',
  'enrollment.dropped',
  'lesson.completed',
  'quiz.submitted',
  'quiz.result',
  'notification.new',
]
/** What everybody in a class hears. */
const CLASS_EVENTS = ['progress.updated', 'class.updated', 'leaderboard.updated']

const access = createAccess({ renewUrl: 'api/v1/auth/renew', onOver: signOut })

/** Signs the person out where they see it. */
function signOut() {
  session.watched?.stop()
  session.pusher?.disconnect()
  Object.assign(session, SIGNED_OUT)
  $('connection').dataset.state = 'signed-out'
  $('connection').textContent = 'signed out'
  // Nothing of what this person saw is left for the next one.
  for (const part of ['events', 'lessons', 'lesson', 'channel']) $(part).replaceChildren()
  $('school').hidden = true
  $('sign-in').reset()
  $('sign-in').hidden = false
  $('problem').textContent = 'Your session is over: sign in again.'
  $('problem').hidden = false
}

/** Said aloud: what the page shows may not be how things are. */
function noteGap({ channel }) {
  note(`Something is missing on ${channel}: open the lesson again to see its present state.`)
  $('events').firstElementChild.dataset.gap = channel
}

const guard = createDeliveryGuard({
  // What was told while the page was away.
  replay: createEventReplay({
    endpoint: 'api/v1/realtime/replay',
    headers: access.headers,
    fetch: access.fetch,
    onGap: noteGap,
  }),
  onDelivery: ({ latencyMs }) => {
    if (latenciesMs.push(Math.max(0, latencyMs)) === 1) setTimeout(() => void reportDeliveries(), REPORT_EVERY_MS)
  },
  onGap: noteGap,
})

class Refused extends Error {}
/** The person has been told already. */
class SignedOut extends Error {}

async function api(method, path, body) {
  const wasSignedIn = access.isHeld()
  const response = await access.fetch(`api/v1${path}`, {
    method,
    headers: {
      ...(await access.headers()),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  if (wasSignedIn && !access.isHeld()) throw new SignedOut()
  const reply = await response.json()
  if (!response.ok) throw new Refused(`${reply.detail} (request ${reply.requestId})`)
  return reply
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties)
  made.append(...children)
  return made
}

/** Runs what a click or a submit started, and shows the person what went wrong, if anything did. */
async function attempt(work) {
  $('problem').hidden = true
  try {
    await work()
  } catch (error) {
    if (error instanceof SignedOut) return
    $('problem').textContent = error instanceof Refused ? error.message : `The server did not answer: ${error.message}`
    $('problem').hidden = false
  }
}

async function reportDeliveries() {
  const told = latenciesMs.splice(0)
  for (let at = 0; at < told.length; at += 100) {
    await api('POST', '/realtime/deliveries', { latenciesMs: told.slice(at, at + 100) }).catch(() => undefined)
  }
}

async function connect() {
  const { key, cluster, host, port, useTls } = await (await fetch('realtime-config.json')).json()
  session.pusher = new Pusher(key, {
    cluster: cluster ?? '',
    ...(host === undefined ? {} : { wsHost: host, wsPort: port, wssPort: port }),
    forceTLS: useTls,
    enabledTransports: ['ws', 'wss'],
    enableStats: false,
    // One request for all channels that are asked for together, also after a reconnect.
    channelAuthorization: {
      customHandler: createBatchAuthorizer({
        endpoint: 'api/v1/realtime/auth',
        headers: access.headers,
        fetch: access.fetch,
      }),
    },
  })
  const { pusher } = session
  pusher.connection.bind('state_change', ({ current }) => {
    if (session.pusher !== pusher) return
    $('connection').dataset.state = current
    $('connection').textContent = `${session.user.displayName}, ${current}`
  })
  listen(session.pusher.subscribe(`private-user-${session.user.id}`), USER_EVENTS)
}

function note(text) {
  $('events').prepend(element('li', { textContent: text }))
  while ($('events').children.length > SHOWN_EVENTS) $('events').lastElementChild.remove()
}

function showEvent(name, data) {
  // Both stamps are of this machine's clock when the server runs on it too; otherwise the clocks' difference is in it.
  const latencyMs = data.at === undefined ? undefined : Math.max(0, Date.now() - data.at)
  const what = data.percent === undefined ? '' : ` · ${data.percent} %`
  note(`${name}${what} `)
  const item = $('events').firstElementChild
  item.dataset.event = name
  if (latencyMs === undefined) return
  item.append(element('small', { textContent: `${latencyMs} ms after it was published` }))
  item.dataset.latencyMs = String(latencyMs)
}

function listen(channel, events) {
  const watched = guard.watch(channel)
  for (const event of events) watched.bind(event, (data) => showEvent(event, data))
  return watched
}

function joinClass(classId) {
  const name = `private-class-${classId}`
  if (session.channel?.name === name) return
  if (session.channel !== undefined) {
    session.watched.stop()
    session.pusher.unsubscribe(session.channel.name)
  }
  session.channel = session.pusher.subscribe(name)
  $('channel').textContent = `Joining ${name}…`
  session.channel.bind('pusher:subscription_succeeded', () => {
    $('channel').textContent = `Joined ${name}`
  })
  session.channel.bind('pusher:subscription_error', ({ status }) => {
    $('channel').textContent = `Refused by ${name} (${status ?? 'no answer'})`
  })
  session.watched = listen(session.channel, CLASS_EVENTS)
}

function showProgressForm(lesson) {
  const percent = lesson.progress?.percent ?? 0
  const shown = element('output', { textContent: `${percent} %` })
  const slider = element('input', { type: 'range', name: 'percent', min: '0', max: '100', step: '5', value: percent })
  slider.addEventListener('input', () => (shown.textContent = `${slider.value} %`))
  const form = element(
    'form',
    { className: 'report' },
    element('label', {}, element('span', {}, 'My progress: ', shown), slider),
    element('button', { textContent: 'Report progress' }),
  )
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    void attempt(async () => {
      const saved = await api('PUT', `/lessons/${lesson.id}/progress`, {
        percent: Number(slider.value),
        timeSpentSec: (lesson.progress?.timeSpentSec ?? 0) + 60,
      })
      lesson.progress = saved
      // Progress never goes back, so the saved value may be above the one that was sent.
      slider.value = saved.percent
      shown.textContent = `${saved.percent} %`
    })
  })
  return form
}

async function openLesson(id) {
  const lesson = await api('GET', `/lessons/${id}`)
  for (const button of $('lessons').querySelectorAll('button')) {
    button.setAttribute('aria-current', String(button.value === id))
  }
  const sections = lesson.contentData.sections.flatMap(({ heading, text }) => [
    element('h3', { textContent: heading }),
    element('p', { textContent: text }),
  ])
  $('lesson').replaceChildren(
    element('h2', { textContent: lesson.title }),
    element('p', { className: 'hint', textContent: `${lesson.estimatedMinutes} minutes, ${lesson.difficulty}` }),
    element('div', { className: 'sections' }, element('p', { textContent: lesson.description }), ...sections),
    ...(session.user.role === 'student' ? [showProgressForm(lesson)] : []),
  )
  joinClass(lesson.classId)
}

async function listLessons() {
  const { lessons } = await api('GET', '/lessons')
  const items = []
  let previousClass
  for (const lesson of lessons) {
    if (lesson.classId !== previousClass)
      items.push(element('li', {}, element('h3', { textContent: lesson.className })))
    previousClass = lesson.classId
    const button = element('button', { type: 'button', value: lesson.id, textContent: lesson.title })
    button.addEventListener('click', () => void attempt(() => openLesson(lesson.id)))
    items.push(element('li', {}, button))
  }
  $('lessons').replaceChildren(...items)
}

watchMetrics($('metrics'))

$('sign-in').addEventListener('submit', (event) => {
  event.preventDefault()
  const form = new FormData(event.target)
  void attempt(async () => {
    const { user, ...issued } = await api('POST', '/auth/sign-in', Object.fromEntries(form))
    session.user = user
    access.keep(issued)
    // Nobody signs in again with a password that was left in the form.
    $('sign-in').reset()
    $('sign-in').hidden = true
    $('school').hidden = false
    await connect()
    await listLessons()
  })
})
