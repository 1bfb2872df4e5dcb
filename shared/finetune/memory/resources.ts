/** Kept free for everything else on the machine. */
const SPARE = 0.05

/** Bytes that this process may still take: what machine and container have free, less a spare. */
export function availableBytes(): number {
  return Math.floor(process.availableMemory() * (1 - SPARE))
}
