import { dataError } from '../../dataset/data-error.ts'
import type { LabelledExample } from '../../dataset/examples.ts'
import type { LabelledOptions } from '../../dataset/labelled.ts'
import { type DatasetWarning, describeWarnings, WarningCounter } from '../../dataset/summary.ts'
import type { DataSource } from '../../dataset/types.ts'
import { quote } from '../../lib/text/text.ts'

/** Examples, and what is told of their groups. */
interface GroupedExamples {
  readonly examples: readonly LabelledExample[]
  readonly warnings: readonly DatasetWarning[]
}

/**
 * Numbers the groups of a column, so that each stays on one side of every split.
 * @throws EspalierError `invalid_data` where all rows are of one group
 */
export function joinGroups(
  source: DataSource,
  examples: readonly LabelledExample[],
  { groupColumn }: LabelledOptions,
): GroupedExamples {
  if (groupColumn === undefined) return { examples, warnings: [] }
  const groups = new Map<string, LabelledExample[]>()
  const without = new WarningCounter()
  for (const example of examples) {
    const { group } = example
    if (group === undefined) {
      without.add(example.line === undefined ? example.text : `line ${example.line}`)
      continue
    }
    const known = groups.get(group)
    if (known === undefined) groups.set(group, [example])
    else known.push(example)
  }
  if (groups.size === 0) {
    throw dataError(
      source.name,
      null,
      `every cell of "${groupColumn}" is empty; name another column of groups`,
    )
  }
  if (groups.size === 1 && without.count === 0) {
    const only = quote([...groups.keys()][0]!, 40)
    throw dataError(
      source.name,
      null,
      `all rows are of one group, ${only}, and nothing can be held out; is "${groupColumn}" really the group? ` +
        'Name a column with several groups, or none',
    )
  }
  const numbers = new Map([...groups.keys()].map((group, number) => [group, number]))
  const several = new WarningCounter()
  for (const [group, rows] of groups) {
    const labels = new Set(rows.map((row) => JSON.stringify(row.labels)))
    if (labels.size > 1) several.add(quote(group, 40))
  }
  return {
    examples: examples.map((example) =>
      example.group === undefined ? example : { ...example, together: numbers.get(example.group)! },
    ),
    warnings: describeWarnings({
      rows_without_group: without,
      groups_of_several_labels: several,
    }),
  }
}

/**
 * Leaves out the test rows whose group is in training: what is learnt stays whole, and the rest of the test is honest.
 * @throws EspalierError `invalid_data` where no test row is left
 */
export function leaveOutKnownGroups(
  source: DataSource,
  test: readonly LabelledExample[],
  train: readonly LabelledExample[],
): GroupedExamples {
  const known = new Set(train.flatMap(({ group }) => group ?? []))
  const counter = new WarningCounter()
  const examples = test.filter(({ group, line }) => {
    if (group === undefined || !known.has(group)) return true
    counter.add(`line ${line}: ${quote(group, 40)}`)
    return false
  })
  if (examples.length === 0 && test.length > 0) {
    const message =
      'every row is of a group that is in the training data; test on groups of their own'
    throw dataError(source.name, null, message)
  }
  const warnings = describeWarnings({ groups_on_both_sides: counter })
  return {
    examples,
    warnings: warnings.map((warning) => ({
      ...warning,
      message: `${source.name}: ${warning.message}`,
    })),
  }
}
