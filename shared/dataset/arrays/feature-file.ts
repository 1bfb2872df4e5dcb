import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { EspalierError } from '../../lib/errors.ts'
import { type Hole, option, say } from '../../lib/wording.ts'
import { dataError, formatBytes } from '../data-error.ts'
import { parseMat } from './mat5.ts'
import { MAX_NPY_BYTES, readNpyValues } from './npy-array.ts'

/** Rows of features made elsewhere. */
export interface FeatureSet {
  readonly name: string
  /** Row-major; float64 where the file has more than float32. */
  readonly features: {
    readonly data: Float32Array | Float64Array
    readonly rows: number
    readonly columns: number
  }
  /** One a row; null where none were asked for. */
  readonly labels: readonly string[] | null
  readonly sha256: string
}

export interface FeatureOptions {
  /** Variable of a MAT file. @default fts */
  readonly variable?: string | undefined
  /** Where the labels are: a variable of a MAT file, or a .npy file beside a .npy file. */
  readonly labels?: string | undefined
}

export const DEFAULT_FEATURES = 'fts'
export const DEFAULT_LABELS = 'labels'

/** Whether a path names a file of features rather than of texts. */
export function isFeatureFile(path: string): boolean {
  return ['.npy', '.mat'].includes(extname(path).toLowerCase())
}

/**
 * Reads a .npy or MAT-5 file of features, [rows, columns].
 * @throws EspalierError `invalid_data` for a file of another kind, or labels that are not one a row
 */
export async function readFeatures(
  path: string,
  options: FeatureOptions = {},
): Promise<FeatureSet> {
  const isMat = extname(path).toLowerCase() === '.mat'
  const { features, labels } = isMat ? await readMat(path, options) : await readNpy(path, options)
  const { rows, columns, data } = features
  if (rows === 0 || columns === 0) throw dataError(path, null, 'no rows')
  if (labels !== null && labels.length !== rows) {
    throw dataError(path, null, `${labels.length} labels for ${rows} rows`)
  }
  const hash = createHash('sha256').update(`${rows} ${columns}\n`)
  hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  if (labels !== null) hash.update(JSON.stringify(labels))
  return { name: path, features, labels, sha256: hash.digest('hex') }
}

async function readMat(path: string, options: FeatureOptions) {
  const { variable = DEFAULT_FEATURES, labels } = options
  const { size } = await stat(path).catch((cause: unknown) => {
    throw dataError(path, null, 'no such file', cause)
  })
  if (size > MAX_NPY_BYTES) {
    throw dataError(path, null, `the file is larger than ${formatBytes(MAX_NPY_BYTES)}`)
  }
  const wanted = labels === undefined ? [variable] : [variable, labels]
  const { arrays, names } = parseMat(path, await readFile(path), wanted)
  const find = (name: string, role: Hole | string) => {
    const found = arrays.get(name)
    if (found !== undefined) return found
    const has = names.length > 0 ? names.slice(0, 20).join(', ') : 'none'
    throw dataError(path, null, say`no variable "${name}" (${role}); the variables are ${has}`)
  }
  const features = find(variable, option('features'))
  if (labels === undefined) return { features, labels: null }
  const { data, rows, columns } = find(labels, 'labels')
  if (rows !== 1 && columns !== 1) {
    throw dataError(
      path,
      null,
      `variable "${labels}" is ${rows} x ${columns}; one column is expected`,
    )
  }
  return { features, labels: Array.from(data, String) }
}

async function readNpy(path: string, { variable, labels }: FeatureOptions) {
  if (variable !== undefined) {
    const message = say`${option('features', variable)}: ${path} has no variables`
    throw new EspalierError('invalid_request', message)
  }
  const { shape, values } = await readNpyValues(path)
  const [rows, columns] = shape as [number, number?]
  if (columns === undefined || Array.isArray(values)) {
    throw dataError(path, null, 'numbers of the shape [rows, columns] are expected')
  }
  const features = { data: values as Float32Array | Float64Array, rows, columns }
  if (labels === undefined) return { features, labels: null }
  const beside = await readNpyValues(labels)
  if (beside.shape.length === 2 && beside.shape[1] !== 1) {
    throw dataError(labels, null, 'labels of the shape [rows] are expected')
  }
  return { features, labels: Array.from<number | string, string>(beside.values, String) }
}
