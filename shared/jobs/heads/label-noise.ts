import type { LabelledExample } from '../../dataset/examples.ts'
import type { ReportDoubtedLabel, ReportLabelNoise } from '../../reports/figure-types.ts'
import type { DoubtedLabel, TrainedHead } from '../../training/types.ts'
import type { TrainingData } from './data.ts'

/** Rows that a report names; an audit lists all. */
const NAMED = 10

/** What the training says of the labels of its rows; null where it could not judge them. */
export function describeLabelNoise(
  { train }: Pick<TrainingData, 'train'>,
  { head, outOfFold, labelFindings }: TrainedHead,
): ReportLabelNoise | null {
  if (labelFindings === undefined || outOfFold === undefined) return null
  const { noise, doubted, leftOut } = labelFindings
  // Places are those of the rows of the fit, which are the first of all.
  const named = doubted.slice(0, NAMED).flatMap((each) => {
    const example = train[each.row]
    return example === undefined ? [] : [describeDoubted(each, example, head.labels)]
  })
  return { rows: train.length, noise, doubted: doubted.length, leftOut, examples: named }
}

/** A doubted label in words; `given` and `likelier` index `labels`. */
export function describeDoubted(
  { given, likelier, score }: Pick<DoubtedLabel, 'given' | 'likelier' | 'score'>,
  example: LabelledExample,
  labels: readonly string[],
): ReportDoubtedLabel {
  return {
    place: placeOfExample(example),
    given: labels[given]!,
    likelier: labels[likelier]!,
    score,
  }
}

/** Where an example was read: its line, or the path of an image. */
export function placeOfExample({ line, text, image }: LabelledExample): string {
  return image === undefined && line !== undefined ? `line ${line}` : text
}
