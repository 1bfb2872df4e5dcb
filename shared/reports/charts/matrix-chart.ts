import { scaleBand, scaleLinear, scaleSqrt } from 'd3-scale'
import { formatCount, formatPercent, shorten } from '../format.ts'
import { chart, element, type Markup } from '../markup.ts'
import { type MatrixCell, type MatrixLayout, OTHERS } from './matrix-layout.ts'

const WIDE_UP_TO = 6
const MAX_LABEL = 28
const MAX_WIDE_LABEL = 16
const PADDING = 6
/** Degrees; names of narrow columns stand upright, or they would overlap. */
const TILT = 50
const UPRIGHT = 90
const NARROW = 16
/** Above this share of a row the fill is so strong that the count turns to the page's colour. */
const STRONG = 0.55

interface CellSize {
  readonly width: number
  readonly height: number
  /** Size of labels; 0 where there is no room for them. */
  readonly font: number
}

/** A confusion matrix as a heat map: rows are true labels, columns predicted ones. */
export function drawMatrix(
  id: string,
  labels: readonly string[],
  layout: MatrixLayout,
  labelled: boolean,
): Markup {
  const { classes, cells } = layout
  const size = chooseSize(classes.length, labelled)
  const wide = size.width > size.height
  const names = classes.map((index) =>
    index === OTHERS ? 'all other labels' : (labels[index] ?? '?'),
  )
  const shown = names.map((name) => shorten(name, wide ? MAX_WIDE_LABEL : MAX_LABEL))
  const longest = size.font * 0.58 * Math.max(0, ...shown.map((name) => name.length))
  const degrees = size.width < NARROW ? UPRIGHT : TILT
  const tilt = (degrees * Math.PI) / 180
  const left = PADDING + (labelled ? longest + 22 : 16)
  const top = PADDING + 18 + (labelled ? (wide ? 18 : longest * Math.sin(tilt) + size.font) : 0)
  const right = PADDING + (labelled && !wide ? longest * Math.cos(tilt) : 0)
  const width = classes.length * size.width
  const height = classes.length * size.height
  const positions = classes.map((_, i) => i)
  const gap = size.height > 8 ? 0.06 : 0
  const x = scaleBand<number>(positions, [left, left + width]).paddingInner(gap)
  const y = scaleBand<number>(positions, [top, top + height]).paddingInner(gap)

  const frame = {
    id,
    title: `Confusion matrix, ${formatCount(classes.length)} × ${formatCount(classes.length)}`,
    description:
      'Rows are true labels, columns predicted labels, stronger colour a larger share of the row. ' +
      'The table below lists the same confusions.',
    width: left + width + right + PADDING,
    height: top + height + PADDING,
  }
  return chart(
    frame,
    element('text', { class: 'axis', x: left, y: PADDING + 8 }, 'predicted →'),
    element(
      'text',
      {
        class: 'axis',
        transform: `translate(${PADDING + 8} ${Math.round(top)}) rotate(-90)`,
        'text-anchor': 'end',
      },
      '← true',
    ),
    element('rect', { class: 'ground', x: left, y: top, width, height, rx: 3 }),
    labelled ? shown.map((name, i) => drawNames(name, i)) : null,
    cells.map((cell) => drawCell(cell, names, x, y, size.height >= 18)),
  )

  function drawNames(name: string, i: number): Markup[] {
    const full = element('title', {}, shorten(names[i]!, 200))
    const middle = x(i)! + x.bandwidth() / 2
    const rowY = y(i)! + y.bandwidth() / 2
    const font = { class: 'tick', 'font-size': size.font }
    const above = wide
      ? { x: middle, y: top - 8, 'text-anchor': 'middle' }
      : {
          transform: `translate(${(middle + size.font / 3).toFixed(1)} ${Math.round(top - 5)}) rotate(-${degrees})`,
        }
    return [
      element('text', { ...font, ...above }, name, full),
      element(
        'text',
        { ...font, x: left - 6, y: rowY + size.font * 0.35, 'text-anchor': 'end' },
        name,
        full,
      ),
    ]
  }
}

const hitStrength = scaleLinear([0, 1], [0.12, 0.95])
/** A square root makes one error in fifty visible. */
const missStrength = scaleSqrt([0, 0.5], [0.1, 0.95]).clamp(true)

type Band = ReturnType<typeof scaleBand<number>>

function drawCell(
  { row, column, count, share, of }: MatrixCell,
  names: readonly string[],
  x: Band,
  y: Band,
  counted: boolean,
): Markup {
  const hit = row === column
  const strength = hit ? hitStrength(share) : missStrength(share)
  const told = `${shorten(names[row]!, 80)} → ${shorten(names[column]!, 80)}: ${formatCount(count)} of ${formatCount(of)} (${formatPercent(share)})`
  const cell = element(
    'rect',
    {
      class: hit ? 'hit' : 'miss',
      x: x(column)!,
      y: y(row)!,
      width: x.bandwidth(),
      height: y.bandwidth(),
      'fill-opacity': strength,
    },
    element('title', {}, told),
  )
  if (!counted) return cell
  const middle = { x: x(column)! + x.bandwidth() / 2, y: y(row)! + y.bandwidth() / 2 + 4 }
  const kind = strength > STRONG ? 'count strong' : 'count'
  return element(
    'g',
    {},
    cell,
    element('text', { class: kind, 'text-anchor': 'middle', ...middle }, formatCount(count)),
  )
}

function chooseSize(classes: number, labelled: boolean): CellSize {
  if (classes <= WIDE_UP_TO) return { width: 112, height: 48, font: 12 }
  if (!labelled) return { width: 880 / classes, height: 880 / classes, font: 0 }
  if (classes <= 14) return { width: 38, height: 38, font: 12 }
  return classes <= 42 ? { width: 20, height: 20, font: 11 } : { width: 11, height: 11, font: 9.5 }
}
