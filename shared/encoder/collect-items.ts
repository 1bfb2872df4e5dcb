import { EspalierError } from '../lib/errors.ts'
import { Item, type ItemTable } from './item.ts'
import type { EncodeRequest } from './request.ts'
import type { CachedRow, ResultCache } from './result-cache.ts'
import type { TokenEstimator } from './token-estimator.ts'

/** What turns inputs into items. */
export interface CollectDeps {
  readonly table: ItemTable<EncodeRequest>
  readonly estimator: TokenEstimator
  readonly cache: ResultCache | null
  readonly fingerprint: string
  /** Most UTF-8 bytes of one input. */
  readonly maxTextBytes: number
}

/** What a request needs done; nothing has changed until `commit`. */
export interface Collected {
  /** Estimated tokens of what nobody else has asked for yet. */
  readonly newTokens: number
  /** Inputs whose text another input, waiting or running, has brought already. */
  readonly sharedInputs: number
  commit(): void
}

/**
 * Finds or makes the item of each input: one for each different text, longest first, so that neighbours in a
 * run are of near-equal length.
 * @throws EspalierError `input_too_large` naming the input
 */
export function collectItems(request: EncodeRequest, deps: CollectDeps): Collected {
  const { inputs, mode } = request
  const { table, estimator, maxTextBytes } = deps
  const promptBytes = Buffer.byteLength(mode.prompt)
  const lane = table.lane(mode)
  const byText = new Map<string, { item: Item<EncodeRequest>; indices: number[] }>()
  const recalled: { row: CachedRow; indices: number[] }[] = []
  const recalledByText = new Map<string, number[]>()
  let newTokens = 0
  for (const [index, text] of inputs.entries()) {
    const again = byText.get(text)?.indices ?? recalledByText.get(text)
    if (again) {
      again.push(index)
      continue
    }
    const indices = [index]
    const running = lane.items.get(text)
    if (running) {
      byText.set(text, { item: running, indices })
      continue
    }
    const bytes = checkSize(text, index, maxTextBytes)
    const known = recall(request, text, deps)
    if (known && mode.projection === 0) {
      recalled.push({ row: known, indices })
      recalledByText.set(text, indices)
      continue
    }
    const tokens = known ? 1 : estimator.estimate(promptBytes + bytes)
    const item = new Item<EncodeRequest>(lane, text, { bytes: promptBytes + bytes, tokens }, known)
    newTokens += tokens
    byText.set(text, { item, indices })
  }
  const found = [...byText.values()].sort(
    (a, b) => b.item.tokens - a.item.tokens || (a.indices[0] as number) - (b.indices[0] as number),
  )
  const fresh = found.filter(({ item }) => item.state === 'new').length
  const recalledInputs = recalled.reduce((sum, { indices }) => sum + indices.length, 0)
  return {
    newTokens,
    sharedInputs: inputs.length - recalledInputs - fresh,
    commit() {
      for (const { item, indices } of found) {
        if (item.state === 'new') table.add(item)
        for (const index of indices) item.waiters.push({ request, index })
        request.items.push(item)
      }
      for (const { row, indices } of recalled) {
        for (const index of indices) request.recall(index, row)
      }
    },
  }
}

/** A row of the cache, where there is a cache and its rows are what the mode needs. */
function recall(
  { mode }: EncodeRequest,
  text: string,
  { cache, fingerprint }: CollectDeps,
): CachedRow | null {
  if (!cache?.serves(mode)) return null
  const key = cache.keyOf(fingerprint, mode, text)
  return key === null ? null : cache.get(key)
}

function checkSize(text: string, index: number, maxTextBytes: number): number {
  const bytes = Buffer.byteLength(text)
  if (bytes <= maxTextBytes) return bytes
  const param = `inputs[${index}]`
  const message = `${param} has ${bytes} bytes of text, at most ${maxTextBytes} are accepted`
  throw new EspalierError('input_too_large', message, { param })
}
