import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeHead } from '../../../shared/head/decode.ts'
import { encodeHead } from '../../../shared/head/encode.ts'
import { computeProbabilities, predict } from '../../../shared/head/predict.ts'
import { createRowScorer } from '../../../shared/head/score-rows.ts'
import { openMatrixKernels } from '../../../shared/runtime/kernels/kernels.ts'
import { METHODS } from '../../../shared/training/catalogue/methods.ts'
import { evaluateHead } from '../../../shared/training/evaluation/evaluate.ts'
import { trainHead } from '../../../shared/training/train-head.ts'
import type { TrainingSet } from '../../../shared/training/types.ts'
import { plainKernels } from '../../fakes/plain-kernels.ts'
import { makeBlobs } from './training-fixture.ts'

const kernels = plainKernels()
const options = { family: 'family', method: 'auto' } as const

describe('trainHead', () => {
  it.each(METHODS)('%s learns separable classes and survives its own file', async (method) => {
    const set = makeBlobs([20, 30, 25, 5], { seed: 3 })
    const trained = await trainHead(set, { family: 'family', method }, { kernels })
    const found = await evaluateHead(trained.head, makeBlobs([20, 30, 25, 5], { seed: 3 }), kernels)
    expect(found.accuracy).toBeGreaterThan(0.9)

    const decoded = decodeHead(encodeHead(trained.head))
    expect(decoded).toEqual(trained.head)
    const before = computeProbabilities(
      trained.head,
      await createRowScorer(trained.head, kernels)(set.embeddings),
    )
    const after = computeProbabilities(
      decoded,
      await createRowScorer(decoded, kernels)(set.embeddings),
    )
    expect(after).toEqual(before)
  })

  it('keeps the held-out answers with the rows that they are about', async () => {
    const set = makeBlobs([20, 30, 25, 5], { noise: 1.5, seed: 3 })
    const { outOfFold, crossValidation } = await trainHead(set, options, { kernels })
    const { rows, probabilities } = outOfFold!
    expect([...rows].sort((a, b) => a - b)).toEqual(Array.from({ length: 80 }, (_, row) => row))
    const right = rows.filter((row, i) => {
      const answer = probabilities.data.subarray(i * 4, (i + 1) * 4)
      return answer.indexOf(Math.max(...answer)) === set.targets![row]
    })
    expect(right.length / rows.length).toBe(crossValidation!.accuracy)
    expect(crossValidation!.accuracy).toBeLessThan(1)
  })

  it('writes the same bytes for the same rows and seed', async () => {
    const ort = await openMatrixKernels({ threads: 2 })
    try {
      const set = makeBlobs([80, 70, 90], { noise: 1.2 })
      const first = await trainHead(set, options, { kernels: ort })
      const second = await trainHead(set, options, { kernels: ort })
      expect(encodeHead(second.head)).toEqual(encodeHead(first.head))
      expect(second.candidates).toEqual(first.candidates)
    } finally {
      await ort.close()
    }
  })

  it('blends in neighbours where classes are not linear, and serves the blend', async () => {
    const base = makeBlobs([60, 60, 60, 60, 60, 60], { noise: 0.4, seed: 5 })
    const set = {
      ...base,
      labels: ['a', 'b'],
      targets: base.targets.map((target) => Number(target === 0 || target === 3 || target === 5)),
    }
    const trained = await trainHead(set, { ...options, method: 'knn' }, { kernels })
    expect(trained.head.memory?.scales.length).toBe(360)
    const found = await evaluateHead(trained.head, set, kernels)
    expect(found.accuracy).toBeGreaterThan(0.95)
  })

  it('keeps no memory when told so', async () => {
    const set = makeBlobs([150, 150], { noise: 1.5 })
    const trained = await trainHead(set, { ...options, memory: false }, { kernels })
    expect(trained.head.memory).toBeNull()
  })

  it('trains several labels a row', async () => {
    const base = makeBlobs([60, 60, 60, 60], { seed: 9 })
    const labelSets = Array.from(base.targets, (target) => [[0], [1], [0, 1], []][target]!)
    const set: TrainingSet = { ...base, labels: ['x', 'y'], targets: null, labelSets }
    const trained = await trainHead(set, options, { kernels })
    expect(trained.method).toBe('sigmoid')
    expect(trained.head.thresholds).toHaveLength(2)
    const found = await evaluateHead(trained.head, set, kernels)
    expect(found.accuracy).toBeGreaterThan(0.9)
    expect(found.hammingLoss).toBeLessThan(0.1)
    expect(found.confusions).toEqual([])
    const input = await createRowScorer(trained.head, kernels)(set.embeddings)
    const answers = predict(trained.head, input).map(({ labels }) => labels.map((l) => l.label))
    expect(answers[0]).toEqual(['x'])
    expect(answers[130]?.sort()).toEqual(['x', 'y'])
    expect(answers[200]).toEqual([])
  })

  it('flags rows unlike any it was trained on', async () => {
    const set = makeBlobs([60, 60, 60], { noise: 0.3, seed: 2 })
    const { head } = await trainHead(set, options, { kernels })
    const strangers = makeBlobs([40, 40], { noise: 0.3, seed: 77 })
    const near = predict(head, await createRowScorer(head, kernels)(set.embeddings))
    const far = predict(head, await createRowScorer(head, kernels)(strangers.embeddings))
    const share = (rows: readonly { inDistribution: boolean | null }[]): number =>
      rows.filter(({ inDistribution }) => inDistribution).length / rows.length
    expect(share(near)).toBeGreaterThan(0.9)
    expect(share(far)).toBeLessThan(0.2)
  })

  it('counts rare labels fully when balanced', async () => {
    const set = makeBlobs([300, 12], { noise: 2.2, seed: 4 })
    const test = makeBlobs([300, 300], { noise: 2.2, seed: 4 })
    const recall = async (balance: boolean): Promise<number> => {
      const trained = await trainHead(set, { ...options, method: 'softmax', balance }, { kernels })
      return (await evaluateHead(trained.head, test, kernels)).perClass[1]!.recall
    }
    expect(await recall(true)).toBeGreaterThan(await recall(false))
  })

  it('trains whatever the class sizes, down to one row each', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 6 }),
        fc.constantFrom(...METHODS),
        fc.integer({ min: 0, max: 1000 }),
        async (counts, method, seed) => {
          const set = makeBlobs(counts, { seed, dimension: 8 })
          const { head } = await trainHead(set, { family: 'f', method, seed }, { kernels })
          const input = await createRowScorer(head, kernels)(set.embeddings)
          for (const { score, labels } of predict(head, input)) {
            expect(score).toBeGreaterThan(0)
            expect(labels.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 4)
          }
          expect(decodeHead(encodeHead(head))).toEqual(head)
        },
      ),
      { numRuns: 40, seed: 20 },
    )
  })

  describe.each([
    ['one row', 1],
    ['two equal rows', 2],
    ['three equal rows', 3],
  ])('of classes of %s each', (_, copies) => {
    it.each(METHODS)('%s makes a head that can be loaded and tells them apart', async (method) => {
      const single = makeBlobs([1, 1, 1, 1, 1], { seed: 4, dimension: 32 })
      const width = single.dimension
      const set: TrainingSet = {
        ...single,
        embeddings: Float32Array.from({ length: 5 * copies * width }, (_, i) => {
          const row = Math.floor(i / (copies * width))
          return single.embeddings[row * width + (i % width)]!
        }),
        targets: Int32Array.from({ length: 5 * copies }, (_, row) => Math.floor(row / copies)),
      }
      const { head, why } = await trainHead(set, { family: 'f', method }, { kernels })
      expect(decodeHead(encodeHead(head))).toEqual(head)
      const answers = predict(head, await createRowScorer(head, kernels)(single.embeddings))
      expect(answers.map(({ labels: [first] }) => first!.label)).toEqual(single.labels)
      const hasLda = method === 'lda' || method === 'auto'
      expect(why.includes('in no class do rows differ')).toBe(hasLda)
    })
  })

  it('tells where discriminant analysis had no variance in parts of the rows', async () => {
    // Held out one of the first class, every class has a single row.
    const set = makeBlobs([2, 1, 1, 1], { seed: 4, dimension: 32 })
    const { head, why } = await trainHead(set, { family: 'f', method: 'lda' }, { kernels })
    expect(decodeHead(encodeHead(head))).toEqual(head)
    expect(why).toContain('in parts of the cross-validation no rows of a class differ')
  })

  it('survives equal embeddings and contradictory rows', async () => {
    const base = makeBlobs([20, 20])
    const same = { ...base, embeddings: new Float32Array(base.embeddings.length).fill(0.25) }
    const { head } = await trainHead(same, options, { kernels })
    const [first] = predict(head, await createRowScorer(head, kernels)(same.embeddings))
    expect(first!.score).toBeCloseTo(0.5, 2)
  })

  it('reports progress up to the end and stops when cancelled', async () => {
    const set = makeBlobs([10, 10])
    const seen: string[] = []
    await trainHead(set, options, { kernels, onProgress: (stage) => seen.push(stage) })
    expect(seen).toEqual(expect.arrayContaining(['softmax', 'lda', 'fit', 'detector', 'done']))
    const signal = AbortSignal.abort()
    const cancelled = trainHead(set, options, { kernels, signal })
    await expect(cancelled).rejects.toMatchObject({ code: 'request_cancelled' })
  })

  it.each([
    ['one label', { labels: ['a'], targets: new Int32Array(30) }, /at least two/],
    ['an empty label', { labels: ['a', 'b', 'c', 'd'] }, /label "d" has no row/],
    ['rows without targets', { targets: new Int32Array(3) }, /30 embeddings for 3 rows/],
    ['a target out of range', { labels: ['a', 'b'] }, /row 20: label 2/],
    ['a number that is none', { embeddings: new Float32Array(480).fill(Number.NaN) }, /row 0/],
  ])('refuses %s', async (_what, change, message) => {
    const set = { ...makeBlobs([10, 10, 10]), ...change }
    const refused = trainHead(set, options, { kernels })
    await expect(refused).rejects.toThrow(message)
    await expect(refused).rejects.toMatchObject({ code: 'invalid_data' })
  })

  it('refuses fold counts and methods that cannot work', async () => {
    const set = makeBlobs([10, 10])
    const folds = trainHead(set, { ...options, folds: 1 }, { kernels })
    await expect(folds).rejects.toMatchObject({ code: 'invalid_request' })
    const labelSets = Array.from(set.targets, (target) => [target])
    const multi = { ...set, targets: null, labelSets }
    const lda = trainHead(multi, { ...options, method: 'lda' }, { kernels })
    await expect(lda).rejects.toMatchObject({ code: 'invalid_request', param: 'method' })
  })

  it.each(['svm', 'toString'])(
    'refuses the unknown method %s and names those there are',
    async (method) => {
      const asked = { ...options, method: method as 'auto' }
      const refused = trainHead(makeBlobs([10, 10]), asked, { kernels })
      await expect(refused).rejects.toMatchObject({ code: 'invalid_request', param: 'method' })
      await expect(refused).rejects.toThrow(METHODS.join(', '))
    },
  )

  it('says why a method was chosen without its name', async () => {
    const set = makeBlobs([30, 30, 30])
    const { method, why } = await trainHead(set, options, { kernels })
    expect(why).toMatch(
      /^by held-out log-loss, \d\.\d{3} with [\d.]+ % right: (?:none of \d+ candidates has a lower one|\S+ has a lower one, \d\.\d{3}, but not clearly(?:, so the default stays)?)$/,
    )
    expect(why).not.toContain(method)
  })
})
