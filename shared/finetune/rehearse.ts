import { createRandom } from '../lib/maths/random.ts'
import { assignFolds } from '../training/numerics/folds.ts'
import { drawBatches } from './draw-batches.ts'
import { createEncoderLearner, type LearnerParts } from './encoder-learner.ts'
import { selectRows } from './evaluate-rows.ts'
import type { FineTuneTools } from './fine-tune-tools.ts'
import type { FineTuneSettings } from './fine-tune-types.ts'
import { drawHead, startHead } from './initial-head.ts'
import { type AlphaJudging, type AlphaVerdict, judgeAlphas } from './judge-alphas.ts'
import { listParameters } from './parameters.ts'
import type { PreparedTraining } from './prepare-training.ts'
import { groupsOf } from './targets.ts'
import { runTraining } from './training-loop.ts'

/** What a rehearsal is made of. */
export interface RehearsalParts extends Omit<LearnerParts, 'source' | 'rows' | 'evaluate'> {
  readonly prepared: Pick<PreparedTraining, 'options' | 'scorer' | 'train'>
  readonly settings: FineTuneSettings
  readonly judging: Omit<AlphaJudging, 'inputs' | 'onAlpha'>
  readonly tools: FineTuneTools
  /** Milliseconds for each training. */
  readonly budgetMs: number | null
}

/**
 * Cross-validates the training itself: for each part of the rows the encoder is trained anew on the others, and every
 * blend of it judged on that part, which it has not learnt. One list a part; shorter where somebody cancels.
 */
export async function rehearse(parts: RehearsalParts): Promise<AlphaVerdict[][]> {
  const { prepared, settings, tools } = parts
  const { rehearsals, seed } = settings
  const assigned = assignFolds(groupsOf(prepared.train.rows), rehearsals, createRandom(seed))
  const verdicts: AlphaVerdict[][] = []
  for (let fold = 0; fold < rehearsals; fold++) {
    const part = await rehearseFold(parts, assigned, fold)
    if (tools.isCancelled()) break
    if (part !== null) verdicts.push(part)
  }
  return verdicts
}

/** Null where the part has no rows. */
async function rehearseFold(
  parts: RehearsalParts,
  assigned: Int32Array,
  fold: number,
): Promise<AlphaVerdict[] | null> {
  const { prepared, settings, adamw, tools, judging } = parts
  const { options, scorer, train } = prepared
  const { rehearsals, seed } = settings
  const rows = Int32Array.from(assigned, (_, row) => row)
  const judged = rows.filter((row) => assigned[row] === fold)
  if (judged.length === 0) return null
  const learnt = selectRows(
    train,
    rows.filter((row) => assigned[row] !== fold),
  )
  // Prototypes must not know the rows that they are judged on.
  const drawn = { ...options, initialHead: drawHead(options, seed) }
  const started = await startHead(drawn, learnt, scorer, seed)
  adamw.restart(listParameters(started).map(({ initial }) => initial))
  const learner = createEncoderLearner({
    ...parts,
    ...learnt,
    evaluate: () => Promise.resolve(null),
  })
  const batches = drawBatches(learnt, settings)
  await runTraining(
    learner,
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
          steps: rehearsals * steps,
          epoch: step / batches.perEpoch,
        })
      },
    },
  )
  if (tools.isCancelled()) return null
  const tuned = adamw.weights.map((view) => view.slice())
  const asked = { learnt, judged: selectRows(train, judged) }
  return judgeAlphas({ ...judging, inputs: learner.inputs, onAlpha: () => {} }, tuned, asked)
}
