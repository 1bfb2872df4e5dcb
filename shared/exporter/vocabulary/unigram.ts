import { EspalierError } from '../../lib/errors.ts'
import { PIECE, type SentencePieceModel } from './sentencepiece-model.ts'
import {
  type AddedToken,
  joinAdded,
  specialToken,
  type TokenizerSettings,
  templateOf,
} from './tokenizer-settings.ts'

const UNIGRAM = 1
const METASPACE = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true }
const T5_EXTRA_IDS = 100

type Scored = readonly [piece: string, score: number]

/** The numbering of a model that was trained elsewhere, and the tokens around a text. */
interface Numbering {
  readonly vocabulary: readonly Scored[]
  readonly unknownId: number
  readonly first: string | null
  readonly last: string
  readonly special: readonly string[]
  /** Matched with the space before it. */
  readonly mask?: string
}

/** The models of SentencePiece whose numbering is known, by the name of their architecture. */
const NUMBERINGS = {
  // fairseq counts its own four first: XLMRobertaTokenizer and CamembertTokenizer of transformers.
  'xlm-roberta': ({ pieces }): Numbering => ({
    vocabulary: [
      ...zeros('<s>', '<pad>', '</s>', '<unk>'),
      ...scored(pieces.slice(3)),
      ['<mask>', 0],
    ],
    unknownId: 3,
    first: '<s>',
    last: '</s>',
    special: ['<s>', '<pad>', '</s>', '<unk>', '<mask>'],
  }),
  camembert: ({ pieces }): Numbering => ({
    vocabulary: [
      ...zeros('<s>NOTUSED', '<pad>', '</s>NOTUSED', '<unk>'),
      ['<unk>NOTUSED', -100],
      ...scored(pieces.slice(1)),
      ['<mask>', 0],
    ],
    unknownId: 3,
    first: '<s>',
    last: '</s>',
    special: ['<pad>', '<unk>', '<s>', '</s>', '<mask>'],
    mask: '<mask>',
  }),
  t5: ({ pieces, unknownId }, { extra_ids: extra }): Numbering => {
    const count = extra ?? T5_EXTRA_IDS
    const extras = Array.from({ length: count }, (_, i) => `<extra_id_${count - 1 - i}>`)
    return {
      vocabulary: [...scored(pieces), ...zeros(...extras)],
      unknownId,
      first: null,
      last: '</s>',
      special: ['<pad>', '</s>', '<unk>', ...extras],
    }
  },
} as const satisfies Record<
  string,
  (model: SentencePieceModel, settings: TokenizerSettings) => Numbering
>

/** Architectures whose models of SentencePiece are read. */
export type UnigramKind = keyof typeof NUMBERINGS
export const UNIGRAM_KINDS = Object.keys(NUMBERINGS) as UnigramKind[]

/** The control pieces that a numbering takes for granted. */
const EXPECTED: Readonly<Record<UnigramKind, readonly string[]>> = {
  'xlm-roberta': ['<unk>', '<s>', '</s>'],
  camembert: ['<unk>', '<s>', '</s>'],
  t5: ['<pad>', '</s>', '<unk>'],
}

/**
 * The tokenizer.json of a Unigram model of SentencePiece, as transformers makes it.
 * @throws EspalierError `unsupported_model` for other kinds of models and ways of normalising, `invalid_model_file`
 */
export function buildUnigram(
  model: SentencePieceModel,
  file: string,
  settings: TokenizerSettings,
  kind: UnigramKind,
  added: Readonly<Record<string, number>> | null,
): string {
  checkModel(model, file)
  const start = model.pieces.slice(0, 3).map(({ text }) => text)
  if (start.join() !== EXPECTED[kind].join()) {
    const message = `${file}: begins with ${start.join(' ')}; models of ${kind} with ${EXPECTED[kind].join(' ')}`
    throw new EspalierError('unsupported_model', message)
  }
  const numbering: Numbering = NUMBERINGS[kind](model, settings)
  const { vocabulary, unknownId, special, first, last, mask } = numbering
  const ids = new Map(vocabulary.map(([piece], id) => [piece, id]))
  const twice = vocabulary.find(([piece], id) => ids.get(piece) !== id)
  if (twice) {
    const message = `${file}: has ${twice[0].slice(0, 100)}, which a tokenizer of ${kind} adds itself`
    throw new EspalierError('unsupported_model', message)
  }
  const idOf = (token: string) => ids.get(token) as number
  const user = model.pieces.filter(({ type }) => type === PIECE.user)
  const own: AddedToken[] = [
    ...special.map((token) => specialToken(idOf(token), token, token === mask)),
    ...user.map(({ text }) => ({ ...specialToken(idOf(text), text), special: false })),
  ]
  const charsmap = Buffer.from(model.charsmap).toString('base64')
  return JSON.stringify({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: joinAdded(own, settings, added, ids),
    normalizer: charsmap === '' ? null : { type: 'Precompiled', precompiled_charsmap: charsmap },
    pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, METASPACE] },
    post_processor: templateOf(first === null ? null : [first, idOf(first)], [last, idOf(last)]),
    decoder: METASPACE,
    model: { type: 'Unigram', unk_id: unknownId, vocab: vocabulary, byte_fallback: false },
  })
}

function checkModel(model: SentencePieceModel, file: string): void {
  const refuse = (what: string): never => {
    throw new EspalierError('unsupported_model', `${file}: ${what}`)
  }
  if (model.modelType !== UNIGRAM) {
    refuse('is a model of another kind (BPE, words, characters); supported: Unigram')
  }
  if (model.byteFallback) refuse('falls back to bytes; supported: models with an unknown piece')
  const isUsual = model.addsDummyPrefix && model.removesExtraSpaces && model.escapesSpaces
  if (!isUsual) refuse('keeps spaces as they are; supported: models that join them')
}

function zeros(...pieces: readonly string[]): Scored[] {
  return pieces.map((piece) => [piece, 0] as const)
}

function scored(pieces: SentencePieceModel['pieces']): Scored[] {
  return pieces.map(({ text, score, type }) => [text, type === PIECE.normal ? score : 0] as const)
}
