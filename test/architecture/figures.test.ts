import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'

const root = new URL('../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')

/** A measured figure: where it comes from, and text of another page that must agree with it. */
const figureSchema = z.strictObject({
  value: z.string().regex(/^[\d.,]+$/),
  unit: z.string(),
  what: z.string().min(1),
  source: z.string().min(1),
  date: z.iso.date(),
  holds: z.strictObject({ page: z.string(), text: z.string() }).optional(),
})

const figures = z.record(z.string(), figureSchema).parse(JSON.parse(read('docs/figures.json')))

const pages = [
  'README.md',
  ...readdirSync(new URL('docs/', root))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

/** Quotes in pages: `<!-- figure:NAME -->` with the figure behind it. */
const quotes = pages.flatMap((page) =>
  [...read(page).matchAll(/<!-- figure:([\w-]+) -->([\d.,]*\d)?/g)].map(([, name, value]) => ({
    page,
    name: name!,
    value,
  })),
)

describe('docs/figures.json', () => {
  it.each(Object.keys(figures))('%s is quoted', (name) => {
    expect(quotes.map((quote) => quote.name)).toContain(name)
  })

  const bound = Object.entries(figures).filter(([, { holds }]) => holds !== undefined)
  it.each(bound)('%s agrees with where it was measured', (_, { holds }) => {
    expect(read(holds!.page)).toContain(holds!.text)
  })
})

describe('figures quoted in pages', () => {
  // There Markdown takes the whole line for HTML.
  it.each(pages)('%s has no marker at the start of a line', (page) => {
    expect(read(page)).not.toMatch(/^ {0,3}<!-- figure:/m)
  })

  it.each(quotes)('$page: $name is $value', ({ name, value }) => {
    expect(value).toBe(figures[name]?.value)
  })
})
