import { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'

/** A token that stands for itself: as a text, or with how it is matched. */
const tokenSchema = z.union([
  z.string().max(1000),
  z.looseObject({ content: z.string().max(1000) }).transform(({ content }) => content),
])
const token = tokenSchema.nullish()

const addedSchema = z.looseObject({
  content: z.string().min(1).max(1000),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
  single_word: z.boolean().default(false),
  normalized: z.boolean().default(false),
  special: z.boolean().default(true),
})

/** `tokenizer_config.json`, as far as a tokenizer is made from it. */
export const settingsSchema = z.looseObject({
  tokenizer_class: z.string().max(100).nullish(),
  do_lower_case: z.boolean().nullish(),
  do_basic_tokenize: z.boolean().nullish(),
  strip_accents: z.boolean().nullish(),
  tokenize_chinese_chars: z.boolean().nullish(),
  extra_ids: z.int().min(0).max(10_000).nullish(),
  unk_token: token,
  cls_token: token,
  sep_token: token,
  pad_token: token,
  mask_token: token,
  added_tokens_decoder: z.record(z.string().regex(/^\d{1,8}$/), addedSchema).nullish(),
})
export type TokenizerSettings = z.infer<typeof settingsSchema>

/** The special tokens of a folder that keeps them apart. */
export const specialTokensSchema = z.looseObject({
  unk_token: token,
  cls_token: token,
  sep_token: token,
  pad_token: token,
  mask_token: token,
})

/** `added_tokens.json`: ids by token. */
export const addedTokensSchema = z.record(z.string().min(1).max(1000), z.int().min(0))

/** An entry of `added_tokens` in a tokenizer.json. */
export interface AddedToken {
  readonly id: number
  readonly content: string
  readonly single_word: boolean
  readonly lstrip: boolean
  readonly rstrip: boolean
  readonly normalized: boolean
  readonly special: boolean
}

/** A special token that is taken as it stands. */
export function specialToken(id: number, content: string, lstrip = false): AddedToken {
  const plain = { single_word: false, lstrip, rstrip: false, normalized: false, special: true }
  return { id, content, ...plain }
}

/**
 * Added tokens by id: those that a tokenizer has by itself, and those that the folder adds to it.
 * @param ids the vocabulary
 * @throws EspalierError `invalid_model_file` for ids that transformers would not give
 */
export function joinAdded(
  own: readonly AddedToken[],
  settings: TokenizerSettings,
  added: Readonly<Record<string, number>> | null,
  ids: ReadonlyMap<string, number>,
): AddedToken[] {
  const found = new Map(own.map((each) => [each.content, each]))
  for (const [id, entry] of Object.entries(settings.added_tokens_decoder ?? {})) {
    const { content, single_word, lstrip, rstrip, normalized, special } = entry
    const match = { single_word, lstrip, rstrip, normalized, special }
    found.set(content, { id: Number(id), content, ...match })
  }
  for (const [content, id] of Object.entries(added ?? {})) {
    const match = { single_word: false, lstrip: false, rstrip: false }
    if (!found.has(content)) {
      found.set(content, { id, content, ...match, normalized: true, special: false })
    }
  }
  const all = [...found.values()].sort((a, b) => a.id - b.id)
  let next = ids.size
  for (const { id, content } of all) {
    const wanted = ids.get(content) ?? next++
    if (id === wanted) continue
    const message = `the added token ${content.slice(0, 100)} has the number ${id}; in this vocabulary it is ${wanted}`
    throw new EspalierError('invalid_model_file', message)
  }
  return all
}

/** `[CLS] A [SEP]`, written as a template; what is not there is left out. */
export function templateOf(
  first: readonly [token: string, id: number] | null,
  last: readonly [token: string, id: number],
): object {
  const special = ([id]: readonly [string, number], type: number) => ({
    SpecialToken: { id, type_id: type },
  })
  const text = (id: 'A' | 'B', type: number) => ({ Sequence: { id, type_id: type } })
  const around = first === null ? [] : [special(first, 0)]
  const tokens = first === null ? [last] : [first, last]
  return {
    type: 'TemplateProcessing',
    single: [...around, text('A', 0), special(last, 0)],
    pair: [...around, text('A', 0), special(last, 0), text('B', 1), special(last, 1)],
    special_tokens: Object.fromEntries(
      tokens.map(([id, number]) => [id, { id, ids: [number], tokens: [id] }]),
    ),
  }
}
