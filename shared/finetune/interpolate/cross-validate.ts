import { createRandom } from '../../lib/maths/random.ts'
import { assignFolds } from '../../training/numerics/folds.ts'
import type { Scorer } from '../evaluate/evaluate-rows.ts'
import { listParameters } from '../graph/training-graph.ts'
import type { TrainingGraphOptions } from '../graph/types.ts'
import { drawHead, startHead } from '../optimise/output-layer.ts'
import { runTraining } from '../optimise/training-loop.ts'
import { createTrainingSession, type TrainingParts } from '../optimise/training-session.ts'
import { drawBatches } from '../rows/batches.ts'
import { groupsOf, type LabelledRows, selectRows } from '../rows/labelled-rows.ts'
import type { FineTuneSettings, FineTuneTools } from '../types.ts'
import {
  type AlphaEvaluation,
  type AlphaEvaluationParts,
  evaluateAlphas,
} from './evaluate-alphas.ts'

/** What the trainings on folds are made of. */
export interface CrossValidationParts extends Omit<TrainingParts, 'source' | 'rows' | 'evaluate'> {
  readonly prepared: {
    readonly options: TrainingGraphOptions
    readonly scorer: Scorer
    readonly train: LabelledRows
  }
  readonly settings: FineTuneSettings
  readonly evaluation: Omit<AlphaEvaluationParts, 'inputs' | 'onAlpha'>
  readonly tools: FineTuneTools
  /** Milliseconds for each training. */
  readonly budgetMs: number | null
}

/**
 * Cross-validates the training itself: for each fold the encoder is trained anew on the other rows, and every alpha is
 * evaluated on the fold. One list of evaluations a fold; fewer lists after a cancellation.
 */
export async function crossValidate(parts: CrossValidationParts): Promise<AlphaEvaluation[][]> {
  const { prepared, settings, tools } = parts
  const { folds, seed } = settings
  const { rows } = prepared.train
  const assigned = assignFolds(groupsOf(rows), folds, createRandom(seed), rows.together)
  const evaluations: AlphaEvaluation[][] = []
  for (let fold = 0; fold < folds; fold++) {
    const found = await trainFold(parts, assigned, fold)
    if (tools.isCancelled()) break
    if (found !== null) evaluations.push(found)
  }
  return evaluations
}

/** Null where the fold has no rows, and after a cancellation. */
async function trainFold(
  parts: CrossValidationParts,
  assigned: Int32Array,
  fold: number,
): Promise<AlphaEvaluation[] | null> {
  const { prepared, settings, adamw, tools, evaluation } = parts
  const { options, scorer, train } = prepared
  const { folds, seed } = settings
  const rows = Int32Array.from(assigned, (_, row) => row)
  const heldOut = rows.filter((row) => assigned[row] === fold)
  if (heldOut.length === 0) return null
  const learnt = selectRows(
    train,
    rows.filter((row) => assigned[row] !== fold),
  )
  // Prototypes must not know the rows that they are evaluated on.
  const drawn = { ...options, initialHead: drawHead(options, seed) }
  const started = await startHead(drawn, learnt, scorer, seed)
  adamw.restart(listParameters(started).map(({ initial }) => initial))
  const session = createTrainingSession({
    ...parts,
    ...learnt,
    evaluate: () => Promise.resolve(null),
  })
  const batches = drawBatches(learnt, settings)
  await runTraining(
    session,
    {
      ...settings,
      stepsPerEpoch: batches.perEpoch,
      nextBatch: () => batches.next(),
      budgetMs: parts.budgetMs,
    },
    {
      ...tools,
      onProgress(progress) {
        const { step, steps } = progress
        tools.onProgress({
          ...progress,
          phase: 'rehearsing',
          step: fold * steps + step,
          steps: folds * steps,
          epoch: step / batches.perEpoch,
        })
      },
    },
  )
  if (tools.isCancelled()) return null
  const tuned = adamw.weights.map((view) => view.slice())
  const sets = { learnt, heldOut: selectRows(train, heldOut) }
  return evaluateAlphas({ ...evaluation, inputs: session.inputs, onAlpha: () => {} }, tuned, sets)
}
