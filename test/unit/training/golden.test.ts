import { describe, expect, it } from 'vitest'
import { predict } from '../../../shared/head/predict.ts'
import { createRowScorer } from '../../../shared/head/score-rows.ts'
import { openMatrixKernels } from '../../../shared/runtime/kernels/kernels.ts'
import { fitLda } from '../../../shared/training/methods/lda.ts'
import { fitLogistic } from '../../../shared/training/methods/logistic.ts'
import { fitRidge } from '../../../shared/training/methods/ridge.ts'
import { weigh } from '../../../shared/training/methods/softmax.ts'
import { createBasis, fromBasis, toBasis } from '../../../shared/training/numerics/basis.ts'
import { factorShared, fitGaussians } from '../../../shared/training/numerics/gaussian.ts'
import type { LinearFit } from '../../../shared/training/numerics/linear-fit.ts'
import { oneHot, takeRows, takeValues } from '../../../shared/training/numerics/rows.ts'
import { trainHead } from '../../../shared/training/train-head.ts'
import { plainKernels } from '../../fakes/plain-kernels.ts'
import { goldenRows, largestDifference, readTrainingGolden } from './training-fixture.ts'

const golden = readTrainingGolden()
const rows = goldenRows(golden)
const groups = Int32Array.from(golden.targets)
const even = new Float32Array(rows.rows).fill(1 / rows.rows)

describe.each(['plain', 'onnxruntime'] as const)('against scikit-learn on %s kernels', (engine) => {
  const withKernels = async <T>(
    work: (kernels: ReturnType<typeof plainKernels>) => Promise<T>,
  ): Promise<T> => {
    if (engine === 'plain') return await work(plainKernels())
    const kernels = await openMatrixKernels({ threads: 1 })
    try {
      return await work(kernels)
    } finally {
      await kernels.close()
    }
  }

  it('fits the coefficients of LogisticRegression within 1e-4', async () => {
    await withKernels(async (kernels) => {
      const basis = await createBasis(kernels, rows)
      const features = await toBasis(kernels, basis, rows)
      const targets = oneHot(groups, golden.classes)
      for (const reference of golden.logistic) {
        const fit = await fitLogistic(
          kernels,
          { features, targets, rowWeights: even, activation: 'softmax' },
          { lambda: reference.lambda, tolerance: 1e-12 },
        )
        const moved = centreBias(fromBasis(basis, fit))
        expect(largestDifference(moved.weights, reference.weights)).toBeLessThan(1e-4)
        expect(largestDifference(moved.bias, centre(reference.bias))).toBeLessThan(1e-4)
      }
    })
  })

  it('fits the coefficients of class_weight=balanced within 1e-4', async () => {
    await withKernels(async (kernels) => {
      const basis = await createBasis(kernels, rows)
      const features = await toBasis(kernels, basis, rows)
      const fitWeighed = async (
        some: Int32Array,
        activation: 'softmax' | 'sigmoid',
        lambda: number,
      ) => {
        const classes = activation === 'softmax' ? golden.classes : 1
        const targets =
          activation === 'softmax'
            ? oneHot(some, classes)
            : { data: Float32Array.from(some), rows: rows.rows, columns: 1 }
        const rowWeights = weigh(some, Math.max(classes, 2), true)
        const data = { features, targets, rowWeights, activation }
        return fromBasis(basis, await fitLogistic(kernels, data, { lambda, tolerance: 1e-12 }))
      }
      for (const reference of golden.balanced) {
        const moved = centreBias(await fitWeighed(groups, 'softmax', reference.lambda))
        expect(largestDifference(moved.weights, reference.weights)).toBeLessThan(1e-4)
        expect(largestDifference(moved.bias, centre(reference.bias))).toBeLessThan(1e-4)
      }
      const rare = groups.map((group) => Number(group === 3))
      const one = golden.balancedSigmoid
      const found = await fitWeighed(rare, 'sigmoid', one.lambda)
      expect(largestDifference(found.weights, one.weights)).toBeLessThan(1e-4)
      expect(largestDifference(found.bias, one.bias)).toBeLessThan(1e-4)
    })
  })

  it('fits independent sigmoids like a binary LogisticRegression', async () => {
    await withKernels(async (kernels) => {
      const basis = await createBasis(kernels, rows)
      const features = await toBasis(kernels, basis, rows)
      const data = Float32Array.from(groups, (group) => Number(group % 2 === 0))
      const targets = { data, rows: rows.rows, columns: 1 }
      const fit = await fitLogistic(
        kernels,
        { features, targets, rowWeights: even, activation: 'sigmoid' },
        { lambda: golden.sigmoid.lambda, tolerance: 1e-12 },
      )
      const moved = fromBasis(basis, fit)
      expect(largestDifference(moved.weights, golden.sigmoid.weights)).toBeLessThan(1e-4)
      expect(largestDifference(moved.bias, golden.sigmoid.bias)).toBeLessThan(1e-4)
    })
  })

  it('fits LinearDiscriminantAnalysis with shrinkage', async () => {
    await withKernels(async (kernels) => {
      const gaussians = await fitGaussians(kernels, rows, groups, golden.classes, golden.dimension)
      expect(gaussians.ledoitWolf).toBeCloseTo(golden.ledoitWolf, 5)
      for (const reference of golden.lda) {
        const fit = fitLda(gaussians, factorShared(gaussians, reference.shrinkage))
        expect(largestDifference(fit.weights, reference.weights)).toBeLessThan(1e-3)
        expect(largestDifference(fit.bias, reference.bias)).toBeLessThan(1e-3)
      }
    })
  })

  it('fits it also where all classes but one have a single row', async () => {
    const { embeddings, targets, lda } = golden.singleRows
    const few = { data: Float32Array.from(embeddings), rows: targets.length, columns: 8 }
    await withKernels(async (kernels) => {
      const gaussians = await fitGaussians(kernels, few, Int32Array.from(targets), 6, 8)
      for (const reference of lda) {
        const fit = fitLda(gaussians, factorShared(gaussians, reference.shrinkage))
        const scale = Math.max(...reference.weights.map(Math.abs))
        expect(largestDifference(fit.weights, reference.weights) / scale).toBeLessThan(1e-4)
        expect(largestDifference(fit.bias, reference.bias) / scale).toBeLessThan(1e-4)
      }
    })
  })

  it('is NearestCentroid where the rows of every class are equal', async () => {
    const { embeddings, queries, nearest } = golden.equalRows
    const labels = ['a', 'b', 'c', 'd', 'e', 'f']
    const set = {
      embeddings: Float32Array.from(embeddings),
      dimension: 8,
      labels,
      targets: Int32Array.from({ length: 12 }, (_, row) => row >> 1),
      labelSets: null,
    }
    await withKernels(async (kernels) => {
      const { head, why } = await trainHead(set, { family: 'f', method: 'lda' }, { kernels })
      expect(why).toBe(
        'as asked for; in no class do rows differ by more than rounding, so discriminant analysis took the nearest class mean',
      )
      const scorer = await createRowScorer(head, kernels)
      const answers = predict(head, await scorer(Float32Array.from(queries)))
      expect(answers.map(({ labels: [first] }) => labels.indexOf(first!.label))).toEqual(nearest)
    })
  })

  it('fits RidgeClassifier', async () => {
    await withKernels(async (kernels) => {
      const basis = await createBasis(kernels, rows)
      const features = await toBasis(kernels, basis, rows)
      const targets = oneHot(groups, golden.classes)
      const fit = await fitRidge(kernels, features, basis.energies, targets, golden.ridge.alpha)
      const moved = fromBasis(basis, fit)
      expect(largestDifference(moved.weights, golden.ridge.weights)).toBeLessThan(1e-4)
      expect(largestDifference(moved.bias, golden.ridge.bias)).toBeLessThan(1e-4)
    })
  })
})

describe('ridge in closed form', () => {
  /** The scores of some rows by a fit without them, shape [rows, classes]. */
  async function refitWithout(left: readonly number[]): Promise<number[]> {
    const kernels = plainKernels()
    const rest = Int32Array.from(groups.keys()).filter((row) => !left.includes(row))
    const part = takeRows(rows, rest)
    const basis = await createBasis(kernels, part)
    const coordinates = await toBasis(kernels, basis, part)
    const targets = oneHot(takeValues(groups, rest), golden.classes)
    const fit = await fitRidge(kernels, coordinates, basis.energies, targets, 0.5)
    const { weights, bias } = fromBasis(basis, fit)
    return left.flatMap((row) =>
      Array.from(bias, (value, c) => {
        let score = value
        for (let j = 0; j < rows.columns; j++) {
          score += weights[c * rows.columns + j]! * rows.data[row * rows.columns + j]!
        }
        return score
      }),
    )
  }

  async function fitAll(together?: Int32Array): Promise<Float32Array> {
    const kernels = plainKernels()
    const basis = await createBasis(kernels, rows)
    const features = await toBasis(kernels, basis, rows)
    const targets = oneHot(groups, golden.classes)
    const fit = await fitRidge(kernels, features, basis.energies, targets, 0.5, together)
    return fit.leaveOneOut.data
  }

  const scoresOf = (all: Float32Array, of: readonly number[]) =>
    Float32Array.from(
      of.flatMap((row) => [...all.subarray(row * golden.classes, (row + 1) * golden.classes)]),
    )

  it('gives the scores of fits that leave out one row each', async () => {
    const all = await fitAll()
    for (let left = 0; left < rows.rows; left += 7) {
      const found = scoresOf(all, [left])
      expect(largestDifference(found, await refitWithout([left]))).toBeLessThan(1e-5)
    }
  })

  it('gives the scores of fits that leave out all that stays together', async () => {
    const units = [
      [3, 8, 40],
      [1, 2],
      [rows.rows - 1, 5, 6, 7, 11],
    ]
    const together = new Int32Array(rows.rows).fill(-1)
    for (const [unit, members] of units.entries()) for (const row of members) together[row] = unit
    const all = await fitAll(together)
    for (const left of [...units, [0], [20]]) {
      const found = scoresOf(all, left)
      expect(largestDifference(found, await refitWithout(left))).toBeLessThan(1e-5)
    }
  })
})

/** The unpenalised bias is free up to a constant: compare it with mean zero. */
function centreBias(fit: LinearFit): { weights: Float64Array; bias: number[] } {
  return { weights: fit.weights, bias: centre([...fit.bias]) }
}

function centre(values: readonly number[]): number[] {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return values.map((value) => value - mean)
}
