import { describe, expect, it } from 'vitest'
import { createRandom } from '../../../shared/lib/maths/random.ts'
import { crossValidateRepeatedly } from '../../../shared/training/repeated/cross-validate.ts'
import { trainHead } from '../../../shared/training/train-head.ts'
import type { TrainingSet } from '../../../shared/training/types.ts'
import { plainKernels } from '../../fakes/plain-kernels.ts'
import { makeBlobs } from './training-fixture.ts'

const kernels = plainKernels()
const train = { family: 'a'.repeat(64), method: 'ncm', seed: 1 } as const

function repeat(set: TrainingSet, changes: { readonly texts?: readonly string[] } = {}) {
  const options = { train, repeats: 4, folds: 5, seed: 7, texts: null, ...changes }
  return crossValidateRepeatedly(set, options, { kernels })
}

describe('repeated cross-validation', () => {
  it('has a width where nothing is ever wrong, and the same figures every time', async () => {
    const set = makeBlobs([8, 8], { noise: 0.1 })
    const found = (await repeat(set))!
    expect(found).toMatchObject({ repeats: 4, folds: 5, rows: 16, accuracy: 1, macroF1: 1 })
    expect(found.interval).toMatchObject({ high: 1, method: 'clopper-pearson' })
    expect(found.interval.low).toBeCloseTo(0.025 ** (1 / 16), 10)
    expect(found.rowsForFivePoints).toBe(72)
    expect(await repeat(set)).toEqual(found)
  })

  it('cannot tell labels by chance from the most frequent answer', async () => {
    const { targets, ...blobs } = makeBlobs([30, 30])
    const shuffled = { ...blobs, targets: createRandom(5).shuffle(targets.slice()) }
    const found = (await repeat(shuffled))!
    const [majority] = found.baselines
    expect(majority!.name).toBe('majority')
    expect(majority!.gain.low).toBeLessThan(0.1)
    expect(found.interval.low).toBeLessThan(0.5)
    const learnt = (await repeat(makeBlobs([30, 30], { noise: 0.1 })))!
    expect(learnt.baselines[0]!.gain.low).toBeGreaterThan(0.2)
    expect(learnt.baselines[0]!.gain.high - learnt.baselines[0]!.gain.low).toBeGreaterThan(0.05)
  })

  it('sets TF-IDF on the same folds where there are texts, and never holds a lone row out', async () => {
    const set = makeBlobs([10, 10, 1], { noise: 0.1 })
    const words = ['parcel', 'invoice', 'other']
    const texts = Array.from(set.targets, (target, row) => `my ${words[target]} number ${row}`)
    const found = (await repeat(set, { texts }))!
    expect(found.rows).toBe(20)
    expect(found.baselines.map(({ name }) => name)).toEqual(['majority', 'tf-idf'])
    expect(found.baselines[1]!.accuracy).toBeGreaterThan(0.9)
    expect(await repeat(makeBlobs([1, 1]))).toBeNull()
  })

  it('ends where it is cancelled', async () => {
    const options = { train, repeats: 2, folds: 5, seed: 1, texts: null }
    const tools = { kernels, signal: AbortSignal.abort() }
    const run = crossValidateRepeatedly(makeBlobs([8, 8]), options, tools)
    await expect(run).rejects.toMatchObject({ code: 'request_cancelled' })
  })
})

describe('several labels a row', () => {
  it('are counted as whole answers, out of fold as on test rows', async () => {
    const { targets, ...blobs } = makeBlobs([40, 40, 40], { noise: 0.2 })
    // Labels 0 and 1 follow from the vectors; label 2 is thrown by a coin, so that half of the answers are wrong.
    const random = createRandom(3)
    const labelSets = Array.from(targets, (target) => [
      ...(target === 0 ? [0] : target === 1 ? [1] : [0, 1]),
      ...(random.below(2) === 1 ? [2] : []),
    ])
    const set = { ...blobs, targets: null, labelSets }
    const { crossValidation, candidates } = await trainHead(
      set,
      { ...train, method: 'softmax' },
      { kernels },
    )
    expect(crossValidation!.accuracy).toBeLessThan(0.7)
    expect(crossValidation!.accuracy).toBeGreaterThan(0.3)
    expect(crossValidation!.microF1).toBeGreaterThan(crossValidation!.accuracy)
    expect(candidates[0]!.accuracy).toBe(crossValidation!.accuracy)
    const options = {
      train: { ...train, method: 'softmax' },
      repeats: 2,
      folds: 5,
      seed: 1,
    } as const
    const repeated = await crossValidateRepeatedly(set, { ...options, texts: null }, { kernels })
    expect(Math.abs(repeated!.accuracy - crossValidation!.accuracy)).toBeLessThan(0.2)
  })
})
