import { createRandom } from '../lib/random.ts'
import { sampleRows } from '../training/folds.ts'
import type { Evaluation } from './best-weights.ts'
import { evaluateNeighbours } from './evaluate-neighbours.ts'
import { evaluateScores, type JudgedRows, type Scorer, selectRows, type WeightInputs } from './evaluate-rows.ts'
import type { FineTuneSettings } from './fine-tune-types.ts'
import type { MemoryBook } from './memory-book.ts'
import type { PreparedTraining } from './prepare-training.ts'
import { groupsOf } from './targets.ts'

/** Rows that embeddings without a head are compared with and judged on: pairs grow with the square. */
const MAX_NEIGHBOUR_ROWS = 1000

/** Judges weights on the validation rows. */
export interface Judge {
  readonly scorer: Scorer
  evaluate(weights: WeightInputs): Promise<Evaluation | null>
}

/** By the output layer where there is one, by neighbours for the contrastive loss. */
export function createJudge(
  prepared: Pick<PreparedTraining, 'scoring' | 'scoringSession' | 'train' | 'validation'>,
  { loss, seed }: Pick<FineTuneSettings, 'loss' | 'seed'>,
  book: MemoryBook,
): Judge {
  const { scoring, scoringSession: session, train, validation } = prepared
  const scorer: Scorer = { scoring, session, afterRun: () => book.note() }
  if (loss.kind !== 'contrastive') {
    const several = loss.kind === 'binary-cross-entropy'
    return { scorer, evaluate: (weights) => evaluateScores(scorer, weights, validation, several) }
  }
  const known = sample(train, seed)
  const judged = sample(validation, seed)
  return { scorer, evaluate: (weights) => evaluateNeighbours(scorer, weights, known, judged) }
}

/** At most so many rows, every label among them. */
export function sample(judged: JudgedRows, seed: number): JudgedRows {
  const rows = sampleRows(groupsOf(judged.rows), MAX_NEIGHBOUR_ROWS, createRandom(seed))
  return rows.length === judged.rows.texts.length ? judged : selectRows(judged, rows)
}
