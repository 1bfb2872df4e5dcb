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
