import { scaleBand, scaleLinear } from 'd3-scale'
import { shorten } from '../format.ts'
import { type ChartFrame, chart, element, type Markup } from '../markup.ts'

/** One bar: its name, its length, and what is written after it. */
export interface Bar {
  readonly name: string
  readonly value: number | null
  readonly told: string
  readonly emphasised: boolean
}

const WIDTH = 460
const ROW = 30
/** Generous: fonts differ from reader to reader. */
const CHARACTER = 7.6

/** Horizontal bars from zero to `end`, with names before and values behind them. */
export function drawBars(
  { id, title, description }: Pick<ChartFrame, 'id' | 'title' | 'description'>,
  bars: readonly Bar[],
  end: number,
): Markup {
  const names = bars.map(({ name }) => shorten(name, 22))
  const left = 8 + CHARACTER * Math.max(0, ...names.map((name) => name.length))
  const behind = 12 + CHARACTER * Math.max(0, ...bars.map(({ told }) => told.length))
  const height = 8 + ROW * bars.length
  const x = scaleLinear([0, end > 0 ? end : 1], [left, Math.max(left + 80, WIDTH - behind)])
  const y = scaleBand<number>(
    bars.map((_, i) => i),
    [4, height - 4],
  ).paddingInner(0.3)
  return chart(
    { id, title, description, width: x.range()[1]! + behind, height },
    bars.map(({ name, value, told, emphasised }, i) => {
      const length = value === null || !Number.isFinite(value) ? 0 : Math.max(0, value)
      const middle = y(i)! + y.bandwidth() / 2 + 4
      const full = element('title', {}, shorten(name, 200))
      return [
        element(
          'text',
          { class: 'tick', x: left - 8, y: middle, 'text-anchor': 'end' },
          names[i]!,
          full,
        ),
        element('rect', {
          class: emphasised ? 'bar chosen' : 'bar',
          x: left,
          y: y(i)!,
          width: x(length) - left,
          height: y.bandwidth(),
          rx: 2,
        }),
        element('text', { class: 'value', x: x(length) + 8, y: middle }, told),
      ]
    }),
  )
}
