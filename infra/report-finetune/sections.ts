import { type CellResult, finalAccuracy, stepsTo } from './convergence.ts'
import { formatTable, percent, points } from './page.ts'
import type { FewShotResult, FullResult } from './product-studies.ts'

/** The convergence study as Markdown. */
export function tellConvergence(
  results: readonly CellResult[],
  plots: readonly { readonly file: string; readonly title: string }[],
): string {
  const rows = results.map(({ title, rows: count, frozen, pretrained, random }) => {
    const [tuned, scratch] = [finalAccuracy(pretrained), finalAccuracy(random)]
    const catchUp = stepsTo(pretrained, scratch)
    return [
      title,
      String(count),
      percent(frozen),
      percent(tuned),
      percent(scratch),
      points(tuned - scratch),
      points(tuned - frozen),
      `${pretrained.at(-1)?.step ?? 0} / ${random.at(-1)?.step ?? 0}`,
      catchUp === null ? '–' : String(catchUp),
    ]
  })
  const header = [
    'labels',
    'rows',
    'frozen head',
    'fine-tuned',
    'random start',
    'pretraining adds',
    'tuning adds',
    'steps, either',
    'steps to the random end',
  ]
  const images = plots.map(({ file, title }) => `![${title}](images/${file})`)
  return [formatTable(header, rows), ...images].join('\n\n')
}

/** The few-shot study as Markdown. */
export function tellFewShot(results: readonly FewShotResult[]): string {
  const rows = results.map(({ title, perLabel, draws }) => {
    const gains = draws.map(({ frozen, tuned }) => tuned - frozen)
    const mean = (values: readonly number[]) =>
      values.reduce((sum, x) => sum + x, 0) / values.length
    const centre = mean(gains)
    const spread = Math.sqrt(
      gains.reduce((sum, x) => sum + (x - centre) ** 2, 0) / Math.max(1, gains.length - 1),
    )
    return [
      `${title}, ${perLabel} a class`,
      String(draws.length),
      percent(mean(draws.map(({ frozen }) => frozen))),
      percent(mean(draws.map(({ tuned }) => tuned))),
      percent(mean(draws.map(({ int8 }) => int8))),
      // One draw has no standard error.
      draws.length < 2
        ? points(centre)
        : `${points(centre)} ± ${percent(spread / Math.sqrt(draws.length))}`,
      points(Math.min(...gains)),
      draws.map(({ alpha }) => alpha).join(', '),
    ]
  })
  const header = [
    'data',
    'draws',
    'frozen head, int8',
    'contrastive, float32',
    'contrastive, int8',
    'gain ± standard error',
    'least gain',
    'alpha of each draw',
  ]
  return formatTable(header, rows)
}

/** Whole data sets as Markdown. */
export function tellFull(results: readonly FullResult[]): string {
  const rows = results.flatMap((result) => {
    const { title, trained, contenders, steps, alpha, peakBytes, predictedBytes } = result
    return contenders
      .filter(({ tuned }) => tuned)
      .map(({ precision, accuracy, gain }) => [
        `${title}, ${trained}, ${precision}`,
        percent(contenders[0]?.accuracy ?? Number.NaN),
        percent(accuracy ?? Number.NaN),
        gain === null
          ? ''
          : `${points(gain.difference)} (${points(gain.low)} to ${points(gain.high)})`,
        String(steps),
        alpha === undefined ? '1' : String(alpha),
        `${(peakBytes / 1e9).toFixed(2)} / ${(predictedBytes / 1e9).toFixed(2)}`,
      ])
  })
  const header = [
    'data',
    'frozen head, int8',
    'fine-tuned',
    'gain (95 % interval)',
    'steps',
    'alpha',
    'memory, GB: peak / predicted',
  ]
  return formatTable(header, rows)
}
