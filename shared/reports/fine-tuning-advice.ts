import { formatCount, formatPercent, shorten } from './format.ts'
import type { TrainingReport } from './types.ts'

/** With fewer rows a class nothing was measured. */
const FEWEST_ROWS = 8
/** Below this many, pairs of rows teach more than labels do. */
const FEW_ROWS = 30
/** Above this little is left to gain. */
const NEAR_CEILING = 0.97
/**
 * Nearest class means are right less often than this where labels cut across what the encoder takes for alike:
 * 77 % on TREC-6, where fine-tuning pays; 85 to 92 % on Banking77, CLINC150 and SNIPS, where it adds little.
 */
const FOREIGN_LABELS = 0.8
/** The same with 8 rows a class, where means are poorer: 53 % on TREC-6, 80 % and more on the others. */
const FOREIGN_LABELS_OF_FEW = 0.7

/** A sentence where fine-tuning the encoder is likely to pay; docs/fine-tuning.md has the evidence. */
export function adviseFineTuning(report: TrainingReport): string[] {
  const { candidates, crossValidation, dataset, encoder, labels, name, split, test } = report
  // A foreign graph has no gradients.
  if (encoder.architecture === 'onnx') return []
  const perClass = split.trainRows / labels.length
  const accuracy = test?.accuracy ?? crossValidation?.accuracy ?? null
  const means = candidates.find((each) => each.name === 'ncm')?.accuracy ?? null
  if (accuracy === null || means === null) return []
  const isFew = perClass < FEW_ROWS
  const limit = isFew ? FOREIGN_LABELS_OF_FEW : FOREIGN_LABELS
  if (perClass < FEWEST_ROWS || accuracy >= NEAR_CEILING || means >= limit) return []
  const command = `espalier finetune ${shorten(dataset.source, 200)} --name ${name}${isFew ? ' --loss contrastive' : ''}`
  return [
    `Fine-tuning the encoder is likely to pay: its nearest class means are right only ${formatPercent(means)} of the ` +
      'time, so the labels cut across what it takes for alike, and there are ' +
      `${formatCount(perClass)} rows a class to teach it. Try: ${command}`,
  ]
}
