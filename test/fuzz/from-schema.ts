import fc from 'fast-check'
import { TEXT_PATTERN } from '../../shared/contract/inputs.ts'
import type { ApiDocument, JsonSchema } from './api-document.ts'

/** Values that a server can use, by the name of their property or parameter: the document cannot know them. */
export type KnownValues = Readonly<
  Record<string, { readonly values: readonly unknown[]; readonly others: boolean }>
>

const WORD = fc.constantFrom(
  'the cat',
  'rain is cold',
  'a',
  '  a ',
  'a\0',
  'e\u0301',
  '日本語',
  '🙂',
  '"\\',
)
/** With a letter: what else shows is more than a pattern says. */
const TEXT = fc.oneof(
  WORD,
  fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
    .filter((text) => /\p{L}/u.test(text)),
)
/** A PNG of one pixel. */
export const TINY_PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)

/** Values that are valid by a schema. @param of the parameter that they are for */
export function valuesOf(
  document: ApiDocument,
  schema: JsonSchema,
  known: KnownValues,
  of: string | null = null,
): fc.Arbitrary<unknown> {
  const draw = (part: JsonSchema, name: string | null): fc.Arbitrary<unknown> => {
    const drawn = drawAny(document.resolve(part), draw)
    const { values = [], others = true } = (name === null ? undefined : known[name]) ?? {}
    const usable = values.filter((value) => isValid(part, value))
    if (usable.length === 0) return drawn
    const arbitrary = fc.constantFrom(...usable)
    return others ? fc.oneof({ weight: 3, arbitrary }, { weight: 1, arbitrary: drawn }) : arbitrary
  }
  const isValid = (part: JsonSchema, value: unknown) => document.faultOf(part, value) === null
  // What is not drawn by is checked in the end: `not`, `oneOf` beside properties, the whole of a pattern.
  return draw(schema, of).filter((value) => isValid(schema, value))
}

type Draw = (part: JsonSchema, name: string | null) => fc.Arbitrary<unknown>

function drawAny(schema: JsonSchema, draw: Draw): fc.Arbitrary<unknown> {
  if (schema.enum) return fc.constantFrom(...schema.enum)
  const options = schema.anyOf ?? (schema.properties ? undefined : schema.oneOf)
  if (options) return fc.oneof(...options.map((option) => draw(option, null)))
  const types = [schema.type ?? 'object'].flat()
  return fc.oneof(...types.map((type) => drawType(type, schema, draw)))
}

function drawType(type: string, schema: JsonSchema, draw: Draw): fc.Arbitrary<unknown> {
  const { minimum = -1e6, maximum = 1e6 } = schema
  switch (type) {
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'integer':
      return fc.oneof(fc.constantFrom(minimum, maximum), fc.integer({ min: minimum, max: 100 }))
    case 'number':
      return fc.oneof(
        fc.constantFrom(minimum, maximum),
        fc.double({ min: minimum, max: maximum, noNaN: true }),
      )
    case 'string':
      return drawString(schema)
    case 'array':
      return fc.array(draw(schema.items ?? {}, null), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.min(schema.maxItems ?? 4, 4),
      })
    default:
      return drawObject(schema, draw)
  }
}

function drawString({ pattern, format, minLength = 0, maxLength = 200 }: JsonSchema) {
  if (format === 'binary') return fc.constant(TINY_PNG.toString('latin1'))
  if (pattern === undefined || pattern === TEXT_PATTERN) {
    const short = TEXT.filter((text) => text.length <= maxLength)
    return minLength > 0 ? short : fc.oneof(fc.constant(''), short)
  }
  const png = TINY_PNG.toString('base64')
  const drawn = fc.stringMatching(new RegExp(pattern)).filter((text) => text.length <= maxLength)
  const images = [png, `data:image/png;base64,${png}`].filter((text) =>
    new RegExp(pattern).test(text),
  )
  return images.length > 0 ? fc.oneof(fc.constantFrom(...images), drawn) : drawn
}

function drawObject({ properties = {}, required = [], oneOf }: JsonSchema, draw: Draw) {
  const fields = Object.fromEntries(
    Object.entries(properties).map(([name, schema]) => [name, draw(schema, name)]),
  )
  const all = fc.record(fields, { requiredKeys: [...required] })
  // Of fields that exclude each other, one is kept.
  const exclusive = oneOf?.flatMap((option) => option.required ?? []) ?? []
  if (exclusive.length === 0) return all
  const exact = exclusive.map((name) => {
    const others = exclusive.filter((other) => other !== name)
    const rest = Object.fromEntries(Object.entries(fields).filter(([key]) => !others.includes(key)))
    return fc.record(rest, { requiredKeys: [...required, name] })
  })
  return fc.oneof(...exact)
}
