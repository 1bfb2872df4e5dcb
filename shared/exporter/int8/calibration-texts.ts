import { readFile, stat } from 'node:fs/promises'
import { EspalierError } from '../../lib/errors.ts'
import type { Tokenizer } from '../../runtime/text/tokenizer.ts'
import { sha256 } from '../source/model-file.ts'

const MAX_FILE_BYTES = 16 * 1024 * 1024
/** A few hundred texts settle the ranges; more only take longer. */
const MAX_TEXTS = 2_000
const MIN_TEXTS = 20
/** Longer texts teach nothing new about ranges. */
const MAX_TOKENS = 256

/** Calibration texts as token ids, with the sha256 that names them. */
export interface CalibrationTexts {
  readonly sha256: string
  readonly ids: readonly Int32Array[]
}

/**
 * Reads one text a line; of a long file an even sample is taken.
 * @throws EspalierError `invalid_data` when the file is missing, too large or has too few lines
 */
export async function readCalibrationTexts(
  path: string,
  tokenizer: Tokenizer,
  maxTokens: number,
): Promise<CalibrationTexts> {
  const info = await stat(path).catch(() => null)
  if (!info?.isFile()) throw new EspalierError('invalid_data', `${path}: no such file`)
  if (info.size > MAX_FILE_BYTES) {
    throw new EspalierError(
      'invalid_data',
      `${path}: ${info.size} bytes; at most ${MAX_FILE_BYTES}, a few hundred lines are enough`,
    )
  }
  const lines = (await readFile(path, 'utf8')).split(/\r?\n/).filter((line) => line.trim() !== '')
  if (lines.length < MIN_TEXTS) {
    throw new EspalierError(
      'invalid_data',
      `${path}: ${lines.length} texts; at least ${MIN_TEXTS} are needed, one a line`,
    )
  }
  const stride = Math.max(1, lines.length / MAX_TEXTS)
  const count = Math.min(lines.length, MAX_TEXTS)
  const texts = Array.from({ length: count }, (_, i) => lines[Math.floor(i * stride)] as string)
  const options = {
    maxTokens: Math.min(maxTokens, MAX_TOKENS),
    truncate: true,
    truncationDirection: 'right',
  } as const
  const ids = texts.map((text) => Int32Array.from(tokenizer.encode(text, options).ids))
  return { sha256: sha256(texts.join('\n')), ids }
}
