import fc from 'fast-check'
import type { ApiDocument, JsonSchema, Operation } from './api-document.ts'
import { type KnownValues, valuesOf } from './from-schema.ts'
import { mutateBytes, mutateValue } from './mutations.ts'

/** One request. It is printed where it fails, and is all that is needed to send it again. */
export interface FuzzCase {
  /** How it was made. `valid` ones follow the document in everything. */
  readonly kind: string
  readonly method: string
  /** As the document has it; null for a path that it has not. */
  readonly template: string | null
  /** With its query. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  /** One character a byte. */
  readonly body: string | null
}

/** What a server has that the document cannot know. */
export interface FuzzTarget {
  readonly document: ApiDocument
  readonly known: KnownValues
  /** A key that opens everything. */
  readonly key: string
}

const BOUNDARY = 'fuzz-boundary'
const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`
const ODD_METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
]
const ODD_TYPES = [
  '',
  'text/plain',
  'application/json; charset=utf-16',
  'application/x-ndjson',
  'application/vnd.api+json',
  'application/xml',
  'multipart/form-data',
  'multipart/mixed; boundary=x',
  'image/gif',
  'IMAGE/PNG',
  'application/json, text/plain',
  ';',
]
const ODD_HEADERS: Readonly<Record<string, readonly string[]>> = {
  'x-espalier-timeout-ms': ['0', '-1', '1.5', '1e3', '99999999', 'soon', '', ' 7 ', '0x10', '1, 2'],
  'x-espalier-fingerprint': ['', 'f'.repeat(64), 'x'.repeat(5_000), '\u00e9'],
  'x-route-key': ['', 'k'.repeat(5_000), '\u00ff'],
  'x-request-id': ['', 'a b', 'x'.repeat(500), '<script>', '../..'],
  traceparent: ['', '00-0-0-0', `00-${'0'.repeat(32)}-${'0'.repeat(16)}-00`],
  accept: ['', 'text/html', '*/*;q=0', 'application/xml'],
  'content-encoding': ['gzip', 'identity', '', 'br, gzip'],
  authorization: ['', 'Bearer', 'Bearer wrong', 'Basic YTpi', 'Bearer a b'],
  origin: ['null', 'http://evil.example'],
  'x-forwarded-for': ['10.0.0.1', 'unknown'],
  expect: ['100-continue'],
  'if-none-match': ['*', '"x"'],
  range: ['bytes=0-1', 'bytes=-'],
}
const ODD_QUERIES = [
  '?',
  '?model=',
  '?model=a&model=b',
  '?model=%00',
  '?model=%ff',
  '?top_k=x&threshold=2',
  '?inputs=a',
  '?__proto__=1&constructor=2',
  `?${'a=1&'.repeat(500)}`,
  '?%',
  '?=',
]
const ODD_PATHS = [
  '/',
  '//embed',
  '/embed/..',
  '/v1/models/%2e%2e%2fx',
  '/v1/models/%',
  '/v1/models/%00',
  '/v1/models/a..b',
  '/v1/models/%F0%28',
  '/v1/models/x/y',
  '/.env',
  '/admin/',
  '/EMBED',
  `/${'x'.repeat(3_000)}`,
]

/** Cases of every kind against every route of the document. */
export function casesOf(target: FuzzTarget): fc.Arbitrary<FuzzCase> {
  const { operations } = target.document
  const valid = fc.oneof(...operations.map((each) => validCases(target, each)))
  const withBody = operations.filter(({ requestBody }) => requestBody !== undefined)
  const posts = fc.oneof(...withBody.map((each) => validCases(target, each)))
  const json = fc.oneof(...withBody.map((each) => validCases(target, each, 'application/json')))
  const odd = (kind: string, change: fc.Arbitrary<Partial<FuzzCase>>, from = valid) =>
    fc.tuple(from, change).map(([base, changes]): FuzzCase => ({ ...base, ...changes, kind }))
  const addTo = (kind: string, changes: Readonly<Record<string, readonly string[]>>) => {
    const [names, values] = [Object.keys(changes), fc.nat()]
    return fc.tuple(valid, fc.constantFrom(...names), values).map(([base, name, at]): FuzzCase => {
      const value = changes[name]![at % changes[name]!.length]!
      return { ...base, kind, headers: { ...base.headers, [name]: value } }
    })
  }
  const stem = ({ target: whole }: FuzzCase) => whole.split('?')[0]!
  return fc.oneof(
    { weight: 6, arbitrary: valid },
    { weight: 8, arbitrary: fc.oneof(...withBody.map((each) => wrongValues(target, each))) },
    {
      weight: 5,
      arbitrary: posts.chain((base) =>
        mutateBytes(fc.constant(base.body ?? '')).map((body) => ({ ...base, kind: 'bytes', body })),
      ),
    },
    { weight: 2, arbitrary: addTo('type', { 'content-type': ODD_TYPES }) },
    { weight: 3, arbitrary: addTo('header', ODD_HEADERS) },
    {
      weight: 1,
      arbitrary: odd(
        'no key',
        fc.constant({ headers: { 'content-type': 'application/json' } }),
        json,
      ),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(valid, fc.constantFrom(...ODD_QUERIES))
        .map(([base, query]) => ({ ...base, kind: 'query', target: stem(base) + query })),
    },
    { weight: 2, arbitrary: odd('method', fc.record({ method: fc.constantFrom(...ODD_METHODS) })) },
    {
      weight: 1,
      arbitrary: odd(
        'path',
        fc.constantFrom(...ODD_PATHS).map((path) => ({ target: path, template: null })),
      ),
    },
    {
      weight: 1,
      arbitrary: valid.map((base) => ({ ...base, kind: 'slash', target: `${stem(base)}/` })),
    },
  )
}

/** Requests that the document allows. @param only of the media types of the body, this one */
function validCases(
  { document, known, key }: FuzzTarget,
  { method, path, parameters = [], requestBody }: Operation,
  only?: string,
): fc.Arbitrary<FuzzCase> {
  const draw = (schema: JsonSchema, name?: string) => valuesOf(document, schema, known, name)
  const given = parameters.map(({ in: place, name, required, schema }) => {
    const texts = draw(schema, name)
      .map(String)
      .filter((text) => place !== 'header' || isHeaderValue(text))
    return fc.tuple(
      fc.constant({ place, name }),
      required ? texts : fc.option(texts, { freq: 2, nil: undefined }),
    )
  })
  const types = Object.keys(requestBody?.content ?? {}).filter((type) => !only || type === only)
  const body = types.map((type) => {
    return draw(requestBody!.content[type]!.schema).map((value) => writeBody(type, value))
  })
  return fc
    .tuple(fc.tuple(...given), body.length > 0 ? fc.oneof(...body) : fc.constant(null))
    .map(([values, written]) => {
      const of = (wanted: string) =>
        values.flatMap(([{ place, name }, text]) =>
          place === wanted && text !== undefined ? [[name, text] as const] : [],
        )
      const filled = of('path').reduce(
        (filling, [name, text]) => filling.replace(`{${name}}`, encodeURIComponent(text)),
        path,
      )
      const query = new URLSearchParams(Object.fromEntries(of('query'))).toString()
      return {
        kind: 'valid',
        method: method.toUpperCase(),
        template: path,
        target: query ? `${filled}?${query}` : filled,
        headers: {
          authorization: `Bearer ${key}`,
          ...(written && { 'content-type': written.type }),
          ...Object.fromEntries(of('header')),
        },
        body: written?.body ?? null,
      }
    })
}

/** JSON that is right but for one place. */
function wrongValues(target: FuzzTarget, operation: Operation): fc.Arbitrary<FuzzCase> {
  const { schema } = operation.requestBody!.content['application/json']!
  const wrong = mutateValue(valuesOf(target.document, schema, target.known))
  return fc
    .tuple(validCases(target, operation, 'application/json'), wrong)
    .map(([base, value]) => ({
      ...base,
      kind: 'value',
      body: toBytes(JSON.stringify(value) ?? ''),
    }))
}

function writeBody(type: string, value: unknown): { readonly type: string; readonly body: string } {
  if (type === 'application/json') return { type, body: toBytes(JSON.stringify(value)) }
  if (type !== 'multipart/form-data') return { type, body: String(value) }
  const parts = Object.entries(value as Record<string, unknown>).flatMap(([name, field]) =>
    [field].flat().map((item) => {
      const isFile = name === 'image'
      const head = `content-disposition: form-data; name="${name}"${isFile ? '; filename="a.png"' : ''}`
      const text = typeof item === 'string' ? item : JSON.stringify(item)
      return `--${BOUNDARY}\r\n${head}\r\n\r\n${isFile ? text : toBytes(text)}\r\n`
    }),
  )
  return { type: FORM_TYPE, body: `${parts.join('')}--${BOUNDARY}--\r\n` }
}

function isHeaderValue(text: string): boolean {
  return /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text)
}

/** UTF-8, one character a byte. */
function toBytes(text: string): string {
  return Buffer.from(text).toString('latin1')
}
