import type { Session } from '../../runtime/session.ts'
import { cancelledEarly, reportPhase } from '../progress.ts'
import { planPass } from '../rows/batches.ts'
import type { RowSource } from '../rows/labelled-rows.ts'
import type { PrepareRowsTools } from '../trainable-base.ts'
import type { LowerGraph } from './text-trunk.ts'
import { createTokenSource, maskOf, type TokenRows, widthOf } from './token-rows.ts'

/** Rows of one run: enough to fill two cores. */
const RUN_ROWS = 32

/** Tokens of the training and the validation rows. */
export interface AllTokens {
  readonly train: TokenRows
  readonly validation: TokenRows
}

/** What the frozen part of an encoder of texts is, and what it gives; null where nothing is frozen. */
export interface FrozenText extends Pick<FillOptions, 'kind' | 'width' | 'padId'> {
  readonly lower: LowerGraph | null
}

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

/** Rows of numbers that a frozen part of the encoder computed once. */
export interface StateRows {
  /** One after another: [tokens of all rows, width], or [rows, width] for embeddings. */
  readonly values: Float32Array
  /** First token of each row, shape [rows + 1]. */
  readonly offsets: Float64Array
  readonly lengths: Int32Array
  readonly width: number
}

/**
 * The rows as the training graph takes them: tokens, or what the frozen layers make of them, computed here
 * once.
 * @throws EspalierError `request_cancelled`
 */
export async function prepareHiddenStates(
  { lower, kind, width, padId }: FrozenText,
  tokens: AllTokens,
  tools: PrepareRowsTools,
): Promise<{ readonly train: RowSource; readonly validation: RowSource }> {
  if (lower === null) {
    return {
      train: createTokenSource(tokens.train, padId),
      validation: createTokenSource(tokens.validation, padId),
    }
  }
  const session = await tools.folder.open('lower', lower.graph)
  const options = {
    session,
    lower,
    padId,
    width,
    kind,
    onRows() {
      if (tools.isCancelled()) throw cancelledEarly()
      reportPhase(tools, 'caching')
    },
  }
  const train = createStateSource(await fillStateRows(tokens.train, options))
  const validation = createStateSource(await fillStateRows(tokens.validation, options))
  await session.release()
  return { train, validation }
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

/** Rows that enter at cached states or embeddings. */
export function createStateSource(rows: StateRows): RowSource {
  const { values, offsets, lengths, width } = rows
  return {
    lengths,
    feed(batch, start) {
      if (start.kind === 'ids' || start.kind === 'features') {
        throw new RangeError(`cached states do not enter at ${start.kind}`)
      }
      const tokens = widthOf(lengths, batch)
      const data = new Float32Array(batch.length * tokens * width)
      for (const [at, row] of batch.entries()) {
        const from = (offsets[row] as number) * width
        const part = values.subarray(from, (offsets[row + 1] as number) * width)
        data.set(part, at * tokens * width)
      }
      if (start.kind === 'embeddings') {
        return { [start.embeddings]: { data, dims: [batch.length, width] } }
      }
      return {
        [start.states]: { data, dims: [batch.length, tokens, width] },
        [start.mask]: maskOf(lengths, batch, [batch.length, tokens]),
      }
    },
  }
}
