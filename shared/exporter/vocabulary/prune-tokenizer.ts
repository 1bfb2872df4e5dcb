import { EspalierError } from '../../lib/errors.ts'

/** A tokenizer of fewer tokens, and which rows of the table of word vectors they keep. */
export interface PrunedTokenizer {
  /** The text of its tokenizer.json. */
  readonly text: string
  /** The row before, by new id; ascending. */
  readonly rows: readonly number[]
  /** Tokens that the vocabulary had. */
  readonly before: number
}

type Json = Readonly<Record<string, unknown>>
/** What is known of a tokenizer.json that has been read. */
interface TokenizerFile extends Json {
  readonly added_tokens?: readonly { readonly id: number; readonly content: string }[] | null
  readonly model: Json
}
type Renumber = (id: unknown) => unknown
/** The vocabulary of a model with new ids. */
interface Vocabulary {
  readonly ids: ReadonlyMap<string, number>
  write(kept: readonly string[], renumber: Renumber): Json
}

const CONTINUED = '##'

/**
 * Leaves a Unigram or WordPiece tokenizer the tokens that are wanted, its added tokens and every single character, so
 * that what could be spelled before can be spelled still. Scores stay: text of dropped tokens becomes the pieces that
 * the model finds best among those that stay.
 * @param json a tokenizer.json that a tokenizer has been made of
 * @param wanted tokens as the vocabulary spells them
 * @param others ids that stay whatever is wanted, such as that of padding
 * @throws EspalierError `unsupported_model` for other kinds, `invalid_request` for a token that there is not
 */
export function pruneTokenizer(
  json: string,
  source: string,
  wanted: readonly string[],
  others: readonly number[],
): PrunedTokenizer {
  const file: TokenizerFile = JSON.parse(json)
  const added = file.added_tokens ?? []
  const vocabulary = readVocabulary(file.model, source)
  const addedIds = new Map(added.map(({ id, content }) => [content, id]))
  const kept = new Set<number>([
    ...others,
    ...addedIds.values(),
    ...unknownOf(file.model, vocabulary),
  ])
  for (const [piece, id] of vocabulary.ids) if (isCharacter(piece)) kept.add(id)
  for (const piece of wanted) {
    const id = vocabulary.ids.get(piece) ?? addedIds.get(piece)
    if (id === undefined) {
      const message = `${source} has no token ${JSON.stringify(piece.slice(0, 100))}`
      throw new EspalierError('invalid_request', message, { param: 'keep-tokens' })
    }
    kept.add(id)
  }
  const rows = [...kept].sort((a, b) => a - b)
  const newIds = new Map(rows.map((id, index) => [id, index]))
  const renumber: Renumber = (id) => (typeof id === 'number' ? (newIds.get(id) ?? id) : id)
  const pieces = [...vocabulary.ids].filter(([, id]) => kept.has(id)).map(([piece]) => piece)
  const pruned = {
    ...file,
    truncation: null,
    padding: null,
    added_tokens: added.map((token) => ({ ...token, id: renumber(token.id) })),
    post_processor: renumberStep(file.post_processor, renumber),
    model: { ...file.model, ...vocabulary.write(pieces, renumber) },
  }
  return { text: JSON.stringify(pruned), rows, before: vocabulary.ids.size }
}

function readVocabulary(model: Json, source: string): Vocabulary {
  const { type, vocab } = model
  if (type === 'Unigram' && Array.isArray(vocab)) return readUnigram(model, vocab, source)
  if (type === 'WordPiece' && !Array.isArray(vocab)) {
    const ids = new Map(Object.entries(vocab as Readonly<Record<string, number>>))
    const write: Vocabulary['write'] = (kept, renumber) => ({
      vocab: Object.fromEntries(kept.map((piece) => [piece, renumber(ids.get(piece))])),
    })
    return { ids, write }
  }
  throw new EspalierError(
    'unsupported_model',
    `${source}: its tokenizer is ${String(type)}; tokens are left out of Unigram and WordPiece only`,
  )
}

function readUnigram(model: Json, vocab: readonly unknown[], source: string): Vocabulary {
  const ids = new Map<string, number>()
  for (const [id, entry] of vocab.entries()) {
    const [piece, score] = Array.isArray(entry) ? entry : []
    if (typeof piece !== 'string' || typeof score !== 'number' || ids.has(piece)) {
      const message = `${source}: model.vocab.${id}: must be a piece of its own with a score`
      throw new EspalierError('invalid_model_file', message)
    }
    ids.set(piece, id)
  }
  const byteFallback = model.byte_fallback === true
  if (byteFallback) {
    const message = `${source}: its tokenizer falls back to bytes; tokens are left out of others only`
    throw new EspalierError('unsupported_model', message)
  }
  return {
    ids,
    write: (kept, renumber) => ({
      unk_id: renumber(model.unk_id),
      vocab: kept.map((piece) => vocab[ids.get(piece) as number]),
    }),
  }
}

/** The piece that stands for what cannot be spelled. */
function unknownOf({ unk_id: id, unk_token: token }: Json, { ids }: Vocabulary): number[] {
  const found = typeof id === 'number' ? id : ids.get(String(token ?? '[UNK]'))
  return found === undefined ? [] : [found]
}

function isCharacter(piece: string): boolean {
  const text = piece.startsWith(CONTINUED) ? piece.slice(CONTINUED.length) : piece
  return [...text].length <= 1 || [...piece].length === 1
}

/** The ids that a template puts around a text, and those of BERT's and RoBERTa's own steps. */
function renumberStep(step: unknown, renumber: Renumber): unknown {
  if (typeof step !== 'object' || step === null) return step
  const { processors, special_tokens: special, cls, sep } = step as Json
  const pair = (value: unknown) => (Array.isArray(value) ? [value[0], renumber(value[1])] : value)
  return {
    ...step,
    ...(Array.isArray(processors) && {
      processors: processors.map((each) => renumberStep(each, renumber)),
    }),
    ...(typeof special === 'object' &&
      special !== null && {
        special_tokens: Object.fromEntries(
          Object.entries(special as Readonly<Record<string, Json>>).map(([name, token]) => [
            name,
            { ...token, ids: Array.isArray(token.ids) ? token.ids.map(renumber) : token.ids },
          ]),
        ),
      }),
    ...(cls !== undefined && { cls: pair(cls) }),
    ...(sep !== undefined && { sep: pair(sep) }),
  }
}
