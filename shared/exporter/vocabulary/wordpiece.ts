import { EspalierError } from '../../lib/errors.ts'
import {
  type AddedToken,
  joinAdded,
  specialToken,
  type TokenizerSettings,
  templateOf,
} from './tokenizer-settings.ts'

/** Words of BERT in many languages are 120,000; those that were ever published are below a million. */
const MAX_WORDS = 2_000_000
const LONGEST_WORD = 100

/** The special tokens where a folder names no others. */
const BERT = { unk: '[UNK]', cls: '[CLS]', sep: '[SEP]', pad: '[PAD]', mask: '[MASK]' }
const MPNET = { unk: '[UNK]', cls: '<s>', sep: '</s>', pad: '<pad>', mask: '<mask>' }

/**
 * The tokenizer.json of BERT's WordPiece over a `vocab.txt`, as transformers makes it.
 * @param added `added_tokens.json`, where there is one
 * @throws EspalierError `invalid_model_file`; `unsupported_model` where nothing says whether case is kept
 */
export function buildWordPiece(
  vocabulary: string,
  settings: TokenizerSettings,
  kind: 'bert' | 'mpnet',
  added: Readonly<Record<string, number>> | null,
): string {
  const ids = readWords(vocabulary)
  const names = kind === 'mpnet' ? MPNET : BERT
  const name = {
    unk: settings.unk_token ?? names.unk,
    cls: settings.cls_token ?? names.cls,
    sep: settings.sep_token ?? names.sep,
    pad: settings.pad_token ?? names.pad,
    mask: settings.mask_token ?? names.mask,
  }
  const idOf = (token: string) => {
    const id = ids.get(token)
    if (id !== undefined) return id
    throw new EspalierError('invalid_model_file', `vocab.txt: has no ${token}`)
  }
  idOf(name.unk)
  const own: AddedToken[] = []
  for (const token of [name.pad, name.unk, name.cls, name.sep, name.mask]) {
    const id = ids.get(token)
    if (id === undefined) continue
    own.push(specialToken(id, token, kind === 'mpnet' && token === name.mask))
  }
  const parts = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: joinAdded(own, settings, added, ids),
    normalizer: normalizerOf(settings, ids),
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: templateOf([name.cls, idOf(name.cls)], [name.sep, idOf(name.sep)]),
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  }
  const model = JSON.stringify({
    type: 'WordPiece',
    unk_token: name.unk,
    continuing_subword_prefix: '##',
    max_input_chars_per_word: LONGEST_WORD,
  })
  // Written by hand: an object would put words that are numbers first, and lose one that is called __proto__.
  const words = [...ids].map(([word, id]) => `${JSON.stringify(word)}:${id}`).join(',')
  const whole = `${model.slice(0, -1)},"vocab":{${words}}}`
  return `${JSON.stringify(parts).slice(0, -1)},"model":${whole}}`
}

/** A word a line, its number that of the line; of two equal ones the last counts, as in transformers. */
function readWords(text: string): Map<string, number> {
  const lines = text.split(/\r\n|\r|\n/)
  if (lines.at(-1) === '') lines.pop()
  if (lines.length === 0 || lines.length > MAX_WORDS) {
    throw new EspalierError('invalid_model_file', `vocab.txt: has ${lines.length} words`)
  }
  return new Map(lines.map((word, id) => [word, id]))
}

function normalizerOf(settings: TokenizerSettings, ids: ReadonlyMap<string, number>): object {
  if (settings.do_basic_tokenize === false) {
    throw new EspalierError(
      'unsupported_model',
      'tokenizer_config.json: do_basic_tokenize false; supported: true',
    )
  }
  const lowercase = settings.do_lower_case ?? null
  const isCased = [...ids.keys()].some((word) => /^(?:##)?\p{Lu}/u.test(word))
  if (lowercase === null && isCased) {
    throw new EspalierError(
      'unsupported_model',
      'tokenizer_config.json: nothing says do_lower_case, and vocab.txt has words in upper case: write {"do_lower_case": false} there if case is kept',
    )
  }
  return {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: settings.tokenize_chinese_chars ?? true,
    strip_accents: settings.strip_accents ?? null,
    lowercase: lowercase ?? true,
  }
}
