import type { ListSlice } from './json-scan.ts'

/** Below this a text is parsed at once: some milliseconds. */
export const SLICED_BYTES = 1024 * 1024

/**
 * Parses JSON as `JSON.parse` does, the lists of its outermost object in slices with a `pause` after each, so that a
 * large body does not hold up what else the thread has to do. A list of JSON texts with commas between them is JSON,
 * and nothing else is: the parts are put together where each is right, and the whole is parsed where one is not.
 * @param lists of `JsonScan`, in order
 * @throws SyntaxError as `JSON.parse` throws it for the whole text
 */
export async function parseSliced(
  json: Buffer,
  lists: readonly (readonly ListSlice[])[],
  pause: () => Promise<void>,
): Promise<unknown> {
  if (json.length < SLICED_BYTES || lists.length === 0) return JSON.parse(json.toString('utf8'))
  const skeleton = parseOrNull(skeletonOf(json, lists))
  if (typeof skeleton !== 'object' || skeleton === null || Array.isArray(skeleton)) {
    return JSON.parse(json.toString('utf8'))
  }
  for (const list of Object.values(skeleton) as unknown[]) {
    if (!Array.isArray(list)) continue
    const slices = lists[list.pop() as number] ?? []
    for (const { from, to, items } of slices) {
      const part = parseOrNull(`[${json.toString('utf8', from, to)}]`)
      const isWhole = Array.isArray(part) && (slices.length === 1 || part.length === items)
      if (!isWhole) return JSON.parse(json.toString('utf8'))
      for (const item of part) list.push(item)
      if (to - from >= SLICED_BYTES / 8) await pause()
    }
  }
  return skeleton
}

/** The text with the number of each list as its only item. */
function skeletonOf(json: Buffer, lists: readonly (readonly ListSlice[])[]): string {
  const parts: string[] = []
  let at = 0
  for (const [number, slices] of lists.entries()) {
    const [first, last] = [slices[0], slices.at(-1)]
    if (first === undefined || last === undefined) continue
    parts.push(json.toString('utf8', at, first.from), String(number))
    at = last.to
  }
  parts.push(json.toString('utf8', at))
  return parts.join('')
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
