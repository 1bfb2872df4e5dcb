import type { Session } from '../../runtime/session.ts'
import { planPass } from '../rows/batches.ts'
import { createTokenSource, type StateRows } from '../rows/labelled-rows.ts'
import type { LowerGraph } from './text-trunk.ts'
import type { TokenRows } from './token-rows.ts'

/** Rows of one run: enough to fill two cores. */
const RUN_ROWS = 32

/** What a cache is filled with. */
export interface FillOptions {
  readonly session: Session
  readonly lower: LowerGraph
  readonly padId: number
  /** Numbers that the lower part gives for a token, or for a row. */
  readonly width: number
  /** Whether it gives states for every token, or one embedding a row. */
  readonly kind: 'states' | 'embeddings'
  /** Called before each run. @throws to stop */
  onRows(rows: number): void
}

/** Bytes that the cache of these rows takes. */
export function cacheBytes(lengths: Int32Array, kind: FillOptions['kind'], width: number): number {
  const entries =
    kind === 'states' ? lengths.reduce((sum, length) => sum + length, 0) : lengths.length
  return entries * width * Float32Array.BYTES_PER_ELEMENT
}

/** Runs every row once through the frozen part and keeps what comes out, padding left away. */
export async function fillStateRows(rows: TokenRows, options: FillOptions): Promise<StateRows> {
  const { session, lower, width, kind } = options
  const source = createTokenSource(rows, options.padId)
  const lengths = kind === 'states' ? rows.lengths : new Int32Array(rows.lengths.length).fill(1)
  const offsets =
    kind === 'states' ? rows.offsets : Float64Array.from(rows.offsets, (_, row) => row)
  const values = new Float32Array((offsets.at(-1) ?? 0) * width)
  const start = { kind: 'ids', ids: lower.ids, mask: lower.mask } as const
  for (const batch of planPass(rows.lengths, RUN_ROWS)) {
    options.onRows(batch.length)
    const outputs = await session.run(source.feed(batch, start), [lower.output])
    const { data, dims } = outputs[lower.output] ?? { data: new Float32Array(), dims: [] }
    const stride = (kind === 'states' ? (dims[1] as number) : 1) * width
    for (const [at, row] of batch.entries()) {
      const size = (lengths[row] as number) * width
      const from = at * stride
      const part = (data as Float32Array).subarray(from, from + size)
      values.set(part, (offsets[row] as number) * width)
    }
  }
  return { values, offsets, lengths, width }
}
