/** Anything that was started and has to be stopped. */
interface Stoppable {
  stop(): Promise<void>
}

/**
 * Starts contestants one after the other, so that none slows the start of another, and stops all of them
 * whatever happens.
 */
export async function withRunning<T extends Stoppable, R>(
  starts: readonly (() => Promise<T>)[],
  use: (running: readonly T[]) => Promise<R>,
): Promise<R> {
  const running: T[] = []
  try {
    for (const start of starts) running.push(await start())
    return await use(running)
  } finally {
    await Promise.all(running.map((contestant) => contestant.stop()))
  }
}
