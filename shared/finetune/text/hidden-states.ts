import { cancelledEarly, type FineTuneTools } from '../fine-tune-tools.ts'
import { createStateSource, createTokenSource, type RowSource } from '../rows/labelled-rows.ts'
import type { EnterTools } from '../trainable-base.ts'
import type { FineTunePhase } from '../types.ts'
import { type FillOptions, fillStateRows } from './state-cache.ts'
import type { LowerGraph } from './text-trunk.ts'
import type { TokenRows } from './token-rows.ts'

/** Tokens of the rows to learn from and of those to judge by. */
export interface AllTokens {
  readonly train: TokenRows
  readonly validation: TokenRows
}

/** What the frozen part of an encoder of texts is, and what it gives; null where nothing is frozen. */
export interface FrozenText extends Pick<FillOptions, 'kind' | 'width' | 'padId'> {
  readonly lower: LowerGraph | null
}

/**
 * The rows as the training graph takes them: tokens, or what the frozen layers make of them, computed here
 * once.
 * @throws EspalierError `request_cancelled`
 */
export async function enterTextRows(
  { lower, kind, width, padId }: FrozenText,
  tokens: AllTokens,
  tools: EnterTools,
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

/** Tells that a phase without known steps is going on; `done` of `total` where they are known. */
export function reportPhase(
  tools: Pick<FineTuneTools, 'onProgress'>,
  phase: FineTunePhase,
  done = 0,
  total = 0,
): void {
  tools.onProgress({
    phase,
    step: done,
    steps: total,
    epoch: 0,
    loss: null,
    validationAccuracy: null,
    learningRate: 0,
    secondsLeft: null,
  })
}
