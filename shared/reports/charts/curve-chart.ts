import { scaleLinear, scaleLog } from 'd3-scale'
import { area, line } from 'd3-shape'
import { type ChartFrame, chart, element, type Markup } from '../markup.ts'

/** One line of a chart; points without a value are left out. */
export interface Curve {
  readonly name: string
  /** Which of the styles; neighbours share a colour. @default its place among the curves */
  readonly series?: number | undefined
  readonly points: readonly {
    readonly x: number
    readonly y: number | null
    /** An interval around y, drawn as a band. */
    readonly low?: number | undefined
    readonly high?: number | undefined
  }[]
}

/** What a chart of curves shows, and in which words. */
export interface CurveFrame extends Pick<ChartFrame, 'id' | 'title' | 'description'> {
  readonly xTitle: string
  /** Writes a value of the y axis. */
  readonly told: (value: number) => string
  /** The y axis covers at least this. */
  readonly yDomain?: readonly [number, number] | undefined
  /** Equal steps multiply x, ticks stand at these values. @default a linear axis */
  readonly logTicks?: readonly number[] | undefined
  /** Writes a value of the x axis. @default as a number */
  readonly toldX?: ((value: number) => string) | undefined
}

/** A point that has a place. */
interface Known {
  readonly x: number
  readonly y: number
  readonly low: number
  readonly high: number
}

const PLOT_WIDTH = 380
const PLOT_HEIGHT = 230
const LEFT = 58
const TOP = 12
const ROW = 18
const TICKS = 5
/** Styles `series-0` to `series-5` exist. */
const SERIES = 6
const POINTS_WITH_DOTS = 40

/** Lines over a common x axis, with a legend below. */
export function drawCurves(frame: CurveFrame, curves: readonly Curve[]): Markup {
  const known = curves.map(({ name, series, points }, i) => ({
    ...{ name, kind: `series-${(series ?? i) % SERIES}` },
    points: points.flatMap(({ x, y, low = y ?? 0, high = y ?? 0 }): Known[] =>
      y === null || ![x, y, low, high].every(Number.isFinite) ? [] : [{ x, y, low, high }],
    ),
  }))
  const all = known.flatMap(({ points }) => points)
  const xs = all.map(({ x }) => x)
  const ys = [...all.flatMap(({ y, low, high }) => [low, y, high]), ...(frame.yDomain ?? [])]
  const { logTicks, toldX = String } = frame
  const width: [number, number] = [LEFT, LEFT + PLOT_WIDTH]
  const x = logTicks === undefined ? scaleLinear(extent(xs), width) : scaleLog(extent(xs), width)
  const y = scaleLinear(extent(ys), [TOP + PLOT_HEIGHT, TOP]).nice(TICKS)
  const floor = TOP + PLOT_HEIGHT
  const path = line()
  const band = area<Known>()
    .x((point) => x(point.x))
    .y0((point) => y(point.low))
    .y1((point) => y(point.high))
  return chart(
    {
      id: frame.id,
      title: frame.title,
      description: frame.description,
      width: LEFT + PLOT_WIDTH + 28,
      height: floor + 44 + ROW * known.length,
    },
    y.ticks(TICKS).map((tick) => [
      element('line', {
        class: 'grid',
        x1: LEFT,
        x2: LEFT + PLOT_WIDTH,
        y1: y(tick),
        y2: y(tick),
      }),
      label(LEFT - 8, y(tick) + 4, 'end', frame.told(tick)),
    ]),
    (logTicks ?? x.ticks(TICKS)).map((tick) => label(x(tick), floor + 16, 'middle', toldX(tick))),
    element('text', { class: 'axis', x: LEFT, y: floor + 34 }, `${frame.xTitle} →`),
    known.map(({ kind, points }) => {
      const shown = points.map((point): [number, number] => [x(point.x), y(point.y)])
      const hasBand = points.some(({ low, high }) => low < high)
      const dots = shown.length <= POINTS_WITH_DOTS ? shown : shown.slice(-1)
      return [
        hasBand ? element('path', { class: `band ${kind}`, d: band(points) ?? '' }) : null,
        element('path', { class: `line ${kind}`, d: path(shown) ?? '' }),
        dots.map(([cx, cy]) => element('circle', { class: `dot ${kind}`, cx, cy, r: 2.5 })),
      ]
    }),
    known.map(({ name, kind }, i) => {
      const at = floor + 52 + ROW * i
      return [
        element('line', {
          class: `line ${kind}`,
          x1: LEFT,
          x2: LEFT + 22,
          y1: at - 4,
          y2: at - 4,
        }),
        element('text', { class: 'value', x: LEFT + 30, y: at }, name),
      ]
    }),
  )
}

/** The chart's own styles, for pages and for images that stand alone. */
export const CURVE_STYLES = `
.line{fill:none;stroke-width:2}
.line.series-0,.line.series-2,.line.series-4{stroke-dasharray:none}
.line.series-1,.line.series-3,.line.series-5{stroke-dasharray:6 4}
.series-0,.series-1{stroke:#23724f}
.series-2,.series-3{stroke:#c8501b}
.series-4,.series-5{stroke:#3f6fb5}
.band,.dot{stroke:none}
.dot.series-0,.dot.series-1{fill:#23724f}
.dot.series-2,.dot.series-3{fill:#c8501b}
.dot.series-4,.dot.series-5{fill:#3f6fb5}
.band{fill-opacity:.15}
.band.series-0,.band.series-1{fill:#23724f}
.band.series-2,.band.series-3{fill:#c8501b}
.band.series-4,.band.series-5{fill:#3f6fb5}
`.trim()

function extent(values: readonly number[]): [number, number] {
  const low = Math.min(...values)
  const high = Math.max(...values)
  if (!Number.isFinite(low)) return [0, 1]
  return low === high ? [low - 0.5, high + 0.5] : [low, high]
}

function label(x: number, y: number, anchor: string, text: string): Markup {
  return element('text', { class: 'tick', x, y, 'text-anchor': anchor }, text)
}
