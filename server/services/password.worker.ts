import { readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'
import { basename } from 'node:path'
import { parentPort } from 'node:worker_threads'
import { hashPassword, verifyPassword } from './password.ts'

export type PasswordTask =
  | { readonly kind: 'hash'; readonly password: string }
  | { readonly kind: 'verify'; readonly password: string; readonly hash: string }

/** Positive is nicer: requests that need no password go first when all cores are busy. */
const NICENESS = 19

/** Linux gives every thread a priority of its own, by the thread's id; elsewhere it would be that of the whole process. */
function lowerPriority(): void {
  if (process.platform !== 'linux') return
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), NICENESS)
  } catch {
    // Without /proc, or without the right to: the hashing is as correct at the usual priority.
  }
}

lowerPriority()
// What throws here ends the thread, and the pool tells whoever asked.
parentPort?.on('message', (task: PasswordTask) => {
  parentPort?.postMessage(task.kind === 'hash' ? hashPassword(task.password) : verifyPassword(task.password, task.hash))
})
