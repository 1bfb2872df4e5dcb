import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { createBoot } from '../../functions/boot/boot.ts'
import type { Boot } from '../../functions/boot/types.ts'
import { listBuiltins } from '../../shared/encoders/encoder-artifacts.ts'
import { defaultSettings } from '../../shared/finetune/default-settings.ts'
import { fineTune } from '../../shared/finetune/fine-tune.ts'
import type { FineTuneResult, FineTuneSettings } from '../../shared/finetune/types.ts'
import { embedForJob } from '../../shared/jobs/rows/embed-for-job.ts'
import type { Precision } from '../../shared/lib/manifests/encoder-manifest.ts'
import type { MatrixKernels } from '../../shared/lib/maths/matrix-kernels.ts'
import { evaluateHead } from '../../shared/training/evaluation/evaluate.ts'
import { trainHead } from '../../shared/training/train-head.ts'
import type { TrainingSet } from '../../shared/training/types.ts'
import type { LabelledText } from '../quality/sets.ts'

/** What the study trains with: the product's own parts around the built-in encoder. */
export interface StudyParts {
  readonly boot: Boot
  readonly kernels: MatrixKernels
  /** Folder of the built-in encoder's weights. */
  readonly baseFolder: string
  readonly scratch: string
  readonly log: (line: string) => void
}

/** One training of the study. */
export interface StudyRun {
  readonly train: readonly LabelledText[]
  readonly test: readonly LabelledText[]
  readonly labels: readonly string[]
  readonly initialisation: 'pretrained' | 'random'
  readonly epochs?: number | undefined
  readonly changes?: Partial<FineTuneSettings> | undefined
  readonly seed: number
}

/** Points of a curve, beside the one before the first step. */
const EVALUATIONS = 12

/** Builds the parts; `use` has them until it ends. */
export async function withStudyParts(
  scratch: string,
  log: (line: string) => void,
  use: (parts: StudyParts) => Promise<void>,
): Promise<void> {
  const boot = createBoot({ root: new URL('../../', import.meta.url), version: 'study' })
  const { builtinFolder } = boot.fineTuning
  const [builtin] = await listBuiltins({ builtinFolder })
  if (builtin === undefined) throw new Error('there is no built-in encoder')
  const kernels = await boot.openKernels()
  try {
    await use({ boot, kernels, baseFolder: join(builtinFolder, builtin.folder), scratch, log })
  } finally {
    await kernels.close()
  }
}

/**
 * Trains all layers and judges on the test rows at every evaluation. Nothing is chosen on them: no early end, and
 * the result is that of the last step.
 */
export async function trainStudyRun(parts: StudyParts, run: StudyRun): Promise<FineTuneResult> {
  const { train, test, labels, initialisation, seed } = run
  const defaults = defaultSettings({
    trainable: { kind: 'all' },
    loss: { kind: 'cross-entropy', smoothing: 0 },
    rows: train.length,
  })
  const epochs = run.epochs ?? defaults.epochs
  return fineTune(
    { workerUrl: parts.boot.fineTuning.workerUrl },
    {
      baseFolder: parts.baseFolder,
      outputFolder: join(parts.scratch, randomUUID()),
      train: toTexts(train, labels),
      validation: toTexts(test, labels),
      initialisation,
      settings: {
        ...defaults,
        epochs,
        evaluationsPerEpoch: EVALUATIONS / epochs,
        patience: null,
        seed,
        threads: parts.boot.fineTuning.threads,
        ...run.changes,
      },
    },
  )
}

/** Accuracy of a head on the frozen encoder's vectors, as "espalier train" fits it. */
export async function judgeFrozen(
  { boot, kernels }: StudyParts,
  {
    train,
    test,
    labels,
    seed,
    precision = 'float32',
  }: Omit<StudyRun, 'initialisation'> & { readonly precision?: Precision },
): Promise<number> {
  const job = {
    openEncoder: () => boot.openEncoder({ precision }),
    embeddingFolder: join(boot.cacheFolder, 'embeddings'),
    log: boot.log,
  }
  const embed = async (rows: readonly LabelledText[]): Promise<TrainingSet> => {
    const texts = rows.map(({ text }) => text)
    const { embeddings, encoder } = await embedForJob(job, texts, { check: () => {} })
    const targets = Int32Array.from(rows, ({ label }) => labels.indexOf(label))
    return { embeddings, dimension: encoder.dimension, labels, targets, labelSets: null }
  }
  const set = await embed(train)
  const { head } = await trainHead(set, { family: 'study', method: 'auto', seed }, { kernels })
  return (await evaluateHead(head, await embed(test), kernels)).accuracy
}

function toTexts(rows: readonly LabelledText[], labels: readonly string[]) {
  const targets = new Float32Array(rows.length * labels.length)
  for (const [row, { label }] of rows.entries()) {
    targets[row * labels.length + labels.indexOf(label)] = 1
  }
  return { texts: rows.map(({ text }) => text), targets, classes: labels.length }
}
