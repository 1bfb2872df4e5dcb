import { escapeXml } from './escape.ts'

/** Markup that is safe to write out; strings that are not this get escaped. */
export interface Markup {
  readonly markup: string
}

/** What an element may contain. Text is escaped; null is nothing. */
export type Child = string | number | Markup | null | readonly Child[]

type Attributes = Readonly<Record<string, string | number | null>>

/**
 * One element of HTML or SVG, well-formed as XML: every text and attribute value is escaped here and
 * nowhere else, numbers get two decimals, attributes that are null are left out.
 */
export function element(name: string, attributes: Attributes = {}, ...children: Child[]): Markup {
  const head = Object.entries(attributes).map(([key, value]) =>
    value === null
      ? ''
      : ` ${key}="${typeof value === 'number' ? round(value) : escapeXml(value)}"`,
  )
  const content = write(children)
  const open = `<${name}${head.join('')}`
  return {
    markup: content === '' && SELF_CLOSING.has(name) ? `${open}/>` : `${open}>${content}</${name}>`,
  }
}

/** Text of ours that must not be escaped: a style sheet. */
export function raw(markup: string): Markup {
  return { markup }
}

const SELF_CLOSING: ReadonlySet<string> = new Set([
  ...['meta', 'input', 'br', 'img'],
  ...['rect', 'line', 'path', 'circle'],
])

function write(child: Child): string {
  if (child === null) return ''
  if (typeof child === 'string') return escapeXml(child)
  if (typeof child === 'number') return round(child)
  if ('markup' in child) return child.markup
  return child.map(write).join('')
}

function round(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toFixed(2)) + 0) : '0'
}

/** What a chart says to those who do not see it, and its size in its own units. */
export interface ChartFrame {
  /** Unique in the page: names the title and the description. */
  readonly id: string
  readonly title: string
  readonly description: string
  readonly width: number
  readonly height: number
}

/** An SVG element that scales with its column and reads as one image. */
export function chart(frame: ChartFrame, ...children: Child[]): Markup {
  const { id, title, description, width, height } = frame
  return element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${round(width)} ${round(height)}`,
      width,
      height,
      role: 'img',
      'aria-labelledby': `${id}-title ${id}-description`,
    },
    element('title', { id: `${id}-title` }, title),
    element('desc', { id: `${id}-description` }, description),
    ...children,
  )
}
