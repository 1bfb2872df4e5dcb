import { describe, expect, it } from 'vitest'
import { encodeHead } from '../../../shared/head/encode.ts'
import { computeProbabilities } from '../../../shared/head/predict.ts'
import { createRowScorer } from '../../../shared/head/score-rows.ts'
import { OPTIMISED } from '../../../shared/training/catalogue/aims.ts'
import { evaluateHead } from '../../../shared/training/evaluation/evaluate.ts'
import type { Candidate } from '../../../shared/training/methods/candidates.ts'
import { chooseCandidate } from '../../../shared/training/methods/choose-candidate.ts'
import { isClearGain, measureGain } from '../../../shared/training/methods/held-out-losses.ts'
import { createProblem, type Problem } from '../../../shared/training/methods/problem.ts'
import { oneHot } from '../../../shared/training/numerics/rows.ts'
import { trainHead } from '../../../shared/training/train-head.ts'
import type { TrainingSet, TrainOptions } from '../../../shared/training/types.ts'
import { plainKernels } from '../../fakes/plain-kernels.ts'
import { makeBlobs } from './training-fixture.ts'

const kernels = plainKernels()
const base = { family: 'f', method: 'auto' } as const

/** A problem of two even classes of so many rows each. */
function twoClasses(rows: number): Promise<Problem> {
  const set = makeBlobs([rows, rows], { dimension: 4, noise: 1 })
  const targets = oneHot(set.targets, 2)
  const data = { data: set.embeddings, rows: 2 * rows, columns: 4 }
  const parts = { rows: data, targets, groups: set.targets, activation: 'softmax' } as const
  return createProblem(kernels, parts, { folds: 2, seed: 1 })
}

/** A candidate that gives the true class of the i-th held-out row the probability `of(i)`. */
function candidate(problem: Problem, name: string, of: (i: number) => number): Candidate {
  const data = Float32Array.from(problem.truth.data, (one, at) =>
    one > 0 ? of(Math.floor(at / 2)) : 1 - of(Math.floor(at / 2)),
  )
  const right = Array.from(problem.heldOut, (_, i) => Number(of(i) > 0.5))
  const losses = Array.from(problem.heldOut, (_, i) => -Math.log(of(i)))
  const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length
  const probabilities = { ...problem.truth, data }
  const [accuracy, nll] = [mean(right), mean(losses)]
  const head = { parameters: {}, parts: [], temperature: 1, votes: null }
  return { name, ...head, probabilities, accuracy, nll }
}

describe('the choice of auto', () => {
  it('leaves a default out whose scores explode', async () => {
    const problem = await twoClasses(7)
    const broken = candidate(problem, 'softmax+lda', (i) => (i === 3 ? 1e-12 : 0.99))
    const softmax = candidate(problem, 'softmax', () => 0.8)
    const means = candidate(problem, 'ncm', () => 0.75)
    const { chosen, why } = chooseCandidate(problem, [broken, softmax, means], 'log-loss')
    expect(chosen.name).toBe('softmax')
    expect(why).toContain('not considered for a loss beyond that of chance: softmax+lda with 1.98')
  })

  it('keeps the default on few rows, and takes what is clearly likelier on many', async () => {
    const chosenOf = async (rows: number): Promise<string> => {
      const problem = await twoClasses(rows)
      const first = candidate(problem, 'softmax+lda', (i) => (i % 2 === 0 ? 0.7 : 0.6))
      const other = candidate(problem, 'ncm', (i) => (i % 2 === 0 ? 0.8 : 0.7))
      return chooseCandidate(problem, [first, other], 'log-loss').chosen.name
    }
    expect(await chosenOf(4)).toBe('softmax+lda')
    expect(await chosenOf(60)).toBe('ncm')
  })

  it('says nothing of a better one that is not true', async () => {
    const problem = await twoClasses(6)
    const first = candidate(problem, 'softmax+lda', () => 0.7)
    const other = candidate(problem, 'ncm', (i) => (i === 0 ? 0.99 : 0.7))
    expect(chooseCandidate(problem, [first, other], 'log-loss').why).toMatch(
      /^by held-out log-loss, 0\.357 with 100\.0 % right: ncm has a lower one, 0\.\d+, but not clearly, so the default stays$/,
    )
    expect(chooseCandidate(problem, [first, other], 'accuracy').why).toContain(
      'by held-out accuracy, 100.0 %: none of 2 candidates has a higher one',
    )
  })

  it('chooses by accuracy where that is asked for, against the likelihood', async () => {
    const problem = await twoClasses(50)
    const likely = candidate(problem, 'softmax+lda', (i) => (i % 4 === 0 ? 0.45 : 0.95))
    const right = candidate(problem, 'ncm', () => 0.6)
    const choose = (aim: (typeof OPTIMISED)[number]) =>
      chooseCandidate(problem, [likely, right], aim).chosen.name
    expect(choose('log-loss')).toBe('softmax+lda')
    expect(choose('accuracy')).toBe('ncm')
    expect(choose('macro-f1')).toBe('ncm')
  })

  it('is never sure of a gain with fewer than two rows', () => {
    const none = new Float64Array(0)
    expect(isClearGain(measureGain(none, none))).toBe(false)
    expect(isClearGain(measureGain(Float64Array.of(50), Float64Array.of(0)))).toBe(false)
    expect(measureGain(Float64Array.of(3, 5), Float64Array.of(1, 1))).toEqual({
      ...{ mean: 3, error: 1, rows: 2 },
    })
  })
})

describe('uneven labels', () => {
  const uneven = makeBlobs([400, 10, 30], { noise: 1.6, seed: 11 })
  const even = makeBlobs([200, 200, 200], { noise: 1.6, seed: 11 })
  const train = (options: Partial<TrainOptions>, set: TrainingSet = uneven) =>
    trainHead(set, { ...base, ...options }, { kernels })

  it.each([
    [{ balance: true }],
    [{ balance: 0.5 }],
    [{ balance: 'auto' }],
    [{ classWeight: 'balanced' }],
    [{ classWeight: 'auto', balance: 'auto' }],
    [{ optimise: 'macro-f1' }],
    [{ optimise: 'accuracy' }],
    [{ method: 'ridge', balance: true }],
  ] as const)('%o is cross-validated as the head answers', async (options) => {
    const { outOfFold, crossValidation, head } = await train(options)
    const { rows, probabilities } = outOfFold!
    const right = rows.filter((row, i) => {
      const answer = probabilities.data.subarray(i * 3, (i + 1) * 3)
      return answer.indexOf(Math.max(...answer)) === uneven.targets[row]
    })
    expect(right.length / rows.length).toBeCloseTo(crossValidation!.accuracy, 10)
    // The head and its folds agree on most rows only where both leave the same share of the prior out.
    const answers = computeProbabilities(
      head,
      await createRowScorer(head, kernels)(uneven.embeddings),
    )
    const mean = (values: Float32Array, label: number): number =>
      values.filter((_, at) => at % 3 === label).reduce((a, b) => a + b, 0) / (values.length / 3)
    expect(Math.abs(mean(answers, 0) - mean(probabilities.data, 0))).toBeLessThan(0.05)
  })

  it('answers an even test better with balance, and the report says by how much', async () => {
    const plain = await train({})
    const full = await train({ balance: true })
    const score = async (trained: typeof plain): Promise<number> =>
      (await evaluateHead(trained.head, even, kernels)).macroF1
    expect(await score(full)).toBeGreaterThan(await score(plain))
    expect(full.why).toContain('answers leave out the whole log prior')
    expect(full.balanced).toBeNull()
    expect(plain.balanced!.macroF1).toBeGreaterThan(0)
    expect((await train({}, makeBlobs([30, 30, 30]))).balanced).toBeNull()
  })

  it('macro-f1 is at least that of the default, cross-validated', async () => {
    const [plain, fair] = [await train({}), await train({ optimise: 'macro-f1' })]
    const of = (trained: typeof plain): number => trained.crossValidation!.macroF1
    expect(of(fair)).toBeGreaterThanOrEqual(of(plain))
    expect(fair.why).toMatch(/^by held-out macro-F1, /)
    expect(fair.candidates.map(({ name }) => name)).toContain('balanced-softmax')
  })

  it('lets rows of a rare class count alike in the fit', async () => {
    const recall = async (options: Partial<TrainOptions>): Promise<number> => {
      const { head } = await train({ method: 'softmax', ...options })
      return (await evaluateHead(head, even, kernels)).perClass[1]!.recall
    }
    expect(await recall({ classWeight: 'balanced' })).toBeGreaterThan(await recall({}))
  })

  it('gives the same bytes again', async () => {
    const options = { optimise: 'macro-f1', seed: 5 } as const
    const [first, second] = [await train(options), await train(options)]
    expect(encodeHead(second.head)).toEqual(encodeHead(first.head))
  })

  it.each([
    ['optimise', { optimise: 'f1' }, 'there is log-loss, accuracy, macro-f1'],
    ['balance', { balance: 1.5 }, 'balance 1.5'],
    ['balance', { balance: Number.NaN }, 'balance NaN'],
    ['classWeight', { classWeight: 'even' }, 'there is none, balanced, auto'],
  ] as const)('refuses an unknown %s', async (param, options, message) => {
    await expect(train(options as unknown as TrainOptions)).rejects.toMatchObject({
      code: 'invalid_request',
      param,
      message: expect.stringContaining(message),
    })
  })

  it('refuses class weights for several labels a row', async () => {
    const labelSets = Array.from(uneven.targets, (target) => [[0], [1], [0, 1]][target]!)
    const several: TrainingSet = { ...uneven, labels: ['x', 'y'], targets: null, labelSets }
    await expect(train({ classWeight: 'balanced' }, several)).rejects.toMatchObject({
      param: 'classWeight',
    })
  })

  it('holds with classes of one row, and with a constant column', async () => {
    const single = makeBlobs([40, 1, 1], { dimension: 8 })
    const constant = {
      ...single,
      embeddings: single.embeddings.map((value, at) => (at % 8 === 0 ? 0.5 : value)),
    }
    for (const set of [single, constant]) {
      for (const optimise of OPTIMISED) {
        const { head } = await train({ optimise, classWeight: 'auto', balance: 'auto' }, set)
        expect(head.weights.every(Number.isFinite)).toBe(true)
      }
    }
  })
})
