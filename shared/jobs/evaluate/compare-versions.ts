import { dataError } from '../../dataset/data-error.ts'
import type { RowsToCompare } from '../../dataset/rows-to-compare.ts'
import type { DatasetWarning } from '../../dataset/summary.ts'
import { type ChooseReading, isSameReading, type TextReading } from '../../head/head.ts'
import type { Prediction } from '../../head/predict.ts'
import type { Progress } from '../../lib/logger.ts'
import type { RegistryReader } from '../../registry/types.ts'
import {
  checkFamily,
  checkReadsUnit,
  type LoadedHead,
  readHead,
} from '../../versions/head-version.ts'
import { addUnreadable, inputOf, leaveOut } from '../heads/leave-out-unreadable.ts'
import { loadTraining, type OpenKernels, type TrainingTools } from '../heads/tools.ts'
import { createHeadRunner } from '../rows/apply-head.ts'
import { type EmbedJobDeps, embedForJob } from '../rows/embed-for-job.ts'
import { type Agreement, measureAgreement } from './compare-agreement.ts'

/** What comparing works with. */
export interface CompareVersionsDeps extends EmbedJobDeps {
  readonly openKernels: OpenKernels
  readonly registry: RegistryReader
}

/** Two versions, `name@v7` or `name@alias` each, and the rows to put to both. */
export interface CompareVersionsRequest {
  readonly before: string
  readonly after: string
  readonly data: RowsToCompare
  /** What the data are called in messages. */
  readonly source: string
  /** Disagreements to list. */
  readonly top: number
  readonly seed: number
  /** How each reads long texts, by how it was trained. @default the same */
  readonly chooseReading?: ChooseReading | undefined
  readonly onProgress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/** A number with a 95 % interval. */
export interface Estimate {
  readonly value: number
  readonly low: number
  readonly high: number
  /** How the interval was made. */
  readonly method: string
}

/** What one version makes of the rows. */
export interface ComparedVersion {
  readonly head: LoadedHead
  /** Share of the rows that it takes for its own kind; null without a detector. */
  readonly inDistribution: number | null
  /** On the rows with labels; null without any. */
  readonly quality: { readonly accuracy: Estimate; readonly macroF1: Estimate } | null
}

/** Both versions on the same rows. */
export interface CompareVersionsResult extends Agreement {
  readonly rows: number
  readonly labelledRows: number
  readonly before: ComparedVersion
  readonly after: ComparedVersion
  /** Accuracy of the second less that of the first; null without labels. */
  readonly difference: ReturnType<TrainingTools['compareHeads']> | null
  readonly modality: RowsToCompare['modality']
  readonly warnings: readonly DatasetWarning[]
}

/**
 * Puts the same rows to two versions.
 * @throws EspalierError `model_not_found`, `version_not_found`, `wrong_model_kind`, `family_mismatch`, `invalid_data`
 */
export async function compareVersions(
  deps: CompareVersionsDeps,
  request: CompareVersionsRequest,
): Promise<CompareVersionsResult> {
  const { data, source, seed, top, onProgress, signal } = request
  const { chooseReading = (own) => own } = request
  const heads = [
    await readHead(deps.registry, request.before, signal),
    await readHead(deps.registry, request.after, signal),
  ] as const
  for (const head of heads) checkReadsUnit(head)
  const embed = (reading: TextReading | undefined) =>
    embedForJob(deps, data.rows.map(inputOf), {
      check(encoder) {
        for (const { version, head } of heads) {
          checkFamily(version, head.family, encoder, version.lineage?.encoder)
        }
      },
      reading,
      onProgress,
      signal,
    })
  const [old, now] = heads.map(({ head }) => chooseReading(head.reading))
  const embedded = await embed(old)
  const { unreadable } = embedded
  const left = ({ embeddings }: Pick<typeof embedded, 'embeddings'>) =>
    leaveOut({ examples: data.rows, embeddings }, unreadable)
  const { embeddings, examples: rows } = left(embedded)
  // Each is put to the rows as its own texts are read.
  const later = isSameReading(old, now) ? embeddings : left(await embed(now)).embeddings
  if (rows.length === 0) throw dataError(source, null, 'no image can be read')
  const kernels = await deps.openKernels()
  const predictAll = ({ head }: LoadedHead, vectors: Float32Array) =>
    createHeadRunner(head, kernels).run(vectors, head.activation === 'softmax' ? { topK: 1 } : {})
  try {
    const [before, after] = [
      await predictAll(heads[0], embeddings),
      await predictAll(heads[1], later),
    ]
    const { compareHeads, scoreAnswers } = await loadTraining()
    const labelled = [...rows.keys()].filter((row) => rows[row]!.labels !== null)
    const truth = labelled.map((row) => rows[row]!.labels!)
    const evaluate = (head: LoadedHead, all: readonly Prediction[]) => {
      const said = labelled.map((row) => answerOf(all[row]!))
      const score = labelled.length > 0 ? scoreAnswers(said, truth, { seed }) : null
      const version = { head, inDistribution: shareInside(all), quality: score?.quality ?? null }
      return { version, right: score?.right ?? new Uint8Array() }
    }
    const [first, second] = [evaluate(heads[0], before), evaluate(heads[1], after)]
    return {
      ...measureAgreement(rows, before, after, top),
      rows: rows.length,
      labelledRows: labelled.length,
      before: first.version,
      after: second.version,
      difference: labelled.length > 0 ? compareHeads(second.right, first.right) : null,
      modality: data.modality,
      warnings: addUnreadable([...data.warnings, ...embedded.warnings], data.rows, unreadable),
    }
  } finally {
    await kernels.close()
  }
}

function answerOf({ labels }: Prediction): string[] {
  return labels.map(({ label }) => label)
}

function shareInside(predictions: readonly Prediction[]): number | null {
  if (predictions[0]?.inDistribution == null) return null
  return predictions.filter((each) => each.inDistribution).length / predictions.length
}
