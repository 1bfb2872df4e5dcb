import { type Bar, drawBars } from './bar-chart.ts'
import { formatCount, formatNumber, formatPercent, shorten } from './format.ts'
import { section, tableFallback } from './html-results.ts'
import { element, type Markup } from './markup.ts'
import type { ReportLayer, ReportMistake, TrainingReport } from './types.ts'

/** Thumbnails as data URIs, by the paths of their images. */
export type Thumbnails = ReadonlyMap<string, string>

const MAX_LABEL = 60
const MAX_PATH = 120
/** What a page may show; anything else is left out. */
const IMAGE_URI = /^data:image\/webp;base64,[A-Za-z0-9+/]+={0,2}$/

/** The most confident wrong answers on images; null where there are none. */
export function renderMistakes(
  mistakes: readonly ReportMistake[],
  thumbnails: Thumbnails,
): Markup | null {
  if (mistakes.length === 0) return null
  const cards = mistakes.map((mistake) => renderMistake(mistake, thumbnails.get(mistake.image)))
  return section(
    'Worst errors',
    element('p', { class: 'soft' }, 'Test images with a wrong answer, the most confident first.'),
    element('ul', { class: 'images' }, cards),
  )
}

function renderMistake(
  { image, actual, predicted, confidence }: ReportMistake,
  thumbnail: string | undefined,
): Markup {
  const label = (text: string): Markup => element('code', {}, shorten(text, MAX_LABEL))
  const isShown = thumbnail !== undefined && IMAGE_URI.test(thumbnail)
  return element(
    'li',
    {},
    isShown
      ? element('img', { src: thumbnail, alt: `An image of ${shorten(actual, MAX_LABEL)}` })
      : null,
    element('p', {}, label(actual), ' taken for ', label(predicted)),
    element(
      'p',
      { class: 'soft' },
      `${formatPercent(confidence)} sure · `,
      element('bdi', {}, shorten(image, MAX_PATH)),
    ),
  )
}

/** The transfer layers that were tried, as bars and as a table; null where there was no choice. */
export function renderLayers({ layers = [] }: TrainingReport): Markup | null {
  if (layers.length === 0) return null
  const bars = layers.map(
    ({ name, accuracy, logMe, chosen }): Bar => ({
      name,
      value: accuracy,
      told: `${formatPercent(accuracy)} · LogME ${formatNumber(logMe)}`,
      emphasised: chosen,
    }),
  )
  const frame = {
    id: 'layers',
    title: 'Cross-validated accuracy by transfer layer',
    description: 'One bar per layer whose features were tried; the chosen one is emphasised.',
  }
  return section(
    'Transfer layer',
    element('figure', {}, drawBars(frame, bars, 1)),
    tableFallback('Layers as a table', LAYER_COLUMNS, layers.map(layerRow), 1),
  )
}

/** Titles of the columns that `layerRow` fills. */
export const LAYER_COLUMNS = ['Layer', 'Numbers', 'Accuracy', 'NLL', 'LogME'] as const

/** A layer as the row of a table. */
export function layerRow(layer: ReportLayer): string[] {
  const { name, dimension, accuracy, nll, logMe, chosen } = layer
  return [
    `${shorten(name, MAX_LABEL)}${chosen ? ' (chosen)' : ''}`,
    formatCount(dimension),
    formatPercent(accuracy),
    formatNumber(nll),
    formatNumber(logMe),
  ]
}
