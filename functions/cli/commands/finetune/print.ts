import { join } from 'node:path'
import type { FineTuneClassifierResult } from '../../../../shared/jobs/finetune/request.ts'
import { EspalierError } from '../../../../shared/lib/errors.ts'
import { formatModelVersion } from '../../../../shared/lib/text/model-address.ts'
import { REPORT_FILES } from '../../../../shared/versions/head-version.ts'
import { formatBytes, formatCount, formatShare } from '../../output/number-format.ts'
import { formatTable } from '../../output/table.ts'
import type { FineTuneOptions } from './options.ts'

/** The result for `--json`. */
export function toJson(result: FineTuneClassifierResult) {
  const { version, encoder, created, promotion, report, warnings, notes, files } = result
  return {
    model: version && formatModelVersion(version),
    encoder: encoder && formatModelVersion(encoder),
    created,
    promotion,
    recommendation: report.fineTuning?.recommendation ?? null,
    accuracy: report.test?.accuracy ?? null,
    warnings,
    notes,
    version,
    report: JSON.parse(files.json) as unknown,
  }
}

/** The result for people, and what to do next. */
export function describeResult(
  result: FineTuneClassifierResult,
  options: Pick<FineTuneOptions, 'report'>,
): string {
  const { version, encoder, created, report, promotion } = result
  const { fineTuning, labels, sizes, method } = report
  const model = version === null ? `${report.name} (not published)` : formatModelVersion(version)
  const lines = [
    `${model} on ${report.encoder.model}: ${formatCount(labels.length, 'label')}, ` +
      `${formatCount(report.split.trainRows, 'row')}, ${method.name}, ${formatBytes(sizes.headBytes)}`,
  ]
  if (fineTuning !== undefined) {
    const { steps, bestStep, epochs, stopped, contenders, recommendation } = fineTuning
    const { alpha } = fineTuning.blend
    const interpolated = alpha === 1 ? '' : `, alpha ${alpha} of the way from the base's`
    lines.push(
      `  ${formatCount(steps, 'step')}, ${epochs.toFixed(1)} epochs, ended ${stopped}; weights of step ${bestStep}${interpolated}`,
    )
    const points = (share: number) => `${share > 0 ? '+' : ''}${(share * 100).toFixed(1)}`
    const rows = contenders.map(({ name, accuracy, macroF1, gain }) => [
      name,
      formatShare(accuracy),
      formatShare(macroF1),
      gain === null
        ? ''
        : `${points(gain.difference)} (${points(gain.low)} to ${points(gain.high)})`,
    ])
    const header = ['ENCODER', 'ACCURACY', 'MACRO-F1', 'GAIN IN POINTS (95 % INTERVAL)']
    if (rows.length > 0) {
      lines.push(`on ${formatCount(report.split.testRows, 'test row')}:`)
      lines.push(formatTable([header, ...rows]))
    }
    lines.push(recommendation.why)
  }
  if (version !== null && !created) lines.push('published before under this key')
  if (promotion.status === 'promoted-before') {
    lines.push('promoted before under this key; what it means now stays')
  }
  if (promotion.status === 'promoted') {
    const both = encoder === null ? model : `${formatModelVersion(encoder)} and ${model}`
    lines.push(`promoted: ${both} ${encoder === null ? 'is champion' : 'are champions'} now`)
  }
  if (options.report !== undefined) {
    lines.push(`report: ${join(options.report, REPORT_FILES.html)}`)
  }
  if (version !== null && promotion.status === 'none') lines.push(adviseNext(result, model))
  return lines.join('\n')
}

function adviseNext({ encoder, report }: FineTuneClassifierResult, model: string): string {
  const promote = [...(encoder === null ? [] : [formatModelVersion(encoder)]), model]
    .map((each) => `espalier promote ${each}`)
    .join(' && ')
  return report.fineTuning?.recommendation.promote === 'frozen'
    ? `Next: espalier train, with the same rows; or all the same: ${promote}`
    : `Next: ${promote}`
}

/** @throws EspalierError `not_better` */
export function checkPromotion({
  version,
  encoder,
  promotion,
  refusal,
}: FineTuneClassifierResult): void {
  if (refusal !== null) throw new EspalierError('not_better', refusal)
  if (version === null || promotion.status !== 'refused') return
  const model = formatModelVersion(version)
  const pair = encoder === null ? model : `${formatModelVersion(encoder)} and ${model}`
  throw new EspalierError(
    'not_better',
    `${pair}: published but not promoted: ${promotion.reason}; "espalier promote" does it all the same`,
  )
}
