import { outputDimension } from './affine-head.ts'
import { cancelledEarly, type FineTuneTools } from './fine-tune-tools.ts'
import type { FineTunePhase } from './fine-tune-types.ts'
import type { GraphFolder } from './graph-folder.ts'
import type { Base } from './read-base.ts'
import { createStateSource, createTokenSource, type RowSource } from './row-source.ts'
import { fillStateRows } from './state-cache.ts'
import type { TokenRows } from './token-rows.ts'
import type { LowerGraph, TrainingGraphOptions } from './types.ts'

/** Tokens of the rows to learn from and of those to judge by. */
export interface AllTokens {
  readonly train: TokenRows
  readonly validation: TokenRows
}

/**
 * The rows as the training graph takes them: tokens, or what the frozen layers make of them, computed here
 * once.
 * @throws EspalierError `request_cancelled`
 */
export async function enterRows(
  { source, weights }: Pick<Base, 'source' | 'weights'>,
  lower: LowerGraph | null,
  { trainable }: Pick<TrainingGraphOptions, 'trainable'>,
  tokens: AllTokens,
  tools: FineTuneTools & { readonly folder: GraphFolder },
): Promise<{ readonly train: RowSource; readonly validation: RowSource }> {
  const { padId } = source
  if (lower === null) {
    return {
      train: createTokenSource(tokens.train, padId),
      validation: createTokenSource(tokens.validation, padId),
    }
  }
  const isHead = trainable.kind === 'head'
  const session = await tools.folder.open('lower', lower.graph)
  const options = {
    session,
    lower,
    padId,
    width: isHead ? outputDimension(weights) : weights.config.hidden,
    kind: isHead ? 'embeddings' : 'states',
    onRows() {
      if (tools.isCancelled()) throw cancelledEarly()
      reportPhase(tools, 'caching')
    },
  } as const
  const train = createStateSource(await fillStateRows(tokens.train, options))
  const validation = createStateSource(await fillStateRows(tokens.validation, options))
  await session.release()
  return { train, validation }
}

/** Tells that a phase without steps is going on. */
export function reportPhase(tools: FineTuneTools, phase: FineTunePhase): void {
  tools.onProgress({
    phase,
    step: 0,
    steps: 0,
    epoch: 0,
    loss: null,
    validationAccuracy: null,
    learningRate: 0,
    secondsLeft: null,
  })
}
