import { type Bar, drawBars } from '../charts/bar-chart.ts'
import { escapeMarkdown, escapeXml, toCodeSpan } from '../escape.ts'
import { formatCount, formatNumber, formatPercent, shorten } from '../format.ts'
import { element, type Markup } from '../markup.ts'
import type { ReportLayer, ReportMistake, ReportTest, TrainingReport } from '../types.ts'
import { markdownLabel, markdownTable } from './markdown.ts'
import { card, codeLabel, type ReportSection, type Thumbnails, tableFallback } from './section.ts'

const MAX_LABEL = 60
const MAX_PATH = 120
/** In Markdown. */
const MAX_SHOWN = 10
/** What a page may show; anything else is left out. */
const IMAGE_ITEM =
  /<li><img src="(data:image\/webp;base64,[A-Za-z0-9+/=]+)"[^>]*>(?:(?!<\/li>).)*<bdi>([^<]*)<\/bdi>/gs
const IMAGE_URI = /^data:image\/webp;base64,[A-Za-z0-9+/]+={0,2}$/

/** The most confident wrong answers on images. */
export const mistakesSection: ReportSection = {
  html: ({ test }, thumbnails) => renderMistakes(test?.mistakes ?? [], thumbnails),
  markdown: ({ test }) => test && showMistakes(test),
}

/** The transfer layers that were tried, as bars and as a table. */
export const layersSection: ReportSection = { html: renderLayers, markdown: showLayers }

/**
 * The thumbnails of a page that was written before: they are nowhere else.
 * @param page HTML that `renderHtml` made for the same mistakes
 */
export function readThumbnails(
  mistakes: readonly ReportMistake[],
  page: string,
): Map<string, string> {
  const byPath = new Map<string, string>()
  for (const [, uri, path] of page.matchAll(IMAGE_ITEM)) byPath.set(path!, uri!)
  return new Map(
    mistakes.flatMap(({ image }) => {
      const uri = byPath.get(escapeXml(shorten(image, MAX_PATH)))
      return uri === undefined ? [] : [[image, uri] as const]
    }),
  )
}

function renderMistakes(mistakes: readonly ReportMistake[], thumbnails: Thumbnails): Markup | null {
  if (mistakes.length === 0) return null
  const cards = mistakes.map((mistake) => renderMistake(mistake, thumbnails.get(mistake.image)))
  return card(
    'Worst errors',
    element('p', { class: 'soft' }, 'Test images with a wrong answer, the most confident first.'),
    element('ul', { class: 'images' }, cards),
  )
}

function renderMistake(
  { image, actual, predicted, confidence }: ReportMistake,
  thumbnail: string | undefined,
): Markup {
  const isShown = thumbnail !== undefined && IMAGE_URI.test(thumbnail)
  return element(
    'li',
    {},
    isShown
      ? element('img', { src: thumbnail, alt: `An image of ${shorten(actual, MAX_LABEL)}` })
      : null,
    element('p', {}, codeLabel(actual, MAX_LABEL), ' taken for ', codeLabel(predicted, MAX_LABEL)),
    element(
      'p',
      { class: 'soft' },
      `${formatPercent(confidence)} sure · `,
      element('bdi', {}, shorten(image, MAX_PATH)),
    ),
  )
}

function renderLayers({ layers = [] }: TrainingReport): Markup | null {
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
  return card(
    'Transfer layer',
    element('figure', {}, drawBars(frame, bars, 1)),
    tableFallback('Layers as a table', LAYER_COLUMNS, layers.map(layerRow), 1),
  )
}

const LAYER_COLUMNS = ['Layer', 'Numbers', 'Accuracy', 'NLL', 'LogME'] as const

function layerRow(layer: ReportLayer): string[] {
  const { name, dimension, accuracy, nll, logMe, chosen } = layer
  return [
    `${shorten(name, MAX_LABEL)}${chosen ? ' (chosen)' : ''}`,
    formatCount(dimension),
    formatPercent(accuracy),
    formatNumber(nll),
    formatNumber(logMe),
  ]
}

function showLayers({ layers = [] }: TrainingReport): string | null {
  if (layers.length === 0) return null
  const rows = layers.map((layer) => layerRow(layer).map(escapeMarkdown))
  return `## Transfer layers\n\n${markdownTable(LAYER_COLUMNS, rows, [1, 2, 3, 4])}`
}

function showMistakes({ mistakes = [] }: ReportTest): string | null {
  if (mistakes.length === 0) return null
  const lines = mistakes.slice(0, MAX_SHOWN).map(({ image, actual, predicted, confidence }) => {
    const path = toCodeSpan(shorten(image, MAX_PATH))
    return `- ${path}: ${markdownLabel(actual)} taken for ${markdownLabel(predicted)}, ${formatPercent(confidence)} sure`
  })
  return `## Worst errors\n\n${lines.join('\n')}`
}
