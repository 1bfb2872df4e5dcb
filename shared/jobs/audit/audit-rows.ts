import { dataError } from '../../dataset/data-error.ts'
import type { LabelledExample } from '../../dataset/examples.ts'
import { type DatasetSummary, type LabelledOptions, readLabelled } from '../../dataset/labelled.ts'
import type { DataSource } from '../../dataset/types.ts'
import type { TextReading } from '../../head/head.ts'
import type { Progress } from '../../lib/logger.ts'
import type { SetAudit } from '../../training/audit/audit-set.ts'
import { placeOfExample } from '../heads/label-noise.ts'
import { addUnreadable, inputOf, leaveOut } from '../heads/leave-out-unreadable.ts'
import type { OpenKernels } from '../heads/tools.ts'
import { toTrainingSet } from '../heads/vectors.ts'
import { type EmbedJobDeps, embedForJob } from '../rows/embed-for-job.ts'

export interface AuditDeps extends EmbedJobDeps {
  readonly openKernels: OpenKernels
}

export interface AuditRequest {
  readonly data: DataSource
  readonly reading: LabelledOptions
  readonly textReading?: TextReading | undefined
  readonly folds: number
  readonly seed: number
  readonly onProgress?: Progress | undefined
  readonly signal?: AbortSignal | undefined
}

/** What may be wrong with a row, in the order in which rows are listed. */
export const AUDIT_KINDS = ['label', 'conflict', 'copy', 'outlier'] as const
export type AuditKind = (typeof AUDIT_KINDS)[number]

/** A row with what may be wrong with it. */
export interface AuditedRow {
  /** `line 12`; of an image its path. */
  readonly place: string
  /** Absent for images. */
  readonly line?: number | undefined
  readonly kind: AuditKind
  /** Several labels are joined, but where a single one is in doubt that one stands alone; null where it is missing. */
  readonly label: string | null
  /**
   * The likelier label, the missing one, of a conflict that of the other row; null where there is none to suggest: with
   * several labels a row, one of them is then one too many.
   */
  readonly suggestion: string | null
  /** Probability that the label is wrong; of conflicts, copies and outliers a cosine. */
  readonly score: number
  /** Places of the nearest rows; of conflicts and copies the other row comes first. */
  readonly nearest: readonly string[]
  readonly text: string
}

export interface AuditResult {
  readonly dataset: DatasetSummary
  /** Rows with a label, repeated ones as often as they occur. */
  readonly rows: number
  /**
   * Estimated share of wrong labels, with several labels a row of wrong decisions on a row and a label; 0 where no share
   * clearly explains the rows better than none.
   */
  readonly noise: number
  /** Rows whose label cross-validation could judge. */
  readonly judged: number
  /** Share of them with the label, or the whole set of labels, that cross-validation gave. */
  readonly agreement: number
  readonly found: readonly AuditedRow[]
  /** Pairs of labels that cross-validation cannot tell apart. */
  readonly inseparable: readonly {
    readonly labels: readonly [string, string]
    readonly rows: number
    readonly right: number
  }[]
  readonly smallest: { readonly label: string; readonly count: number }
  readonly largest: { readonly label: string; readonly count: number }
  /** Labels with fewer than eight rows. */
  readonly rare: readonly { readonly label: string; readonly count: number }[]
}

const FEW_ROWS = 8

/**
 * Reads, embeds and audits labelled rows; rows that repeat each other are kept, as they are findings too.
 * @throws EspalierError `invalid_data` for data that training refuses
 */
export async function auditRows(deps: AuditDeps, request: AuditRequest): Promise<AuditResult> {
  const { data, reading, textReading, folds, seed, onProgress, signal } = request
  const read = await readLabelled(data, { ...reading, duplicates: 'keep' })
  const inputs = read.examples.map(inputOf)
  const embedded = await embedForJob(deps, inputs, { reading: textReading, onProgress, signal })
  const { encoder, unreadable } = embedded
  const { examples, embeddings } = leaveOut({ ...read, ...embedded }, unreadable)
  const left = new Set(examples.flatMap((each) => each.labels))
  const labels = read.classes.filter((label) => left.has(label))
  if (labels.length < 2) throw dataError(data.name, null, 'fewer than two labels can be read')
  const { multiLabel } = read
  const set = toTrainingSet(examples, embeddings, encoder.dimension, { labels, multiLabel })
  const { auditSet } = await import('../../training/audit/audit-set.ts')
  const kernels = await deps.openKernels()
  try {
    const texts = read.modality === 'image' ? null : examples.map(({ text }) => text)
    const tools = { kernels, onProgress, signal }
    const audit = await auditSet({ ...set, texts }, { folds, seed }, tools)
    const counts = countLabels(examples, labels)
    const warnings = addUnreadable(
      [...read.summary.warnings, ...embedded.warnings],
      read.examples,
      unreadable,
    )
    return {
      dataset: { ...read.summary, warnings },
      rows: examples.length,
      ...{ noise: audit.noise, judged: audit.judged, agreement: audit.agreement },
      found: listFound(audit, examples, labels, reading.labelSeparator),
      inseparable: audit.inseparable.map(({ first, second, rows, right }) => ({
        labels: [labels[first]!, labels[second]!] as const,
        ...{ rows, right },
      })),
      smallest: counts[0]!,
      largest: counts.at(-1)!,
      rare: counts.filter(({ count }) => count < FEW_ROWS),
    }
  } finally {
    await kernels.close()
  }
}

/** Labels with their rows, the rarest first. */
function countLabels(examples: readonly LabelledExample[], labels: readonly string[]) {
  const counts = new Map(labels.map((label) => [label, 0]))
  for (const label of examples.flatMap((each) => each.labels)) {
    counts.set(label, counts.get(label)! + 1)
  }
  return [...counts].map(([label, count]) => ({ label, count })).sort((a, b) => a.count - b.count)
}

function listFound(
  audit: SetAudit,
  examples: readonly LabelledExample[],
  labels: readonly string[],
  separator = ';',
): AuditedRow[] {
  const { nearest } = audit
  const labelOf = (row: number) => examples[row]!.labels.join(separator)
  const nameOf = (label: number | null) => (label === null ? null : labels[label]!)
  const near = (row: number): number[] => [
    ...nearest.indices.subarray(row * nearest.k, (row + 1) * nearest.k),
  ]
  const describe = (
    kind: AuditKind,
    row: number,
    score: number,
    suggestion: string | null,
    others: readonly number[],
    label: string | null = labelOf(row),
  ): AuditedRow => {
    const example = examples[row]!
    return {
      place: placeOfExample(example),
      line: example.image ? undefined : example.line,
      ...{ kind, label, suggestion, score },
      nearest: [...new Set(others)].map((other) => placeOfExample(examples[other]!)),
      text: example.text,
    }
  }
  return [
    ...audit.doubted.map(({ row, given, likelier, score }) =>
      describe('label', row, score, nameOf(likelier), near(row), nameOf(given)),
    ),
    ...audit.conflicts.map(({ row, other, similarity }) =>
      describe('conflict', row, similarity, labelOf(other), [other, ...near(row)]),
    ),
    ...audit.copies.map(({ row, other, similarity }) =>
      describe('copy', row, similarity, null, [other, ...near(row)]),
    ),
    ...audit.outliers.map(({ row, similarity }) =>
      describe('outlier', row, similarity, null, near(row)),
    ),
  ]
}
