import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { systemClock, type Clock } from '#optimizations/kernel/clock.ts'
import { ServiceError } from './errors.ts'
import { FairQueue, type Queued } from './fair-queue.ts'
import type { PasswordTask } from './password.worker.ts'

/** For whom a password is hashed. */
export interface HashingCaller extends Queued {
  /** Who does not wait any more leaves the queue. */
  readonly signal?: AbortSignal | undefined
}

export interface PasswordHasher extends AsyncDisposable {
  hash(password: string, caller: HashingCaller): Promise<string>
  verify(password: string, hash: string, caller: HashingCaller): Promise<boolean>
}

interface Job extends HashingCaller {
  readonly task: PasswordTask
  resolve(value: unknown): void
  reject(reason: unknown): void
}

export interface PasswordHasherOptions {
  readonly workers?: number
  readonly maxWaiting?: number
  readonly maxWaitMs?: number
  readonly clock?: Pick<Clock, 'monotonic' | 'schedule'>
}

const MAX_WAITING = 50
const MAX_WAIT_MS = 1_500
/** What a job is expected to take before any has been measured. */
const FIRST_MEAN_MS = 50
/** Share of the newest job in the running mean. */
const MEAN_WEIGHT = 0.1

/** Half of the cores, so that hashing leaves the other half to requests, and no more than 4. */
function workersFor(cores: number): number {
  return cores <= 2 ? 1 : Math.min(4, Math.floor(cores / 2))
}

const busy = () => new ServiceError('sign_in_busy', 'Too many people are signing in: try again in a moment.')

/**
 * Hashes passwords in threads of its own. Node's own asynchronous hashing would fill libuv's four threads, which file
 * access, name lookups and token checks share: a few wrong passwords would hold up every other request. The queue in
 * front is bounded and fair. Threads start when they are first needed.
 */
export class WorkerPasswordHasher implements PasswordHasher {
  readonly #limits: { readonly workers: number; readonly maxWaitMs: number }
  readonly #clock: Pick<Clock, 'monotonic' | 'schedule'>
  readonly #queue: FairQueue<Job>
  readonly #idle: Worker[] = []
  readonly #running = new Map<Worker, { readonly job: Job; readonly since: number | undefined }>()
  #meanMs = FIRST_MEAN_MS
  #isStopped = false

  constructor(options: PasswordHasherOptions = {}) {
    const { workers = workersFor(availableParallelism()), maxWaiting = MAX_WAITING, maxWaitMs = MAX_WAIT_MS } = options
    this.#limits = { workers, maxWaitMs }
    this.#clock = options.clock ?? systemClock
    this.#queue = new FairQueue({ clock: this.#clock, maxWaiting })
  }

  async hash(password: string, caller: HashingCaller): Promise<string> {
    return (await this.#run({ kind: 'hash', password }, caller)) as string
  }

  async verify(password: string, hash: string, caller: HashingCaller): Promise<boolean> {
    const matches = (await this.#run({ kind: 'verify', password, hash }, caller)) as boolean
    if (!matches) this.#queue.recordFailure(caller.group)
    return matches
  }

  /** What waits is refused; what runs is given up. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isStopped = true
    for (let job = this.#queue.shift(); job !== undefined; job = this.#queue.shift()) job.reject(busy())
    await Promise.all([...this.#idle, ...this.#running.keys()].map((worker) => worker.terminate()))
  }

  #run(task: PasswordTask, { group, isPreferred, signal }: HashingCaller): Promise<unknown> {
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const job: Job = { task, group, isPreferred, resolve, reject }
    this.#enqueue(job)
    const leave = (): void => {
      if (this.#queue.remove(job)) reject(signal?.reason)
    }
    // What was expected of the queue is a mean: hashes may take longer, and who is preferred may come later.
    const timer = this.#clock.schedule(this.#limits.maxWaitMs, () => {
      if (this.#queue.remove(job)) reject(busy())
    })
    signal?.addEventListener('abort', leave, { once: true })
    return promise.finally(() => {
      timer[Symbol.dispose]()
      signal?.removeEventListener('abort', leave)
    })
  }

  #enqueue(job: Job): void {
    const { workers, maxWaitMs } = this.#limits
    if (this.#isStopped) throw busy()
    if (this.#running.size >= workers) {
      // Those that run are half done on average.
      const expectedMs = (this.#queue.aheadOf(job) / workers + 0.5) * this.#meanMs
      if (expectedMs > maxWaitMs) throw busy()
      if (!this.#queue.hasRoomFor(job)) {
        const displaced = this.#queue.makeRoomFor(job)
        if (displaced === undefined) throw busy()
        displaced.reject(busy())
      }
    }
    this.#queue.push(job)
    this.#dispatch()
  }

  #dispatch(): void {
    while (!this.#isStopped && this.#running.size < this.#limits.workers) {
      const job = this.#queue.shift()
      if (job === undefined) return
      const idle = this.#idle.pop()
      const worker = idle ?? this.#startWorker()
      // The first job of a thread waits for its start, which says nothing about the next ones.
      this.#running.set(worker, { job, since: idle === undefined ? undefined : this.#clock.monotonic() })
      worker.postMessage(job.task)
    }
  }

  #startWorker(): Worker {
    // Neither the environment, which holds secrets, nor options that preload something are for it.
    const options = { name: 'password', env: {}, execArgv: [] }
    const worker = new Worker(new URL('./password.worker.ts', import.meta.url), options)
    worker.unref()
    let cause: unknown
    worker.on('message', (value) => this.#finish(worker, value))
    worker.on('error', (error) => (cause = error))
    worker.on('exit', () => {
      const job = this.#running.get(worker)?.job
      this.#running.delete(worker)
      if (this.#idle.includes(worker)) this.#idle.splice(this.#idle.indexOf(worker), 1)
      job?.reject(new ServiceError('sign_in_failed', 'The password could not be checked: try again.', { cause }))
      this.#dispatch()
    })
    return worker
  }

  #finish(worker: Worker, value: unknown): void {
    const done = this.#running.get(worker)
    if (done === undefined) return
    this.#running.delete(worker)
    this.#idle.push(worker)
    if (done.since !== undefined) {
      this.#meanMs += (this.#clock.monotonic() - done.since - this.#meanMs) * MEAN_WEIGHT
    }
    done.job.resolve(value)
    this.#dispatch()
  }
}
