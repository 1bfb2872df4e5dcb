/** How far this process has grown since the book was opened. */
export interface MemoryBook {
  note(): void
  readonly peakBytes: number
}

/** Opens a book; call `note` where memory may be at its highest. The arena of a session does not shrink. */
export function openMemoryBook(): MemoryBook {
  const start = process.memoryUsage.rss()
  let peak = start
  return {
    note() {
      peak = Math.max(peak, process.memoryUsage.rss())
    },
    get peakBytes() {
      return peak - start
    },
  }
}
