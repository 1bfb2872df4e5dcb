import { existsSync } from 'node:fs'
import { readdir, realpath } from 'node:fs/promises'
import { basename, dirname, extname, join, relative, sep } from 'node:path'
import { EspalierError } from '../../lib/errors.ts'

/** Kinds of files that an export reads or copies. */
const READ = new Set(['.json', '.safetensors', '.onnx', '.onnx_data', '.data'])
/** Weights of PyTorch, which are read where there are no others. */
const TORCH_WEIGHTS = /^pytorch_model(?:-[0-9a-z-]+)?\.bin$/
/** What a tokenizer is made of, which is read where there is no tokenizer.json. */
const VOCABULARY = /^(?:vocab\.txt|[a-z_.]+\.model)$/
/** More than any folder of a model has; what lies deeper is not read. */
const MAX_ENTRIES = 10_000

/**
 * Whether the export of a folder depends on a file of another kind than those that every export reads. In a folder that
 * has the usual ones the others are of no account.
 */
export function isReadBesides(folder: string): (parent: string, name: string) => boolean {
  const isThere = (...path: string[]) => existsSync(join(...path))
  const isGraph = isThere(folder, 'onnx/model.onnx') || isThere(folder, 'model.onnx')
  const isTokenizer = isThere(folder, 'tokenizer.json')
  return (parent, name) => {
    if (TORCH_WEIGHTS.test(name)) {
      return !isThere(parent, 'model.safetensors') && !(isGraph && parent === folder)
    }
    return !isTokenizer && VOCABULARY.test(name)
  }
}

/**
 * Refuses a folder in which a file that an export would read, or a folder of such files, is a link to somewhere else:
 * a published artifact would carry a file of this machine. The cache of Hugging Face may link to its own blobs.
 * @throws EspalierError `invalid_model_file` naming the link
 */
export async function checkOwnFiles(folder: string): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  if (entries.length > MAX_ENTRIES) {
    const message = `${folder} has ${entries.length} entries; the folder of a model has at most ${MAX_ENTRIES}`
    throw new EspalierError('invalid_model_file', message)
  }
  const links = entries.filter((entry) => entry.isSymbolicLink())
  if (links.length === 0) return
  const roots = await rootsOf(folder)
  const isRead = isReadBesides(folder)
  for (const { parentPath, name } of links) {
    const path = join(parentPath, name)
    const target = await realpath(path).catch(() => null)
    // A link to nothing is missing where it is asked for.
    if (target === null || roots.some((root) => target.startsWith(root + sep))) continue
    // Folders have no extension that says what they hold.
    if (extname(name) !== '' && !READ.has(extname(name)) && !isRead(parentPath, name)) continue
    throw new EspalierError(
      'invalid_model_file',
      `${relative(folder, path)} in ${folder} is a link to a file outside the folder, which an export never follows: put the file itself there`,
    )
  }
}

/**
 * A file of the folder that another one names, wherever in it.
 * @param from the folder that the name is relative to
 * @throws EspalierError `invalid_model_file` where it is missing or lies elsewhere
 */
export async function locateData(root: string, from: string, name: string): Promise<string> {
  const path = join(from, name)
  const target = await realpath(path).catch((cause: unknown) => {
    const message = `${name}: no such file beside what names it`
    throw new EspalierError('invalid_model_file', message, { cause })
  })
  const isBelow = !relative(root, path).startsWith('..')
  const roots = await rootsOf(root)
  if (isBelow && roots.some((own) => target.startsWith(own + sep))) return path
  const message = `${name} lies outside the folder of the model, where nothing is read`
  throw new EspalierError('invalid_model_file', message)
}

/** The folder, and the blobs that a snapshot in the cache of Hugging Face consists of. */
async function rootsOf(folder: string): Promise<string[]> {
  const root = await realpath(folder)
  const model = dirname(dirname(root))
  const isSnapshot =
    basename(dirname(root)) === 'snapshots' && basename(model).startsWith('models--')
  return isSnapshot ? [root, join(model, 'blobs')] : [root]
}
