import type { Evaluation } from '../optimise/early-stopping.ts'
import type { PreparedTraining } from '../run/prepare-training.ts'
import type { FineTuneSettings } from '../types.ts'
import { evaluateNeighbours } from './evaluate-neighbours.ts'
import { evaluateScores, sampleJudged, type WeightInputs } from './evaluate-rows.ts'

/** Judges weights on the validation rows. */
export interface Judge {
  evaluate(weights: WeightInputs): Promise<Evaluation | null>
}

/** By the output layer where there is one, by neighbours for the contrastive loss. */
export function createJudge(
  prepared: Pick<PreparedTraining, 'scorer' | 'train' | 'validation'>,
  { loss, seed }: Pick<FineTuneSettings, 'loss' | 'seed'>,
): Judge {
  const { scorer, train, validation } = prepared
  if (loss.kind !== 'contrastive') {
    const several = loss.kind === 'binary-cross-entropy'
    return { evaluate: (weights) => evaluateScores(scorer, weights, validation, several) }
  }
  const known = sampleJudged(train, seed)
  const judged = sampleJudged(validation, seed)
  return { evaluate: (weights) => evaluateNeighbours(scorer, weights, known, judged) }
}
