import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/**
 * Runs `work` on every item, at most `limit` at a time, in the order of the items. The first failure stops
 * further items from being started and is thrown once those under way have ended.
 */
export async function forEachConcurrently<T>(
  items: Iterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items[Symbol.iterator]()
  let failed = false
  const lane = async (): Promise<void> => {
    for (let next = queue.next(); !next.done && !failed; next = queue.next()) {
      try {
        await work(next.value)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const lanes = await Promise.allSettled(Array.from({ length: limit }, lane))
  for (const ended of lanes) if (ended.status === 'rejected') throw ended.reason
}

/**
 * Ends as `work` does, or at once when the signal is aborted, with its reason: for work that may hang and cannot all be
 * told to stop. What it still does after that is lost, its failure too.
 */
export function endOnAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason)
    if (signal.aborted) stop()
    signal.addEventListener('abort', stop, { once: true })
    // A signal lives as long as a server: what waits for it must not pile up.
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop))
  })
}

/** Where cgroup v2 and v1 state the CPU quota of a container. */
const CGROUP_V2 = '/sys/fs/cgroup/cpu.max'
const CGROUP_V1 = '/sys/fs/cgroup/cpu/cpu.cfs_'

/** Cores that this process may keep busy: affinity and container quota respected, at least one. */
export function usableCores(readText: (path: string) => string = readFile): number {
  const quota = readQuota(readText)
  const cores = availableParallelism()
  return quota === null ? cores : Math.max(1, Math.min(cores, Math.floor(quota)))
}

function readQuota(readText: (path: string) => string): number | null {
  const [quota, period] = readText(CGROUP_V2).split(/\s+/)
  const v2 = Number(quota) / Number(period)
  if (v2 > 0) return v2
  const v1 = Number(readText(`${CGROUP_V1}quota_us`)) / Number(readText(`${CGROUP_V1}period_us`))
  return v1 > 0 ? v1 : null
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}
