import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** Memory of one process in MiB; null where this system does not tell. */
export interface ProcessMemory {
  /** Resident, pages shared with other processes counted in full. */
  readonly rssMib: number | null
  /** Resident, shared pages divided among those that share them. */
  readonly pssMib: number | null
  /** The most that was ever resident. */
  readonly peakMib: number | null
}

/** Reads what Linux keeps in /proc about a process; all null elsewhere. */
export function readProcessMemory(pid: number): ProcessMemory {
  const status = readText(`/proc/${pid}/status`)
  return {
    rssMib: fieldMib(status, 'VmRSS'),
    pssMib: fieldMib(readText(`/proc/${pid}/smaps_rollup`), 'Pss'),
    peakMib: fieldMib(status, 'VmHWM'),
  }
}

/** A field such as `VmRSS:   123456 kB` of a /proc file, in MiB; null when it is not there. */
export function fieldMib(text: string, field: string): number | null {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)
  return match ? Number(match[1]) / 1024 : null
}

/** The process that listens on a TCP port of this machine; null where it cannot be told. */
export function findListener(port: number): number | null {
  const tables = readText('/proc/net/tcp') + readText('/proc/net/tcp6')
  const inode = listeningInode(tables, port)
  if (inode === null) return null
  const processes = list('/proc').filter((name) => /^\d+$/.test(name))
  const owner = processes.find((pid) =>
    list(`/proc/${pid}/fd`).some((fd) => linkOf(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`),
  )
  return owner === undefined ? null : Number(owner)
}

/** The inode of the socket that listens on a port, from the lines of /proc/net/tcp; null when none does. */
export function listeningInode(table: string, port: number): string | null {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  for (const line of table.split('\n')) {
    const [, local, , state, , , , , , inode] = line.trim().split(/\s+/)
    // State 0A is LISTEN (include/net/tcp_states.h of Linux).
    if (state === '0A' && local?.endsWith(wanted)) return inode ?? null
  }
  return null
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
