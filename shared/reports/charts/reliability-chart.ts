import { scaleLinear } from 'd3-scale'
import { line } from 'd3-shape'
import { formatCount, formatNumber, formatPercent } from '../format.ts'
import { chart, element, type Markup } from '../markup.ts'
import type { ReportBin } from '../types.ts'

const PLOT = 300
const COUNTS = 64
const LEFT = 46
const TOP = 12
const GAP = 34
const TICKS = [0, 0.25, 0.5, 0.75, 1]

/** Accuracy by confidence: bars should end on the diagonal. Below, how many predictions each bin holds. */
export function drawReliability(
  id: string,
  bins: readonly ReportBin[],
  counted = 'test rows',
): Markup {
  const x = scaleLinear([0, 1], [LEFT, LEFT + PLOT])
  const y = scaleLinear([0, 1], [TOP + PLOT, TOP])
  const floor = TOP + PLOT + GAP + COUNTS
  const largest = Math.max(1, ...bins.map(({ count }) => count))
  const tall = scaleLinear([0, largest], [0, COUNTS - 14])
  const filled = bins.filter(({ count }) => count > 0)
  const diagonal = line()([
    [x(0), y(0)],
    [x(1), y(1)],
  ])
  const points = filled.flatMap(({ confidence, accuracy }): [number, number][] =>
    confidence === null || accuracy === null ? [] : [[x(confidence), y(accuracy)]],
  )
  const frame = {
    id,
    title: `Reliability diagram, ${counted}`,
    description:
      'Accuracy of predictions by their confidence; a calibrated head follows the diagonal. ' +
      'The table below holds the numbers.',
    width: LEFT + PLOT + 14,
    height: floor + 26,
  }
  return chart(
    frame,
    element('rect', { class: 'ground', x: LEFT, y: TOP, width: PLOT, height: PLOT }),
    TICKS.map((tick) => [
      element('line', { class: 'grid', x1: LEFT, x2: LEFT + PLOT, y1: y(tick), y2: y(tick) }),
      label(LEFT - 6, y(tick) + 4, 'end', formatPercent(tick, 0)),
      label(x(tick), TOP + PLOT + 16, tick === 1 ? 'end' : 'middle', formatPercent(tick, 0)),
    ]),
    filled.map((bin) => drawBin(bin)),
    element('path', { class: 'diagonal', d: diagonal }),
    element('path', { class: 'curve', d: line()(points) ?? '' }),
    points.map(([cx, cy]) => element('circle', { class: 'point', cx, cy, r: 3 })),
    filled.map((bin) => drawCount(bin)),
    element('line', { class: 'grid', x1: LEFT, x2: LEFT + PLOT, y1: floor, y2: floor }),
    element('text', { class: 'axis', x: LEFT, y: floor + 18 }, `confidence → (below: ${counted})`),
  )

  function drawBin({ low, high, count, accuracy, confidence }: ReportBin): Markup {
    const told =
      `Confidence ${formatNumber(low, 2)} to ${formatNumber(high, 2)}: mean ${formatPercent(confidence)}, ` +
      `accuracy ${formatPercent(accuracy)}, ${formatCount(count)} rows`
    const from = y(accuracy ?? 0)
    return element(
      'rect',
      {
        class: 'bar',
        x: x(low) + 1,
        width: Math.max(1, x(high) - x(low) - 2),
        y: from,
        height: y(0) - from,
      },
      element('title', {}, told),
    )
  }

  function drawCount({ low, high, count }: ReportBin): Markup[] {
    const width = Math.max(1, x(high) - x(low) - 2)
    const height = Math.max(1, tall(count))
    const bar = element('rect', {
      class: 'quiet',
      x: x(low) + 1,
      width,
      y: floor - height,
      height,
    })
    const text = formatCount(count)
    if (text.length * 6 > width + 4) return [bar]
    return [bar, label((x(low) + x(high)) / 2, floor - height - 4, 'middle', text)]
  }

  function label(at: number, down: number, anchor: string, text: string): Markup {
    return element('text', { class: 'tick', x: at, y: down, 'text-anchor': anchor }, text)
  }
}
