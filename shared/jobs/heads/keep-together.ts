import type { LabelledExample } from '../../dataset/examples.ts'
import type { DatasetWarning } from '../../dataset/summary.ts'
import { quote } from '../../lib/text/text.ts'
import { takeRows } from '../rows/take-rows.ts'
import type { DataRequest, TrainingData } from './data.ts'
import { holdOut } from './hold-out.ts'
import type { HeadRequest } from './request.ts'
import type { Compute } from './tools.ts'
import type { EmbeddedData, RowVectors } from './vectors.ts'

/** What of a request decides on splits. */
export type SplitRequest = Pick<DataRequest, 'nearDuplicates' | 'testFraction' | 'seed'> &
  Pick<HeadRequest, 'quoteTexts'>

type Found = Awaited<ReturnType<Compute['tools']['findNearDuplicates']>>

/** Groups that a warning names. */
const NAMED_GROUPS = 5
const NAMED_LINES = 6

/**
 * Finds rows that say the same by their vectors, and splits anew so that they stay on one side. Without any the data stay
 * as they were read. Test rows of a file stay; those that repeat training rows are marked.
 */
export async function keepTogether<Data extends TrainingData, Embedded extends EmbeddedData<Data>>(
  set: Embedded,
  request: SplitRequest,
  { tools, kernels }: Compute,
): Promise<Embedded> {
  const { data, vectors } = set
  const { nearDuplicates = 'keep-together' } = request
  if (nearDuplicates === 'ignore') return set
  const isFile = data.testSummary !== null
  const rows = isFile ? { examples: data.train, vectors: vectors.train } : inOrder(data, vectors)
  const compared = comparedRows(data, rows.examples, rows.vectors)
  const found = await tools.findNearDuplicates(compared, kernels)
  const examples = joinUnits(rows.examples, found, tools.mostInGroup(rows.examples.length))
  const warnings = [...data.warnings, ...describeGroups(found, rows.examples, data, request)]
  if (isFile) {
    const test = comparedRows(data, data.test, vectors.test)
    const copies = await tools.findCopies(test, compared, kernels)
    return { ...set, data: { ...data, train: examples, warnings }, copies }
  }
  if (found.groups.length === 0) return set
  const split = holdOut(examples, request, {
    times: data.times,
    source: data.summary.source,
  })
  const { dimension } = vectors.encoder
  const order = [...data.train, ...data.test]
  const places = new Map(order.map((example, at) => [example, at]))
  const read = [...split.train, ...split.test].map((at) => places.get(rows.examples[at]!)!)
  const take = (which: readonly number[]) => takeRows(rows.vectors, which, dimension)
  return {
    ...set,
    data: {
      ...data,
      train: split.train.map((at) => examples[at]!),
      test: split.test.map((at) => examples[at]!),
      warnings,
    },
    vectors: { ...vectors, train: take(split.train), test: take(split.test) },
    // Only images can have been left out, and no image is cut.
    cut: set.cut.length === order.length ? Uint8Array.from(read, (at) => set.cut[at]!) : set.cut,
  }
}

/** What is said of test rows that repeat training rows, once they are evaluated. */
export function describeCopies(
  { data, copies }: EmbeddedData,
  correct: Uint8Array | undefined,
): DatasetWarning[] {
  const rows = data.test.filter((_, row) => (copies?.[row] ?? -1) >= 0)
  if (rows.length === 0 || copies === undefined) return []
  const others = correct?.filter((_, row) => copies[row]! < 0)
  const right = others?.reduce((sum, each) => sum + each, 0) ?? 0
  const without =
    others === undefined || others.length === 0
      ? 'no others are left'
      : `without them the accuracy is ${((100 * right) / others.length).toFixed(1)} % on ${others.length} rows`
  const lines = rows.slice(0, NAMED_GROUPS).map(nameOf)
  const more = rows.length > lines.length ? ', …' : ''
  const are = rows.length === 1 ? 'row is a near-duplicate' : 'rows are near-duplicates'
  return [
    {
      code: 'near_duplicates_of_training',
      count: rows.length,
      message: `${rows.length} test ${are} of training rows (${lines.join(', ')}${more}); ${without}`,
      examples: lines,
    },
  ]
}

/** Training and test rows as they were read. */
function inOrder(data: TrainingData, vectors: RowVectors) {
  const dimension = vectors.encoder.dimension
  const all = [...data.train, ...data.test]
  const joined = new Float32Array(all.length * dimension)
  joined.set(vectors.train)
  joined.set(vectors.test, vectors.train.length)
  const order = [...all.keys()].sort(
    (a, b) => data.order!.get(all[a]!)! - data.order!.get(all[b]!)!,
  )
  return {
    examples: order.map((at) => all[at]!),
    vectors: takeRows(joined, order, dimension),
  }
}

/** Rows as they are compared with others; of images by vectors alone. */
export function comparedRows(
  { modality }: TrainingData,
  examples: readonly LabelledExample[],
  data: Float32Array,
) {
  const columns = examples.length === 0 ? 1 : data.length / examples.length
  return {
    vectors: { data, rows: examples.length, columns },
    texts: modality === 'image' ? null : examples.map(({ text }) => text),
  }
}

/** Units of both kinds: groups of a column stay whole; rows that say the same join them while they have `most` rows. */
function joinUnits(
  examples: readonly LabelledExample[],
  { groups }: Found,
  most: number,
): readonly LabelledExample[] {
  if (groups.length === 0) return examples
  let next = examples.reduce((max, { together = -1 }) => Math.max(max, together), -1) + 1
  const unitOf = examples.map(({ together }) => together ?? next++)
  const members = new Map<number, number[]>()
  for (const [row, unit] of unitOf.entries()) {
    const known = members.get(unit)
    if (known === undefined) members.set(unit, [row])
    else known.push(row)
  }
  for (const group of groups) {
    let unit = unitOf[group[0]!]!
    for (const row of group) {
      const other = unitOf[row]!
      if (other === unit) continue
      const [own, rows] = [members.get(unit)!, members.get(other)!]
      if (own.length + rows.length > most) {
        unit = other
        continue
      }
      for (const each of rows) unitOf[each] = unit
      own.push(...rows)
      members.delete(other)
    }
  }
  return examples.map((example, row) => {
    const unit = unitOf[row]!
    const isAlone = example.together === undefined && members.get(unit)!.length === 1
    return isAlone ? example : { ...example, together: unit }
  })
}

function describeGroups(
  { groups, parted }: Found,
  examples: readonly LabelledExample[],
  { modality }: TrainingData,
  { quoteTexts }: SplitRequest,
): DatasetWarning[] {
  if (groups.length === 0) return []
  const rows = groups.reduce((sum, group) => sum + group.length, 0)
  const named = groups
    .toSorted((a, b) => b.length - a.length || a[0]! - b[0]!)
    .slice(0, NAMED_GROUPS)
    .map((group) => {
      const lines = group.slice(0, NAMED_LINES).map((row) => nameOf(examples[row]!))
      const text = examples[group[0]!]!.text
      const said = quoteTexts && modality !== 'image' ? `: ${quote(text, 60)}` : ''
      return `${lines.join(' = ')}${group.length > lines.length ? ' = …' : ''}${said}`
    })
  const more = groups.length > named.length ? '; …' : ''
  const nouns = groups.length === 1 ? 'group' : 'groups'
  const left =
    parted === 0
      ? ''
      : `; ${parted} pairs were parted, since a group would have had more than a fifth of the rows or a twentieth of many`
  return [
    {
      code: 'near_duplicates',
      count: rows,
      message:
        `${rows} rows in ${groups.length} ${nouns} are near-duplicates, and each group stays on one side of every split ` +
        `(${named.join('; ')}${more})${left}`,
      examples: named,
    },
  ]
}

const nameOf = ({ line, text, image }: LabelledExample) =>
  image === undefined ? `line ${line}` : text
