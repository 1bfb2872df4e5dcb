import { readFileSync } from 'node:fs'

/** Clock ticks of /proc are hundredths of a second on every Linux. */
const TICK_MS = 10

/** Processor time of a process and all its threads so far, in milliseconds; null where this system does not tell. */
export function readProcessTime(pid: number): number | null {
  try {
    return parseProcessTime(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return null
  }
}

/** User and system time of a line of /proc/PID/stat, in milliseconds; null for anything else. */
export function parseProcessTime(line: string): number | null {
  // The name before the last bracket may hold blanks and brackets; utime and stime are the 14th and 15th field.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const ticks = Number(fields[11]) + Number(fields[12])
  return Number.isFinite(ticks) ? ticks * TICK_MS : null
}
