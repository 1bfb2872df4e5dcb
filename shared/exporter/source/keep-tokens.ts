import { readFile, stat } from 'node:fs/promises'
import { EspalierError } from '../../lib/errors.ts'
import { createTokenizer } from '../../runtime/text/tokenizer.ts'
import { pruneTokenizer } from '../vocabulary/prune-tokenizer.ts'
import { sha256 } from './model-file.ts'
import type { SourceFolder } from './source-folder.ts'

/** The vocabulary of XLM-R, 250,000 tokens, has 4 MB. */
const MAX_FILE_BYTES = 32 * 1024 * 1024

/** A folder as if its tokenizer had fewer tokens. */
export interface PrunedSource {
  readonly source: SourceFolder
  /** The rows of the table of word vectors that stay, ascending; null where all do. */
  readonly rows: readonly number[] | null
  /** Tokens after and before. */
  readonly vocabulary: { readonly tokens: number; readonly of: number } | null
}

/**
 * Leaves out of a folder's vocabulary what a file does not name: one token a line, as the vocabulary spells it.
 * @throws EspalierError `invalid_data` for the file, `invalid_request` for a token that there is not,
 *   `unsupported_model` for graphs of others and other kinds of tokenizers
 */
export async function keepTokens(
  source: SourceFolder,
  file: string | undefined,
): Promise<PrunedSource> {
  if (file === undefined) return { source, rows: null, vocabulary: null }
  const { network } = source
  if (network.kind !== 'weights') {
    const message = `${source.folder}: tokens are left out of encoders that are built from weights only`
    throw new EspalierError('unsupported_model', message, { param: 'keep-tokens' })
  }
  const wanted = await readTokens(file)
  const text = new TextDecoder().decode(source.tokenizerBytes)
  const {
    rows,
    before,
    text: pruned,
  } = pruneTokenizer(text, `the tokenizer of ${source.folder}`, wanted, [source.padId])
  const beyond = rows.findLast((row) => row >= network.config.vocabulary)
  if (beyond !== undefined) {
    const message = `config.json: vocab_size ${network.config.vocabulary}, but the tokenizer has token ${beyond}`
    throw new EspalierError('invalid_model_file', message)
  }
  const padId = rows.indexOf(source.padId)
  const tokenizerBytes = new TextEncoder().encode(pruned)
  return {
    source: {
      ...source,
      tokenizer: createTokenizer(pruned, `the tokenizer of ${source.folder}`),
      tokenizerBytes,
      tokenizerSha256: sha256(tokenizerBytes),
      padId,
      network: { ...network, config: { ...network.config, vocabulary: rows.length, padId } },
    },
    rows,
    vocabulary: { tokens: rows.length, of: before },
  }
}

async function readTokens(path: string): Promise<readonly string[]> {
  const refuse = (what: string): never => {
    throw new EspalierError('invalid_data', `${path}: ${what}`, { param: 'keep-tokens' })
  }
  const info = await stat(path).catch(() => null)
  if (!info?.isFile()) return refuse('no such file')
  if (info.size > MAX_FILE_BYTES) refuse(`${info.size} bytes; at most ${MAX_FILE_BYTES}`)
  const bytes = await readFile(path)
  let text = ''
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    refuse('not UTF-8')
  }
  const tokens = text.split(/\r?\n/).filter((line) => line !== '')
  if (tokens.length === 0) refuse('names no token; one a line is needed')
  return tokens
}
