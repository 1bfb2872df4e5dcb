import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/**
 * What tells one process from all others: the machine (`host`, `boot`), the namespace that gives its number
 * a meaning, the number, and its start time, since numbers are used again. Empty where the system has none.
 */
export interface ProcessIdentity {
  readonly host: string
  readonly boot: string
  readonly namespace: string
  readonly pid: number
  readonly start: string
}

/** `unknown`: it runs on another machine or in another container, where this process cannot look. */
export type Liveness = 'alive' | 'dead' | 'unknown'

function readOrEmpty(read: () => string): string {
  try {
    return read().trim()
  } catch {
    return ''
  }
}

/** State letter and start time (field 22 of `/proc/<pid>/stat`); empty where there is no such file. */
function readProcess(pid: number): { state: string; start: string } {
  const line = readOrEmpty(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  // The second field is the command in brackets and may hold spaces and brackets itself.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0] ?? '', start: fields[19] ?? '' }
}

/** The identity of this process. */
export function identifyProcess(): ProcessIdentity {
  return {
    host: hostname(),
    boot: readOrEmpty(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
    namespace: readOrEmpty(() => readlinkSync('/proc/self/ns/pid')),
    pid: process.pid,
    start: readProcess(process.pid).start,
  }
}

/** Whether the process still runs, as far as `self` can see. */
export function checkLiveness(other: ProcessIdentity, self: ProcessIdentity): Liveness {
  if (other.host !== self.host) return 'unknown'
  if (other.boot !== self.boot) return 'dead'
  if (other.namespace !== self.namespace) return 'unknown'
  try {
    process.kill(other.pid, 0)
  } catch (error) {
    // EPERM: it runs, as another user.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return 'dead'
  }
  const { state, start } = readProcess(other.pid)
  if (state === 'Z' || state === 'X') return 'dead'
  return start === '' || other.start === '' || start === other.start ? 'alive' : 'dead'
}
