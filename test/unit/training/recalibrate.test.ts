import { describe, expect, test } from 'vitest'
import { fitTemperature } from '../../../shared/training/evaluation/calibration.ts'
import { evaluateHead } from '../../../shared/training/evaluation/evaluate.ts'
import { chooseWidening, recalibrateHead } from '../../../shared/training/evaluation/recalibrate.ts'
import { oneHot } from '../../../shared/training/numerics/rows.ts'
import { trainHead } from '../../../shared/training/train-head.ts'
import { plainKernels } from '../../fakes/plain-kernels.ts'
import { makeBlobs } from './training-fixture.ts'

const kernels = plainKernels()
const learnt = makeBlobs([60, 60, 60], { seed: 3, noise: 0.5 })
/** Rows from further from the same centres than those the head has learnt: it is surer of them than it should be. */
const others = makeBlobs([80, 80, 80], { seed: 3, noise: 1 })

async function overconfident() {
  const { head } = await trainHead(learnt, { family: 'a', method: 'softmax' }, { kernels })
  return { ...head, temperature: head.temperature / 8 }
}

describe('recalibrating a head', () => {
  test('finds the temperature that the likelihood has its minimum at', async () => {
    const head = await overconfident()
    const before = await evaluateHead(head, others, kernels)
    const after = await evaluateHead(await recalibrateHead(head, others, kernels), others, kernels)
    expect(after.nll).toBeLessThan(before.nll)
    expect(after.accuracy).toBe(before.accuracy)
    const scores = await kernels.multiply(
      { data: others.embeddings, rows: 240, columns: others.dimension },
      { data: head.weights, rows: 3, columns: others.dimension },
      { transposeB: true },
    )
    for (let i = 0; i < scores.data.length; i++) {
      scores.data[i] = scores.data[i]! + head.bias[i % 3]!
    }
    const truth = oneHot(others.targets, 3)
    const newton = fitTemperature({ scores, truth, activation: 'softmax' }, head.temperature)
    const { temperature } = await recalibrateHead(head, others, kernels)
    expect(temperature / newton.temperature).toBeCloseTo(1, 2)
  })

  test('moves the detector to where 95 % of the rows pass', async () => {
    const head = await overconfident()
    const { inDistribution } = await evaluateHead(
      await recalibrateHead(head, others, kernels),
      others,
      kernels,
    )
    expect(inDistribution).toBeCloseTo(0.95, 2)
  })

  test('leaves a head alone for want of rows, without a threshold that nobody knows', async () => {
    const head = await overconfident()
    const few = makeBlobs([5, 5, 5])
    expect(await recalibrateHead(head, few, kernels)).toEqual({ ...head, detector: null })
  })

  test('raises a threshold by the quantile of what held-out rows exceed, corrected for their number', () => {
    const excess = Array.from({ length: 99 }, (_, i) => 99 - i)
    // The 95th of 99: at most 5 of 100 new rows lie beyond it (Barber et al. 2021, split conformal).
    expect(chooseWidening(excess)).toBe(95)
    expect(chooseWidening(excess.slice(0, 19))).toBeNull()
  })
})
