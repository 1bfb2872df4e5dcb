import { join } from 'node:path'
import type { Promotion, TrainHeadResult } from '../../../shared/jobs/heads/request.ts'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { formatModelVersion } from '../../../shared/lib/text/model-address.ts'
import { print as printWording, say, task } from '../../../shared/lib/wording.ts'
import { REPORT_FILES } from '../../../shared/versions/head-version.ts'
import type { CommandContext } from '../context.ts'
import { formatBytes, formatCount, formatShare } from './number-format.ts'
import { COMMAND_LINE } from './report-error.ts'

/** The result for `--json`. */
export function toJson({
  version,
  created,
  report,
  warnings,
  advice = [],
  promotion,
  embeddings,
  files,
}: TrainHeadResult) {
  return {
    model: version && formatModelVersion(version),
    created,
    promotion: promotionToJson(promotion),
    accuracy: report.test?.accuracy ?? null,
    warnings,
    advice: advice.map((each) => printWording(each, COMMAND_LINE)),
    embeddings,
    version,
    report: JSON.parse(files.json) as unknown,
  }
}

/** What became of the promotion, the reason of a refusal as the command line says it. */
export function promotionToJson(promotion: Promotion) {
  if (promotion.status !== 'refused') return promotion
  return { ...promotion, reason: printWording(promotion.reason, COMMAND_LINE) }
}

/** The result for people, and what to do next. */
export async function printResult(
  { print }: CommandContext,
  options: { readonly report?: string },
  { version, created, report, figures, promotion, embeddings }: TrainHeadResult,
): Promise<void> {
  const { split, sizes, champion } = report
  const model = version === null ? `${report.name} (not published)` : formatModelVersion(version)
  const rows = formatCount(split.trainRows, 'row')
  const labels = formatCount(report.labels.length, 'label')
  await print(
    `${model}: ${labels}, ${rows}, method ${report.method.name}, ${formatBytes(sizes.headBytes)}`,
  )
  for (const line of figures) await print(`  ${line}`)
  await print(`  vectors of ${report.encoder.model}, ${report.encoder.precision}`)
  if ((report.labelNoise?.doubted ?? 0) > 0) {
    await print(`  all labels in doubt: espalier audit ${report.dataset.source}`)
  }
  const chosen = report.layers?.find((layer) => layer.chosen)
  if (chosen !== undefined) {
    await print(
      `  layer ${chosen.name}, of ${formatCount(report.layers!.length, 'layer')} compared`,
    )
  }
  if (champion !== null)
    await print(`  champion ${champion.model}: ${describeDifference(champion)}`)
  if (embeddings.truncated > 0) {
    await print(`  ${formatCount(embeddings.truncated, 'text')} cut at the encoder's limit`)
  }
  if (version !== null && !created) await print('  published before under this key')
  if (promotion.status === 'promoted-before') {
    await print('  promoted before under this key; what it means now stays')
  }
  if (promotion.status === 'promoted') await print(`  promoted: ${model} is champion now`)
  if (options.report !== undefined)
    await print(`  report: ${join(options.report, REPORT_FILES.html)}`)
  if (version !== null)
    await print(nextStep(model, promotion.status.startsWith('promoted'), report))
}

function describeDifference({
  accuracy,
  difference,
  low,
  high,
}: NonNullable<TrainHeadResult['report']['champion']>): string {
  const points = (share: number) => `${share > 0 ? '+' : ''}${(share * 100).toFixed(1)}`
  return (
    `accuracy ${formatShare(accuracy)} on the same rows, difference ${points(difference)} points ` +
    `(95 % interval ${points(low)} to ${points(high)})`
  )
}

function nextStep(
  model: string,
  promoted: boolean,
  { dataset }: TrainHeadResult['report'],
): string {
  if (!promoted) return `Next: espalier promote ${model}`
  const name = model.slice(0, model.indexOf('@'))
  if (dataset.modality === 'image') {
    const url = `http://127.0.0.1:8080/classify?model=${name}`
    return (
      'Next: espalier serve, then\n' +
      `  curl -s '${url}' -H 'content-type: image/jpeg' --data-binary @image.jpg`
    )
  }
  const body = JSON.stringify({ model: name, inputs: 'your text' })
  return (
    'Next: espalier serve, then\n' +
    `  curl -s http://127.0.0.1:8080/classify -H 'content-type: application/json' -d '${body}'`
  )
}

/** @throws EspalierError `not_better` */
export function checkPromotion({ version, promotion }: TrainHeadResult): void {
  if (version === null || promotion.status !== 'refused') return
  const model = formatModelVersion(version)
  throw new EspalierError(
    'not_better',
    say`${model} is published but not promoted: ${promotion.reason}; ${task('promote', model)} does it all the same`,
  )
}
