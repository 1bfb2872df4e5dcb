import { createHash } from 'node:crypto'
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
function readProcess(pid: number, proc: string): { state: string; start: string } {
  const line = readOrEmpty(() => readFileSync(`${proc}/${pid}/stat`, 'utf8'))
  // The second field is the command in brackets and may hold spaces and brackets itself.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0] ?? '', start: fields[19] ?? '' }
}

/**
 * The identity of this process.
 * @param proc where Linux tells of processes; other systems have no such folder, and then only the host, the
 *   number and the start of this process itself are known
 */
export function identifyProcess(proc = '/proc'): ProcessIdentity {
  return {
    host: hostname(),
    boot: readOrEmpty(() => readFileSync(`${proc}/sys/kernel/random/boot_id`, 'utf8')),
    namespace: readOrEmpty(() => readlinkSync(`${proc}/self/ns/pid`)),
    pid: process.pid,
    // The start of this thread is as good: only the owner itself compares it.
    start: readProcess(process.pid, proc).start || String(Math.round(performance.timeOrigin)),
  }
}

/**
 * Whether the process still runs, as far as `self` can see. Where the start times of others are not to be had, a
 * number that is in use says nothing certain: it may be that of a later process.
 */
export function checkLiveness(
  other: ProcessIdentity,
  self: ProcessIdentity,
  proc = '/proc',
): Liveness {
  if (other.pid === 0) return 'dead'
  if (other.host !== self.host) return 'unknown'
  if (other.boot === '' || self.boot === '') {
    if (other.boot !== self.boot) return 'unknown'
  } else if (other.boot !== self.boot) return 'dead'
  if (other.namespace !== self.namespace) return 'unknown'
  if (other.pid === self.pid && other.start === self.start) return 'alive'
  try {
    process.kill(other.pid, 0)
  } catch (error) {
    // EPERM: it runs, as another user.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return 'dead'
  }
  const { state, start } = readProcess(other.pid, proc)
  if (state === 'Z' || state === 'X') return 'dead'
  if (start === '' || other.start === '') return 'unknown'
  return start === other.start ? 'alive' : 'dead'
}

const TAG = /^([0-9]+)-([0-9]*)-([0-9a-f]{12})$/

/** This process as a part of file names: its number, its start, and what stands for machine and namespace. */
export function processTag(): string {
  const self = identifyProcess()
  return `${self.pid}-${self.start}-${machineOf(self)}`
}

/** True where the process of a tag ran on this machine and has ended; false where that cannot be told. */
export function isTagOfDead(tag: string): boolean {
  const [, pid, start = '', machine] = TAG.exec(tag) ?? []
  const self = identifyProcess()
  if (pid === undefined || machine !== machineOf(self)) return false
  return checkLiveness({ ...self, pid: Number(pid), start }, self) === 'dead'
}

function machineOf({ host, boot, namespace }: ProcessIdentity): string {
  return createHash('sha256').update([host, boot, namespace].join('\0')).digest('hex').slice(0, 12)
}
