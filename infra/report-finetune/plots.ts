import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  CURVE_STYLES,
  type Curve,
  type CurveFrame,
  drawCurves,
} from '../../shared/reports/charts/curve-chart.ts'
import { type CellResult, finalAccuracy } from './convergence.ts'

/** Plots as files beside the page; returns their names in the page's order. */
export async function writePlots(
  folder: string,
  results: readonly CellResult[],
): Promise<{ readonly file: string; readonly title: string }[]> {
  await mkdir(folder, { recursive: true })
  const plots = [...plotCurves(results), plotGains(results)]
  for (const { file, svg } of plots) await writeFile(join(folder, file), svg)
  return plots.map(({ file, title }) => ({ file, title }))
}

/** Accuracy against steps, one plot a data set, both starts of up to three sizes. */
function plotCurves(results: readonly CellResult[]) {
  const sets = [...new Set(results.map(({ set }) => set))]
  return sets.map((set) => {
    const cells = results.filter((each) => each.set === set)
    const shown =
      cells.length <= 3 ? cells : [cells[0]!, cells[Math.floor(cells.length / 2)]!, cells.at(-1)!]
    const curves = shown.flatMap(({ rows, pretrained, random }): Curve[] => [
      { name: `${rows} rows, pretrained`, points: alongSteps(pretrained) },
      { name: `${rows} rows, random start`, points: alongSteps(random) },
    ])
    const title = `${cells[0]!.title}: accuracy on the test rows by step`
    return draw(`fine-tuning-${set}.svg`, title, 'step', curves, [0, 1])
  })
}

/** Final accuracy of pretrained less random, against the rows, one line a data set. */
function plotGains(results: readonly CellResult[]) {
  const sets = [...new Set(results.map(({ set }) => set))]
  const curves = sets.map((set): Curve => {
    const cells = results.filter((each) => each.set === set)
    return {
      name: cells[0]!.title,
      points: cells.map(({ rows, pretrained, random }) => ({
        x: rows,
        y: finalAccuracy(pretrained) - finalAccuracy(random),
      })),
    }
  })
  const title = 'What pretraining adds to the final accuracy, by training rows'
  return draw('fine-tuning-gain.svg', title, 'training rows', curves, [0, 0])
}

function draw(
  file: string,
  title: string,
  xTitle: string,
  curves: readonly Curve[],
  yDomain: readonly [number, number],
) {
  const frame: CurveFrame = {
    id: file.replace(/\.svg$/, ''),
    title,
    description: `${title}; the table beside it holds the numbers.`,
    xTitle,
    told: (value) => `${Math.round(value * 100)} %`,
    yDomain,
  }
  const { markup } = drawCurves(frame, curves)
  const style = `<style>${STYLES}</style><rect width="100%" height="100%" fill="#fff"/>`
  return { file, title, svg: `${markup.replace('</desc>', `</desc>${style}`)}\n` }
}

const STYLES =
  `text{font:12px system-ui,sans-serif;fill:#1b211e}.tick,.axis{fill:#5b655f}.grid{stroke:#e2e6e2}${CURVE_STYLES}`.replaceAll(
    '\n',
    '',
  )

function alongSteps(curve: CellResult['pretrained']): Curve['points'] {
  return curve.map(({ step, validationAccuracy }) => ({ x: step, y: validationAccuracy }))
}
