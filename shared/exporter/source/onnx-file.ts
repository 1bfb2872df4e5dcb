import { closeSync, existsSync, openSync, readSync, realpathSync, statSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { EspalierError, restate } from '../../lib/errors.ts'
import type { Graph } from '../../onnx/graph.ts'
import { parseModel } from '../../onnx/reader.ts'
import type { ExternalPart } from '../../onnx/tensor-reader.ts'

/** Where the ONNX file of a folder lies if nobody names another. */
const CANDIDATES = ['onnx/model.onnx', 'model.onnx']
/** The bound of protobuf itself; larger weights lie in files beside the graph. */
export const MAX_MODEL_BYTES = 2 ** 31 - 1

/** The ONNX file of a Hugging Face folder, or null. */
export function findForeignModel(folder: string): string | null {
  return CANDIDATES.map((name) => join(folder, name)).find((path) => existsSync(path)) ?? null
}

/** True for an ONNX file at a place that every release has looked at. */
export function isUsualPlace(folder: string, path: string): boolean {
  return CANDIDATES.includes(relative(folder, path).split(sep).join('/'))
}

/** All ONNX files of a folder, by their paths in it. */
export async function listOnnxFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true })
  return entries
    .filter((name) => name.endsWith('.onnx'))
    .map((name) => name.split(sep).join('/'))
    .sort()
}

/**
 * The ONNX file that somebody named.
 * @throws EspalierError `invalid_model_file` listing those that there are, also for one outside the folder
 */
export async function findNamedModel(folder: string, name: string): Promise<string> {
  const path = join(folder, name)
  const info = await stat(path).catch(() => null)
  const isInside = info?.isFile() && realpathSync(path).startsWith(realpathSync(folder) + sep)
  if (isInside && name.endsWith('.onnx')) return path
  const there = (await listOnnxFiles(folder)).join(', ') || 'none'
  throw broken(name, `is no ONNX file in ${folder}; there is: ${there}`)
}

/**
 * Reads an ONNX file, with the weights that lie in files of the same folder and nowhere else.
 * @throws EspalierError `invalid_model_file`, `unsupported_model` naming the file
 */
export async function readOnnxFile(path: string): Promise<Graph> {
  const { size } = await stat(path)
  if (size > MAX_MODEL_BYTES) throw broken(path, `has ${size} bytes; at most ${MAX_MODEL_BYTES}`)
  try {
    return parseModel(await readFile(path), (part, tensor) => {
      return readPart(dirname(path), part, tensor)
    })
  } catch (error) {
    if (!(error instanceof EspalierError)) throw error
    throw restate(error, { place: { source: path } })
  }
}

function readPart(
  folder: string,
  { location, offset, length }: ExternalPart,
  tensor: string,
): Uint8Array {
  const what = `weights of ${tensor} in ${location}`
  const path = locate(folder, location, what)
  const { size } = statSync(path)
  const bytes = length ?? size - offset
  if (bytes < 0 || offset + bytes > size) throw broken(what, `end after its ${size} bytes`)
  const target = new Uint8Array(bytes)
  const file = openSync(path, 'r')
  try {
    let done = 0
    while (done < bytes) {
      const read = readSync(file, target, done, bytes - done, offset + done)
      if (read === 0) throw broken(what, 'end too soon')
      done += read
    }
  } finally {
    closeSync(file)
  }
  return target
}

/** The file that a location names, links followed; outside the folder there is none. */
function locate(folder: string, location: string, what: string): string {
  let path: string
  try {
    path = realpathSync(join(folder, location))
  } catch (cause) {
    throw new EspalierError('invalid_model_file', `${what} are missing`, { cause })
  }
  if (path.startsWith(realpathSync(folder) + sep)) return path
  throw broken(what, 'lie outside the folder of the model, where nothing is read')
}

function broken(what: string, reason: string): EspalierError {
  return new EspalierError('invalid_model_file', `${what} ${reason}`)
}
