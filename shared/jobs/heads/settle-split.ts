import { dataError } from '../../dataset/data-error.ts'
import type { LabelledExample } from '../../dataset/examples.ts'
import type { DatasetWarning } from '../../dataset/summary.ts'
import { formatTime } from '../../dataset/times.ts'
import { quote } from '../../lib/text/text.ts'
import type { ReportPeriods } from '../../reports/figure-types.ts'
import { timesOfUnits } from '../rows/split-by-time.ts'
import { takeRows } from '../rows/take-rows.ts'
import type { TrainingData } from './data.ts'
import { learntLabels } from './hold-out.ts'
import { comparedRows, keepTogether, type SplitRequest } from './keep-together.ts'
import type { Compute } from './tools.ts'
import type { EmbeddedData } from './vectors.ts'

/** Off by this share of what was asked for, the size of the test is told. */
const UNEVEN = 0.5
/** Labels that a warning names. */
const NAMED = 5

/**
 * Splits anew once vectors show which rows say the same. Of a split by time it leaves out the test rows of labels that
 * only they have, and counts near-duplicates across the cut.
 * @throws EspalierError `invalid_data` where nothing is left to learn from or to test on
 */
export async function settleSplit<Data extends TrainingData, Embedded extends EmbeddedData<Data>>(
  embedded: Embedded,
  request: SplitRequest,
  compute: Compute,
): Promise<Embedded> {
  const set = await keepTogether<Data, Embedded>(embedded, request, compute)
  const { data, vectors, cut: cuts } = set
  const { times, train, test } = data
  if (times === undefined || test.length === 0) return set
  const classes = checkLearnt(data)
  const known = new Set(classes)
  const kept = [...test.keys()].filter((row) => test[row]!.labels.every((each) => known.has(each)))
  const { dimension } = vectors.encoder
  const tested = kept.map((row) => test[row]!)
  const periods = describePeriods(data, tested)
  const warnings = [
    ...data.warnings,
    ...describeLate(data, known),
    ...tellPeriods(data, periods, request.testFraction),
  ]
  const isWhole = cuts.length === train.length + test.length
  const ofTest = kept.map((row) => train.length + row)
  const left: Embedded = {
    ...set,
    data: { ...data, classes, test: tested, warnings, periods },
    vectors: { ...vectors, test: takeRows(vectors.test, kept, dimension) },
    cut: isWhole ? Uint8Array.from([...train.keys(), ...ofTest], (at) => cuts[at]!) : cuts,
  }
  if (request.nearDuplicates === 'ignore') return left
  const { tools, kernels } = compute
  const asked = comparedRows(data, tested, left.vectors.test)
  const learnt = comparedRows(data, train, vectors.train)
  return { ...left, copies: await tools.findCopies(asked, learnt, kernels) }
}

/** @throws EspalierError `invalid_data` where the earlier rows have one label, or the later ones none of theirs */
function checkLearnt(data: TrainingData): readonly string[] {
  const { summary, test, multiLabel } = data
  const classes = learntLabels(data)
  const source = summary.source
  if (classes.length < 2 && !multiLabel) {
    const only = quote(classes[0] ?? '', 40)
    const why = `all rows before the cut have the label ${only}; two classes are needed`
    throw dataError(source, null, why)
  }
  if (classes.length === 0) throw dataError(source, null, 'no row before the cut has a label')
  const known = new Set(classes)
  if (test.some(({ labels }) => labels.every((each) => known.has(each)))) return classes
  const why = 'every row from the cut on has a label that no earlier row has: nothing can be tested'
  throw dataError(source, null, why)
}

function describeLate({ test }: TrainingData, known: ReadonlySet<string>): DatasetWarning[] {
  const late = test.map(({ labels }) => labels.filter((label) => !known.has(label)))
  const count = late.filter((labels) => labels.length > 0).length
  if (count === 0) return []
  const labels = [...new Set(late.flat())].sort()
  const examples = labels.slice(0, NAMED).map((label) => quote(label, 40))
  const named = examples.join(', ') + (labels.length > NAMED ? ', …' : '')
  const rows = count === 1 ? 'row is' : 'rows are'
  const message = `${count} ${rows} left out of the test: no row before the cut has their labels (${named})`
  return [{ code: 'labels_of_late_rows', count, message, examples }]
}

function describePeriods(
  { train, test, times }: TrainingData,
  tested: readonly LabelledExample[],
): ReportPeriods {
  const { kind, name: column } = times!
  const show = (value: number) => formatTime(value, kind)
  const cut = least(timesOfUnits(test))
  const earlier = tested.filter(({ time }) => time! < cut).length
  return {
    ...{ column, kind, cut: show(cut) },
    train: periodOf(train),
    test: periodOf(tested),
    testRowsBeforeCut: earlier,
  }

  function periodOf(rows: readonly LabelledExample[]) {
    const of = rows.map(({ time }) => time!)
    return { from: show(least(of)), to: show(-least(of.map((time) => -time))) }
  }
}

function tellPeriods(
  { train, test }: TrainingData,
  { testRowsBeforeCut: earlier, cut }: ReportPeriods,
  share: number,
): DatasetWarning[] {
  const warnings: DatasetWarning[] = []
  if (earlier > 0) {
    const are = earlier === 1 ? 'test row is' : 'test rows are'
    const message = `${earlier} ${are} earlier than the cut, ${cut}: they stay together with later rows`
    warnings.push({ code: 'rows_before_cut', count: earlier, message, examples: [] })
  }
  const owed = (train.length + test.length) * share
  if (Math.abs(test.length - owed) > Math.max(1, UNEVEN * owed)) {
    const message =
      `${test.length} rows are held out where ${Math.round(owed)} were asked for: rows of one time, and what stays ` +
      'together, are on one side'
    warnings.push({ code: 'uneven_cut', count: test.length, message, examples: [] })
  }
  return warnings
}

function least(values: readonly number[]): number {
  return values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
}
