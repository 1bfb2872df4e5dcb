import type { z } from 'zod'
import { EspalierError } from '../../../shared/lib/errors.ts'
import { quote } from '../../../shared/lib/text/text.ts'
import type { GivenInput } from '../../../shared/serving/read-inputs.ts'
import type { ApiContext } from '../types.ts'

type Issue = z.core.$ZodIssue

/** What a bound counts, where it is not a number's own value. */
const UNITS: Readonly<Record<string, string>> = { string: ' characters', array: ' items' }

/**
 * Checks the JSON of a request against its schema. Lists longer than `maxItems` are refused unseen,
 * so that millions of wrong items cost nothing.
 * @throws EspalierError `invalid_request`, `too_many_inputs`
 */
export function parseBody<T extends z.ZodType>(
  c: ApiContext,
  schema: T,
  maxItems: number,
): z.output<T> {
  const body = c.get('body')
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new EspalierError('invalid_request', `the body must be an object, not ${nameType(body)}`)
  }
  for (const [key, value] of Object.entries(body)) {
    if (!Array.isArray(value) || value.length <= maxItems) continue
    throw new EspalierError(
      'too_many_inputs',
      `${quote(key)} has ${value.length} items; the limit is ${maxItems} per request, send them in parts`,
      { param: key.slice(0, 80) },
    )
  }
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  const { path, text } = describeIssue(parsed.error.issues[0]!, body, [])
  throw new EspalierError('invalid_request', `${path} ${text}`, { param: path })
}

/**
 * Refuses token ids in place of texts: they come from the caller's tokenizer, and another vocabulary
 * would turn them into nonsense without a word.
 * @throws EspalierError `token_input_unsupported`
 */
export function refuseTokenInput(body: unknown): void {
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, 'input')) return
  const { input } = body as { readonly input: unknown }
  if (!Array.isArray(input)) return
  const first: unknown = input[0]
  if (typeof first !== 'number' && !(Array.isArray(first) && typeof first[0] === 'number')) return
  throw tokenInput()
}

/** The error for token ids in place of texts. */
export function tokenInput(): EspalierError {
  return new EspalierError(
    'token_input_unsupported',
    'input holds token ids; send texts (in LangChain for Python: OpenAIEmbeddings(check_embedding_ctx_length=False))',
    { param: 'input' },
  )
}

/** The inputs of a request, and what its caller calls them. */
export interface GivenInputs {
  readonly inputs: GivenInput | readonly GivenInput[]
  readonly field: string
}

/** What was uploaded, else the inputs of the JSON in `field`. */
export function givenInputs(
  c: ApiContext,
  field: string,
  inputs: GivenInput | readonly GivenInput[],
): GivenInputs {
  const upload = c.get('upload')
  if (upload === undefined) return { inputs, field }
  const images = upload.images.map((image) => ({ image }))
  return { inputs: upload.single ? images[0]! : images, field: 'image' }
}

function describeIssue(
  issue: Issue,
  body: unknown,
  base: readonly PropertyKey[],
): { path: string; text: string } {
  const keys = [...base, ...issue.path]
  if (issue.code === 'invalid_union') {
    // The option that got furthest into the value is the one that the caller meant.
    const options = issue.errors.map((issues) => issues[0]).filter((first) => first !== undefined)
    const deepest = options.find(({ path }) => path.length > 0)
    if (deepest) return describeIssue(deepest, body, keys)
    const wanted = options.map((option) => describeExpected(option)).join(' or ')
    return { path: formatPath(keys), text: describeWrong(`must be ${wanted}`, body, keys) }
  }
  if (issue.code === 'invalid_type' || issue.code === 'invalid_value') {
    const wanted = `must be ${describeExpected(issue)}`
    return { path: formatPath(keys), text: describeWrong(wanted, body, keys) }
  }
  return {
    path: formatPath(keys),
    text: describeBound(issue) ?? `is not allowed: ${issue.message}`,
  }
}

/** Numbers and lists outside their bounds, in plain words. */
function describeBound(issue: Issue): string | null {
  if (issue.code !== 'too_small' && issue.code !== 'too_big') return null
  const small = issue.code === 'too_small'
  const bound = small ? issue.minimum : issue.maximum
  const unit = UNITS[issue.origin] ?? ''
  const open = issue.inclusive === false ? (small ? 'more than' : 'less than') : null
  const limit = open ?? (small ? 'at least' : 'at most')
  return `must ${unit === '' ? 'be' : 'have'} ${limit} ${bound}${unit}`
}

function describeExpected(issue: Issue): string {
  if (issue.code === 'invalid_type') return withArticle(issue.expected)
  if (issue.code === 'invalid_value') return `one of ${issue.values.map(String).join(', ')}`
  return issue.message
}

function describeWrong(wanted: string, body: unknown, keys: readonly PropertyKey[]): string {
  let value = body
  for (const key of keys) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) {
      return `is missing; it ${wanted}`
    }
    value = (value as Record<PropertyKey, unknown>)[key]
  }
  return `${wanted}, not ${typeof value === 'string' ? quote(value) : nameType(value)}`
}

function nameType(value: unknown): string {
  if (value === null) return 'null'
  return withArticle(Array.isArray(value) ? 'array' : typeof value)
}

function withArticle(type: string): string {
  if (type === 'int') return 'a whole number'
  return /^[aeio]/.test(type) ? `an ${type}` : `a ${type}`
}

/** A path as a caller writes it: `inputs[3]`, `options.top_k`. */
function formatPath(keys: readonly PropertyKey[]): string {
  return keys.reduce<string>((path, key) => {
    if (typeof key === 'number') return `${path}[${key}]`
    return path === '' ? String(key) : `${path}.${String(key)}`
  }, '')
}
