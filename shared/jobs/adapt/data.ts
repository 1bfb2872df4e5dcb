import { dataError } from '../../dataset/data-error.ts'
import type { LabelledExample } from '../../dataset/examples.ts'
import { type LabelledOptions, readLabelled } from '../../dataset/labelled.ts'
import type { DatasetWarning } from '../../dataset/summary.ts'
import { readTargetRows, type TargetRows } from '../../dataset/target-rows.ts'
import type { DataSource } from '../../dataset/types.ts'
import { quote } from '../../lib/text/text.ts'
import type { TrainingData } from '../heads/data.ts'

/** Two domains of texts, or of images. */
export interface DomainsRequest {
  /** Labelled rows. */
  readonly source: DataSource
  /** Rows of the other domain. */
  readonly target: DataSource
  /** Column of the target's labels, for the evaluation alone; a row may have none. */
  readonly targetLabels?: string | undefined
  readonly reading: LabelledOptions
}

/** Both domains: the source as rows to train on, the target's labelled rows as test rows. */
export interface Domains extends TrainingData {
  readonly target: TargetRows
  /** Shape [target rows]: index of the label, -1 where it is not known. */
  readonly truth: Int32Array
}

/**
 * Reads both domains.
 * @throws EspalierError `invalid_data` naming file, line and fix, also for a label that the source does not have
 */
export async function readDomains(request: DomainsRequest): Promise<Domains> {
  const { source, target: targetSource, targetLabels: labelColumn, reading } = request
  const { examples, classes, multiLabel, modality, summary } = await readLabelled(source, reading)
  if (multiLabel) {
    throw dataError(source.name, null, 'rows have several labels; adapting takes one a row')
  }
  const target = await readTargetRows(targetSource, { ...reading, labelColumn })
  if ((target.images !== null) !== (modality === 'image')) {
    const fix = 'both must be texts, or both images'
    throw dataError(targetSource.name, null, `${source.name} and ${targetSource.name}: ${fix}`)
  }
  const indexOf = new Map(classes.map((label, index) => [label, index]))
  const truth = Int32Array.from(target.labels, (label) => {
    const index = label === null ? -1 : indexOf.get(label)
    if (index !== undefined) return index
    const known = `${source.name} has no label ${quote(label ?? '', 40)}`
    throw dataError(targetSource.name, null, `${known}; correct such rows or empty their cell`)
  })
  const test = target.texts.flatMap((text, row): LabelledExample[] => {
    const label = target.labels[row]
    const image = target.images?.[row]
    return label == null ? [] : [{ text, labels: [label], ...(image && { image }) }]
  })
  const warnings = [...summary.warnings, ...warnOf(targetSource, target)]
  const ofTarget = { ...summary, source: targetSource.name, sha256: target.sha256 }
  return {
    train: examples,
    test,
    classes,
    multiLabel,
    modality,
    summary,
    testSummary: test.length > 0 ? ofTarget : null,
    warnings,
    target,
    truth,
  }
}

function warnOf(source: DataSource, { empty }: TargetRows): DatasetWarning[] {
  if (empty === 0) return []
  const message = `${source.name}: ${empty} rows without a text are left out`
  return [{ code: 'empty_texts', count: empty, message, examples: [] }]
}
