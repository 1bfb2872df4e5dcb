import type { DatasetSummary, LabelledOptions } from '../dataset/labelled.ts'
import type { DataSource } from '../dataset/types.ts'
import type { Progress } from '../lib/logger.ts'
import type { MatrixKernels } from '../lib/matrix-kernels.ts'
import type { RegistryReader, RegistryVersion } from '../registry/types.ts'
import type { ReportTest } from '../training/report/types.ts'
import { type EmbedJobDeps, embedForJob } from './embed-for-job.ts'
import { checkFamily, checkReadsUnit, readHead } from './head-version.ts'
import { readTestRows } from './train-head-data.ts'
import { judgeHead } from './train-head-evaluation.ts'
import { loadTraining } from './train-head-tools.ts'

export interface EvaluateHeadDeps extends EmbedJobDeps {
  readonly openKernels: () => Promise<MatrixKernels & { close(): Promise<void> }>
  readonly registry: RegistryReader
}

export interface EvaluateHeadRequest {
  /** `intent`, `intent@challenger` or `intent@v7`. */
  readonly model: string
  readonly data: DataSource
  readonly reading: LabelledOptions
  /** Wrong texts to quote of each confusion. */
  readonly quotes: number
  readonly seed: number
  readonly onProgress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

export interface EvaluateHeadResult {
  readonly version: RegistryVersion
  readonly dataset: DatasetSummary
  readonly test: ReportTest
  readonly labels: readonly string[]
  readonly multiLabel: boolean
  /** Share of the rows that the head takes for its own kind; null without a detector. */
  readonly inDistribution: number | null
}

/**
 * Judges a version on labelled rows.
 * @throws EspalierError `model_not_found`, `version_not_found`, `wrong_model_kind`, `family_mismatch`, `invalid_data`
 */
export async function evaluateHead(
  deps: EvaluateHeadDeps,
  request: EvaluateHeadRequest,
): Promise<EvaluateHeadResult> {
  const { model, data, reading, quotes, seed, onProgress, signal } = request
  const loaded = await readHead(deps.registry, model, signal)
  checkReadsUnit(loaded)
  const { version, head } = loaded
  const multiLabel = head.activation === 'sigmoid'
  const rows = await readTestRows(data, { classes: head.labels, multiLabel }, reading)
  const texts = rows.examples.map(({ text }) => text)
  const { embeddings } = await embedForJob(deps, texts, {
    check: (encoder) => checkFamily(version, head.family, encoder, version.lineage?.encoder),
    onProgress,
    signal,
  })
  const kernels = await deps.openKernels()
  try {
    const tools = await loadTraining()
    const judging = { tools, kernels, seed, quotes }
    const { test, inDistribution } = await judgeHead(head, rows.examples, embeddings, judging)
    const { labels } = head
    return { version, dataset: rows.summary, test, labels, multiLabel, inDistribution }
  } finally {
    await kernels.close()
  }
}
