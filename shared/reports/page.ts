import { createHash } from 'node:crypto'
import { type Child, element, raw } from './markup.ts'
import type { Thumbnails } from './sections/section.ts'
import { STYLES } from './styles.ts'

/** What a page holds. */
export interface PageParts {
  readonly title: string
  readonly heading: string
  /** One sentence below the heading. */
  readonly told: string
  readonly content: Child
  /** Rules that the content needs beside those of every page. */
  readonly styles?: readonly string[] | undefined
  /** Images inside the page. @default none */
  readonly thumbnails?: Thumbnails | undefined
}

const NO_THUMBNAILS: Thumbnails = new Map()

/**
 * One HTML file that needs nothing else: no script, no font, no image. Its own policy forbids everything but its one
 * style sheet, named by hash, and images inside the page where it has any, so user text could do nothing even unescaped.
 */
export function renderPage(parts: PageParts): string {
  const { title, heading, told, content, thumbnails = NO_THUMBNAILS } = parts
  const styles = [STYLES, ...(parts.styles ?? []).filter((rules) => rules !== '')].join('\n')
  const head = element(
    'head',
    {},
    element('meta', { charset: 'utf-8' }),
    element('meta', {
      'http-equiv': 'Content-Security-Policy',
      content: describePolicy(styles, thumbnails),
    }),
    element('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    element('title', {}, title),
    element('style', {}, raw(styles)),
  )
  const header = element(
    'header',
    {},
    element('h1', {}, heading),
    element('p', { class: 'soft' }, told),
  )
  const body = element('body', {}, element('main', {}, header, content))
  return `<!doctype html>\n${element('html', { lang: 'en' }, head, body).markup}\n`
}

function describePolicy(styles: string, thumbnails: Thumbnails): string {
  const hash = createHash('sha256').update(styles).digest('base64')
  const images = thumbnails.size > 0 ? ' img-src data:;' : ''
  return `default-src 'none'; style-src 'sha256-${hash}';${images} base-uri 'none'; form-action 'none'`
}
