import { extname } from 'node:path'
import { ROW_EXTENSIONS } from '../dataset/source.ts'
import { EspalierError } from '../lib/errors.ts'
import { quote } from '../lib/text/text.ts'
import type { BulkFile, BulkPlace } from './place.ts'
import type { BulkTask } from './shard.ts'

/** A worker's share: number `index` of `count`. */
export interface Share {
  readonly index: number
  readonly count: number
}

/** What one worker is to do. */
export interface BulkPlan {
  readonly tasks: readonly BulkTask[]
  /** Set where the workers share the rows of one file. */
  readonly deal: Share | null
  /** Files of the input that hold no rows. */
  readonly ignored: number
}

const MAX_NAMED = 3

/**
 * Deals the files of the input: worker i of n takes files i, i + n, … in the order of their names. The rows of a
 * single file are dealt in blocks instead.
 * @throws EspalierError `invalid_data` without any file of rows, `invalid_request` where two have one result
 */
export async function planBulk(
  input: BulkPlace,
  options: {
    readonly share: Share
    readonly to: 'jsonl' | 'npy'
    /** Any name will do where the format was given. */
    readonly anyName: boolean
    readonly signal: AbortSignal
  },
): Promise<BulkPlan> {
  const { share, to, anyName, signal } = options
  const all = await input.list(signal)
  const files = all.filter(({ name }) => isShard(name, anyName))
  if (files.length === 0) {
    throw new EspalierError(
      'invalid_data',
      `${input.url}: no file of rows (${ROW_EXTENSIONS.join(', ')})${all.length > 0 ? ` among ${all.length} files` : ''}`,
    )
  }
  const ignored = all.length - files.length
  if (files.length === 1 && share.count > 1) {
    const width = String(share.count).length
    const number = String(share.index).padStart(width, '0')
    const task = toTask(files[0]!, to, `.${number}-of-${share.count}`)
    return { tasks: [task], deal: share, ignored }
  }
  checkNames(input, files)
  const own = files.filter((_, at) => at % share.count === share.index)
  return { tasks: own.map((file) => toTask(file, to, '')), deal: null, ignored }
}

/** Names that begin with a dot or an underscore are for the machinery around data. */
function isShard(name: string, anyName: boolean): boolean {
  if (name.split('/').some((part) => part.startsWith('.') || part.startsWith('_'))) return false
  return anyName || ROW_EXTENSIONS.includes(extname(name).toLowerCase())
}

function toTask(file: BulkFile, to: 'jsonl' | 'npy', suffix: string): BulkTask {
  const base = baseOf(file.name) + suffix
  return {
    file,
    output: `${base}.${to}`,
    ids: to === 'npy' ? `${base}.ids.jsonl` : null,
    bad: `${base}.bad.jsonl`,
  }
}

function baseOf(name: string): string {
  const extension = extname(name)
  return extension === '' ? name : name.slice(0, -extension.length)
}

function checkNames(input: BulkPlace, files: readonly BulkFile[]): void {
  const seen = new Map<string, string>()
  const clashes: string[] = []
  for (const { name } of files) {
    const base = baseOf(name)
    const other = seen.get(base)
    if (other !== undefined) clashes.push(`${quote(other, 80)} and ${quote(name, 80)}`)
    seen.set(base, name)
  }
  if (clashes.length === 0) return
  const named = clashes.slice(0, MAX_NAMED).join('; ')
  throw new EspalierError(
    'invalid_request',
    `${input.url}: ${named} differ in their extension only, and their results would have one name; rename one`,
  )
}
