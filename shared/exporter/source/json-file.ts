import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { z } from 'zod'
import { EspalierError } from '../../lib/errors.ts'

/** Configuration files are a few kB; tokenizers have a limit of their own. */
const MAX_CONFIG_BYTES = 4 * 1024 * 1024

/**
 * Reads a JSON file against a schema.
 * @returns null when the file does not exist
 * @throws EspalierError `invalid_model_file` naming the file and the first thing wrong in it
 */
export async function readJsonFile<T>(
  path: string,
  schema: z.ZodType<T>,
  maxBytes = MAX_CONFIG_BYTES,
): Promise<T | null> {
  const shown = join(basename(dirname(path)), basename(path))
  const info = await stat(path).catch(() => null)
  if (info === null) return null
  if (!info.isFile() || info.size > maxBytes) {
    throw new EspalierError(
      'invalid_model_file',
      `${shown}: not a file of at most ${maxBytes} bytes`,
    )
  }
  let json: unknown
  try {
    json = JSON.parse(await readFile(path, 'utf8'))
  } catch (cause) {
    throw new EspalierError('invalid_model_file', `${shown}: not valid JSON`, { cause })
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  const where = issue?.path.join('.') || 'document'
  throw new EspalierError('invalid_model_file', `${shown}: ${where}: ${issue?.message}`)
}
