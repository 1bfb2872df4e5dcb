import { EspalierError } from '../lib/errors.ts'
import type { Matrix } from '../lib/maths/matrix-kernels.ts'
import { CLASS_WEIGHTS, OPTIMISED } from './catalogue/aims.ts'
import { METHOD_TABLE, METHODS } from './catalogue/methods.ts'
import type { Problem } from './methods/problem.ts'
import { oneHot } from './numerics/rows.ts'
import type { TrainingSet, TrainOptions } from './types.ts'

/** Targets are kept as a dense matrix: 800 MB at this many cells. */
const MAX_TARGET_CELLS = 200_000_000
const MAX_FOLDS = 20

/** What a problem is made of, checked. */
export interface CheckedSet
  extends Pick<Problem, 'rows' | 'targets' | 'groups' | 'activation' | 'together'> {
  /** Values that `groups` may take; with several labels a row one more than labels, for rows without any. */
  readonly groupCount: number
}

/**
 * Turns a training set into matrices. A row of several labels belongs to the group of its rarest one, so
 * that folds spread rare labels evenly.
 * @throws EspalierError `invalid_data` naming the fault; `invalid_request` for options out of range
 */
export function checkSet(set: TrainingSet, options: TrainOptions): CheckedSet {
  const { embeddings, dimension, labels, targets, labelSets } = set
  checkMethod(options.method, labelSets !== null)
  checkAims(options, labelSets !== null)
  const folds = options.folds ?? 5
  if (!Number.isInteger(folds) || folds < 2 || folds > MAX_FOLDS) {
    throw new EspalierError('invalid_request', `folds: ${folds} is not between 2 and ${MAX_FOLDS}`)
  }
  const count = embeddings.length / dimension
  const given = targets?.length ?? labelSets?.length
  if (given !== count) {
    throw new EspalierError('invalid_data', `${count} embeddings for ${given} rows of labels`)
  }
  if (count * labels.length > MAX_TARGET_CELLS) {
    const most = Math.floor(MAX_TARGET_CELLS / labels.length)
    throw new EspalierError(
      'invalid_data',
      `${count} rows with ${labels.length} labels are too many: give at most ${most} rows`,
    )
  }
  for (let i = 0; i < embeddings.length; i++) {
    if (Number.isFinite(embeddings[i]!)) continue
    const row = Math.floor(i / dimension)
    throw new EspalierError('invalid_data', `embedding of row ${row} is not finite`)
  }
  const rows = { data: embeddings, rows: count, columns: dimension }
  const checked = targets
    ? checkSingle(rows, targets, labels)
    : checkMulti(rows, labelSets ?? [], labels)
  return { ...checked, together: set.together }
}

/** Callers in JavaScript may ask for anything, whatever the type says. */
function checkMethod(method: string, severalLabels: boolean): void {
  const fail = (message: string): EspalierError =>
    new EspalierError('invalid_request', message, { param: 'method' })
  if (!METHODS.some((name) => name === method)) {
    throw fail(`method ${method}: there is ${METHODS.join(', ')}`)
  }
  const able = METHODS.filter((name) => name === 'auto' || METHOD_TABLE[name].severalLabels)
  if (severalLabels && !able.some((name) => name === method)) {
    throw fail(`method ${method} needs one label a row: use ${able.join(' or ')} for several`)
  }
}

function checkAims({ optimise, balance, classWeight }: TrainOptions, severalLabels: boolean): void {
  const check = (param: string, value: unknown, known: readonly unknown[]): void => {
    if (value === undefined || known.includes(value)) return
    throw new EspalierError('invalid_request', `${param} ${value}: there is ${known.join(', ')}`, {
      param,
    })
  }
  check('optimise', optimise, OPTIMISED)
  check('classWeight', classWeight, CLASS_WEIGHTS)
  const isShare = typeof balance === 'number' && balance >= 0 && balance <= 1
  if (!isShare) check('balance', balance, [false, true, 'auto'])
  if (severalLabels && classWeight !== undefined && classWeight !== 'none') {
    throw new EspalierError(
      'invalid_request',
      `class weights ${classWeight} need one label a row: with several each label has a threshold of its own`,
      { param: 'classWeight' },
    )
  }
}

function checkSingle(rows: Matrix, targets: Int32Array, labels: readonly string[]): CheckedSet {
  const counts = new Int32Array(labels.length)
  targets.forEach((target, row) => {
    assertLabel(target, row, labels)
    counts[target]!++
  })
  const empty = counts.indexOf(0)
  if (empty >= 0) {
    throw new EspalierError('invalid_data', `label ${JSON.stringify(labels[empty])} has no row`)
  }
  if (labels.length < 2) {
    throw new EspalierError(
      'invalid_data',
      `only one label, ${JSON.stringify(labels[0] ?? '')}: a classifier needs at least two`,
    )
  }
  const groupCount = labels.length
  const one = oneHot(targets, groupCount)
  return { rows, targets: one, groups: targets, groupCount, activation: 'softmax' }
}

function checkMulti(
  rows: Matrix,
  sets: readonly (readonly number[])[],
  labels: readonly string[],
): CheckedSet {
  const width = labels.length
  const data = new Float32Array(sets.length * width)
  const counts = new Int32Array(width)
  sets.forEach((set, row) => {
    for (const label of set) {
      assertLabel(label, row, labels)
      if (data[row * width + label] === 0) counts[label]!++
      data[row * width + label] = 1
    }
  })
  counts.forEach((count, label) => {
    if (count > 0 && count < sets.length) return
    const where = count === 0 ? 'no row' : 'every row'
    throw new EspalierError('invalid_data', `label ${JSON.stringify(labels[label])} has ${where}`)
  })
  const groups = Int32Array.from(sets, (set) =>
    set.reduce((rarest, label) => {
      const isRarer = rarest === width || counts[label]! < counts[rarest]!
      return isRarer ? label : rarest
    }, width),
  )
  const targets = { data, rows: sets.length, columns: width }
  return { rows, targets, groups, groupCount: width + 1, activation: 'sigmoid' }
}

function assertLabel(label: number, row: number, labels: readonly string[]): void {
  if (Number.isInteger(label) && label >= 0 && label < labels.length) return
  throw new EspalierError('invalid_data', `row ${row}: label ${label} of ${labels.length} labels`)
}
