import { dataError } from '../../dataset/data-error.ts'
import type { DatasetSummary, LabelledOptions } from '../../dataset/labelled.ts'
import type { DataSource } from '../../dataset/types.ts'
import type { ChooseReading } from '../../head/head.ts'
import type { Progress } from '../../lib/logger.ts'
import type { RegistryReader, RegistryVersion } from '../../registry/types.ts'
import type { ReportTest } from '../../reports/types.ts'
import { checkFamily, checkReadsUnit, readHead } from '../../versions/head-version.ts'
import { readTestRows } from '../heads/data.ts'
import { evaluateOnRows } from '../heads/evaluation.ts'
import { addUnreadable, inputOf, leaveOut } from '../heads/leave-out-unreadable.ts'
import { loadTraining, type OpenKernels } from '../heads/tools.ts'
import { type EmbedJobDeps, embedForJob } from '../rows/embed-for-job.ts'

export interface EvaluateHeadDeps extends EmbedJobDeps {
  readonly openKernels: OpenKernels
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
  /** How long texts are read, by how the head was trained. @default the same */
  readonly chooseReading?: ChooseReading | undefined
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
 * Evaluates a version on labelled rows.
 * @throws EspalierError `model_not_found`, `version_not_found`, `wrong_model_kind`, `family_mismatch`, `invalid_data`
 */
export async function evaluateHead(
  deps: EvaluateHeadDeps,
  request: EvaluateHeadRequest,
): Promise<EvaluateHeadResult> {
  const { model, data, reading, quotes, seed, onProgress, signal } = request
  const { chooseReading = (own) => own } = request
  const loaded = await readHead(deps.registry, model, signal)
  checkReadsUnit(loaded)
  const { version, head } = loaded
  const multiLabel = head.activation === 'sigmoid'
  const rows = await readTestRows(data, { classes: head.labels, multiLabel }, reading)
  const inputs = rows.examples.map(inputOf)
  const embedded = await embedForJob(deps, inputs, {
    check: (encoder) => checkFamily(version, head.family, encoder, version.lineage?.encoder),
    reading: chooseReading(head.reading),
    onProgress,
    signal,
  })
  const kernels = await deps.openKernels()
  try {
    const tools = await loadTraining()
    const options = { tools, kernels, seed, quotes }
    const { unreadable } = embedded
    const { examples, embeddings } = leaveOut({ ...rows, ...embedded }, unreadable)
    if (examples.length === 0) throw dataError(data.name, null, 'no image can be read')
    const { test, inDistribution } = await evaluateOnRows(head, examples, embeddings, options)
    const { labels } = head
    const read = [...rows.summary.warnings, ...embedded.warnings]
    const warnings = addUnreadable(read, rows.examples, unreadable)
    const dataset = { ...rows.summary, warnings }
    return { version, dataset, test, labels, multiLabel, inDistribution }
  } finally {
    await kernels.close()
  }
}
