import { dataError } from '../../dataset/data-error.ts'
import { identityOf, type LabelledExample } from '../../dataset/examples.ts'
import { type DatasetSummary, type LabelledOptions, readLabelled } from '../../dataset/labelled.ts'
import type { DatasetWarning } from '../../dataset/summary.ts'
import type { TimeColumn } from '../../dataset/times.ts'
import type { DataSource } from '../../dataset/types.ts'
import { EspalierError } from '../../lib/errors.ts'
import { quote } from '../../lib/text/text.ts'
import { option, say } from '../../lib/wording.ts'
import type { ReportPeriods } from '../../reports/figure-types.ts'
import { joinGroups, leaveOutKnownGroups } from './groups.ts'
import { holdOut } from './hold-out.ts'

/** Which rows are learnt and which are held out. */
export interface DataRequest {
  readonly data: DataSource
  /** Test rows of their own; otherwise a share of `data` is held out. */
  readonly test?: DataSource | undefined
  /** Share of each class that is held out, 0 to 0.9. */
  readonly testFraction: number
  readonly seed: number
  readonly reading: LabelledOptions
  /** Whether rows that say the same stay on one side of every split. @default keep-together */
  readonly nearDuplicates?: NearDuplicateRule | undefined
}

/** What is done about rows that say the same. */
export type NearDuplicateRule = 'keep-together' | 'ignore'

/** Rows to learn from and rows to evaluate on, with the same labels. */
export interface TrainingData {
  readonly train: readonly LabelledExample[]
  readonly test: readonly LabelledExample[]
  /** Sorted by code unit. */
  readonly classes: readonly string[]
  readonly multiLabel: boolean
  /** @default text */
  readonly modality?: 'text' | 'image' | undefined
  readonly summary: DatasetSummary
  /** The column of times that decides on the test; some labels may be those of test rows alone until it is settled. */
  readonly times?: TimeColumn | undefined
  /** The periods of a settled split by time. */
  readonly periods?: ReportPeriods | undefined
  /** Places of the examples as they were read, where a share of them is held out. */
  readonly order?: ReadonlyMap<LabelledExample, number> | undefined
  /** Summary of the test file where there is one. */
  readonly testSummary: DatasetSummary | null
  /** About both files, in sentences. */
  readonly warnings: readonly DatasetWarning[]
}

const MAX_NAMED = 5

/**
 * Reads and splits labelled data.
 * @throws EspalierError `invalid_data` naming the file, the line and the fix, `invalid_request` for times beside test rows of their own
 */
export async function readTrainingData(request: DataRequest): Promise<TrainingData> {
  const { data, test: testSource, reading } = request
  if (testSource !== undefined && reading.timeColumn !== undefined) {
    const message = say`${option('time-column')} holds the latest rows out, and ${option('test')} names others: leave one out`
    throw new EspalierError('invalid_request', message)
  }
  const dataset = await readLabelled(data, reading)
  const { classes, multiLabel, modality, times } = dataset
  const { examples, warnings: ofGroups } = joinGroups(data, dataset.examples, reading)
  const summary = { ...dataset.summary, warnings: [...dataset.summary.warnings, ...ofGroups] }
  if (testSource === undefined) {
    const split = holdOut(examples, request, { times, source: data.name })
    return {
      train: split.train.map((at) => examples[at]!),
      test: split.test.map((at) => examples[at]!),
      classes,
      multiLabel,
      modality,
      summary,
      ...(times && { times }),
      testSummary: null,
      order: new Map(examples.map((example, at) => [example, at])),
      warnings: summary.warnings,
    }
  }
  const read = await readTestRows(testSource, { classes, multiLabel }, reading)
  const test = { ...read, ...leaveOutKnownGroups(testSource, read.examples, examples) }
  if (test.modality !== modality) {
    const nouns = { text: 'texts', image: 'images' } as const
    const message = `these are ${nouns[test.modality]}, the training data are ${nouns[modality]}`
    throw dataError(testSource.name, null, message)
  }
  const known = new Set(examples.map(identityOf))
  const shared = test.examples.filter((example) => known.has(identityOf(example)))
  const ofTest = test.summary.warnings.map((warning) => ({
    ...warning,
    message: `${testSource.name}: ${warning.message}`,
  }))
  return {
    train: examples,
    test: test.examples,
    classes,
    multiLabel,
    modality,
    summary,
    testSummary: test.summary,
    warnings: [
      ...summary.warnings,
      ...ofTest.filter(({ code }) => code !== 'single_example_classes'),
      ...test.warnings,
      ...(shared.length > 0 ? [sharedWarning(shared, testSource)] : []),
    ],
  }
}

/**
 * Reads rows to evaluate a head on; repeated rows count as often as they occur.
 * @throws EspalierError `invalid_data`, also for labels that the head does not have
 */
export async function readTestRows(
  source: DataSource,
  head: { readonly classes: readonly string[]; readonly multiLabel: boolean },
  reading: LabelledOptions,
) {
  const test = await readLabelled(source, {
    ...reading,
    multiLabel: head.multiLabel,
    // A separator makes the data multi-label, which a head of one label does not ask for.
    ...(head.multiLabel ? {} : { labelSeparator: undefined }),
    duplicates: 'keep',
    allowOneClass: true,
  })
  const known = new Set(head.classes)
  const unknown = test.classes.filter((label) => !known.has(label))
  if (unknown.length === 0) return test
  const named = unknown.slice(0, MAX_NAMED).map((label) => quote(label, 40))
  const more = unknown.length > MAX_NAMED ? `, … (${unknown.length} labels)` : ''
  throw dataError(
    source.name,
    null,
    `${named.join(', ')}${more}: no such ${unknown.length === 1 ? 'label' : 'labels'} in the training data; ` +
      'correct these rows or leave them out',
  )
}

function sharedWarning(shared: readonly LabelledExample[], test: DataSource): DatasetWarning {
  const noun = shared[0]?.image ? 'image' : 'text'
  const rows = shared.length === 1 ? `${noun} also occurs` : `${noun}s also occur`
  return {
    code: 'duplicates',
    count: shared.length,
    message: `${shared.length} ${rows} in the training data: ${test.name} makes the head look better than it is`,
    examples: [],
  }
}
