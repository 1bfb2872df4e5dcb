/**
 * Runs every contestant in every pass and returns what each gave, `[contestant][pass]`. Contestants swap places
 * from pass to pass, so that none always runs after the same neighbour; one pass before the others warms up and
 * is not returned.
 */
export async function interleave<T>(
  contestants: readonly (() => Promise<T>)[],
  passes: number,
  onPass: (pass: number) => void,
): Promise<T[][]> {
  const found = contestants.map((): T[] => [])
  for (let pass = 0; pass <= passes; pass++) {
    onPass(pass)
    for (const place of contestants.keys()) {
      const index = (place + pass) % contestants.length
      const result = await (contestants[index] as () => Promise<T>)()
      if (pass > 0) (found[index] as T[]).push(result)
    }
  }
  return found
}
