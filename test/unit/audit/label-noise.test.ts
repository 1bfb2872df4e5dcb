import { describe, expect, it } from 'vitest'
import { createRandom } from '../../../shared/lib/maths/random.ts'
import { auditSet } from '../../../shared/training/audit/audit-set.ts'
import { judgeLabels } from '../../../shared/training/audit/judge-labels.ts'
import { fitLabelNoise, wrongProbabilities } from '../../../shared/training/audit/label-noise.ts'
import { fitTemperature } from '../../../shared/training/evaluation/calibration.ts'
import { evaluateHead } from '../../../shared/training/evaluation/evaluate.ts'
import { toProbabilities } from '../../../shared/training/evaluation/probabilities.ts'
import { oneHot } from '../../../shared/training/numerics/rows.ts'
import { trainHead } from '../../../shared/training/train-head.ts'
import type { TrainingSet } from '../../../shared/training/types.ts'
import { plainKernels } from '../../fakes/plain-kernels.ts'
import { makeBlobs } from '../training/training-fixture.ts'

/** Labels that are drawn by scores, then mixed with noise, and what the scores say at the temperature that fits them best. */
function drawLabelled(rows: number, labels: number, rate: number, seed: number) {
  const random = createRandom(seed)
  const scores = { data: new Float32Array(rows * labels), rows, columns: labels }
  const given = new Int32Array(rows)
  const wrong = new Uint8Array(rows)
  for (let row = 0; row < rows; row++) {
    const own = scores.data.subarray(row * labels, (row + 1) * labels)
    for (let c = 0; c < labels; c++) own[c] = 12 * random.next()
    const weights = Array.from(own, Math.exp)
    let left = random.next() * weights.reduce((sum, weight) => sum + weight, 0)
    let label = 0
    while (label < labels - 1 && left > weights[label]!) left -= weights[label++]!
    wrong[row] = Number(random.next() < rate)
    given[row] = wrong[row] === 1 ? (label + 1 + random.below(labels - 1)) % labels : label
  }
  const truth = oneHot(given, labels)
  const { temperature } = fitTemperature({ scores, truth, activation: 'softmax' })
  return { probabilities: toProbabilities(scores, temperature, 'softmax'), given, wrong }
}

describe('the share of wrong labels', () => {
  it.each([0.1, 0.2, 0.3])('of %d is found, and the rows', (rate) => {
    const { wrong, ...labelled } = drawLabelled(4000, 5, rate, 3)
    const { noise, suspects } = judgeLabels(labelled)
    expect(Math.abs(noise.rate - rate)).toBeLessThan(0.05)
    const right = suspects.filter(({ row }) => wrong[row] === 1).length
    expect(right / suspects.length).toBeGreaterThan(0.5)
    const top = suspects.slice(0, 50)
    expect(top.filter(({ row }) => wrong[row] === 1).length).toBeGreaterThan(45)
    for (const { given, likelier } of suspects) expect(likelier).not.toBe(given)
  })

  it('is nothing where unsure answers explain it all', () => {
    const { wrong: _, ...labelled } = drawLabelled(4000, 5, 0, 4)
    expect(judgeLabels(labelled).noise).toMatchObject({ rate: 0, temperature: 1 })
  })

  it('is nothing where the labels do not follow from the inputs', () => {
    const random = createRandom(5)
    const data = Float32Array.from({ length: 400 }, () => 0.5)
    const given = Int32Array.from({ length: 200 }, () => random.below(2))
    const judged = judgeLabels({ probabilities: { data, rows: 200, columns: 2 }, given })
    expect(judged).toMatchObject({ noise: { rate: 0 }, suspects: [] })
  })

  it('is nothing without rows', () => {
    const none = { probabilities: { data: new Float32Array(0), rows: 0, columns: 3 } }
    const labelled = { ...none, given: new Int32Array(0) }
    expect(fitLabelNoise(labelled).rate).toBe(0)
    expect(judgeLabels(labelled).suspects).toEqual([])
  })

  it('gives probabilities of being wrong that are as often right', () => {
    const { wrong, ...labelled } = drawLabelled(8000, 4, 0.2, 6)
    const scores = wrongProbabilities(labelled, fitLabelNoise(labelled))
    const mean = (values: ArrayLike<number>) =>
      Array.from(values).reduce((sum, value) => sum + value, 0) / values.length
    expect(Math.abs(mean(scores) - mean(wrong))).toBeLessThan(0.03)
  })
})

/** Blobs of which a share has the label of the next one. */
function flipped(rate: number, counts = [150, 150, 150, 150]) {
  const set = makeBlobs(counts, { dimension: 16, noise: 1, seed: 1 })
  const random = createRandom(9)
  const wrong = set.targets.map(() => Number(random.next() < rate))
  const others = counts.length - 1
  const targets = set.targets.map((target, row) =>
    wrong[row] === 1 ? (target + 1 + random.below(others)) % counts.length : target,
  )
  return { clean: set, noisy: { ...set, targets } satisfies TrainingSet, wrong }
}

const train = (set: TrainingSet, dropSuspects?: boolean) =>
  trainHead(set, { family: 'f', method: 'softmax', dropSuspects }, { kernels: plainKernels() })

describe('training on wrong labels', () => {
  it('leaves rows out that are likely wrong, and is calibrated to the true labels', async () => {
    const { clean, noisy, wrong } = flipped(0.25)
    const [robust, plain] = [await train(noisy), await train(noisy, false)]
    const { noise, doubted, leftOut } = robust.labelFindings!
    expect(Math.abs(noise - 0.25)).toBeLessThan(0.08)
    expect(leftOut).toBe(doubted.length)
    expect(doubted.filter(({ row }) => wrong[row] === 1).length / leftOut).toBeGreaterThan(0.9)
    expect(plain.labelFindings).toMatchObject({ noise, leftOut: 0 })
    // Cross-validation counts all rows as they are labelled.
    expect(robust.crossValidation).toEqual(plain.crossValidation)
    const measure = (head: typeof robust.head) => evaluateHead(head, clean, plainKernels())
    const [one, other] = [await measure(robust.head), await measure(plain.head)]
    expect(one.accuracy).toBeGreaterThanOrEqual(other.accuracy)
    expect(one.ece).toBeLessThan(0.1)
    expect(other.ece).toBeGreaterThan(0.15)
  })

  it('keeps two rows of every label', async () => {
    const { noisy } = flipped(0.3, [100, 100, 2, 2])
    const { head } = await train(noisy, true)
    expect(head.labels).toEqual(noisy.labels)
  })

  it('says nothing of clean rows, and learns them all', async () => {
    const { clean } = flipped(0)
    const { labelFindings } = await train(clean)
    expect(labelFindings).toEqual({ noise: 0, doubted: [], leftOut: 0 })
  })
})

describe('an audit of rows', () => {
  const audit = (set: TrainingSet) =>
    auditSet({ ...set, texts: null }, { folds: 5, seed: 1 }, { kernels: plainKernels() })

  it('ranks wrong labels first, with the likelier label', async () => {
    const { clean, noisy, wrong } = flipped(0.1)
    const { doubted, judged } = await audit(noisy)
    expect(judged).toBe(600)
    const top = doubted.slice(0, 20)
    expect(top.filter(({ row }) => wrong[row] === 1).length).toBeGreaterThanOrEqual(18)
    for (const { row, likelier } of top.filter((each) => wrong[each.row] === 1)) {
      expect(likelier).toBe(clean.targets[row])
    }
  })

  it('finds copies, conflicts, outliers and labels that cannot be told apart', async () => {
    const clean = makeBlobs([150, 150, 150, 150], { dimension: 16, noise: 0.3 })
    const embeddings = clean.embeddings.slice()
    embeddings.copyWithin(5 * 16, 3 * 16, 4 * 16)
    embeddings.copyWithin(400 * 16, 0, 16)
    const targets = clean.targets.map((target, row) => (target === 3 ? 2 + (row % 2) : target))
    for (let row = 0; row < 600; row++) if (clean.targets[row] === 2) targets[row] = 2 + (row % 2)
    const odd = 7
    embeddings.fill(0, odd * 16, (odd + 1) * 16)
    embeddings[odd * 16 + 15] = -1
    const found = await audit({ ...clean, embeddings, targets })
    expect(found.copies).toContainEqual({ row: 5, other: 3, similarity: expect.closeTo(1, 5) })
    expect(found.conflicts).toContainEqual({ row: 400, other: 0, similarity: expect.closeTo(1, 5) })
    expect(found.outliers.map(({ row }) => row)).toContain(odd)
    expect(found.inseparable).toMatchObject([{ first: 2, second: 3, rows: 300 }])
    for (const at of found.nearest.indices.keys()) {
      expect(found.nearest.indices[at]).not.toBe(Math.floor(at / found.nearest.k))
    }
  })

  it('names of several labels a row those that are one too many, and those that are missing', async () => {
    const { clean, noisy, wrong } = flipped(0.05)
    // Two blobs share a label beside their own; a twentieth of the rows lack it, or have it without reason.
    const own = Array.from(clean.targets, (target) => (target < 2 ? [target, 4] : [target]))
    const given = own.map((set, row) => {
      if (wrong[row] === 0) return set
      return set.includes(4) ? set.filter((label) => label !== 4) : [...set, 4]
    })
    const labels = [...noisy.labels, 'shared']
    const found = await audit({ ...noisy, labels, targets: null, labelSets: given })
    expect(found.judged).toBe(600)
    expect(found.inseparable).toEqual([])
    const flips = wrong.reduce((sum, each) => sum + each, 0)
    const shared = found.doubted.filter(({ given, likelier }) => (given ?? likelier) === 4)
    const hits = shared.filter(({ row }) => wrong[row] === 1)
    expect(hits.length).toBeGreaterThan(0.65 * flips)
    expect(hits.length / shared.length).toBeGreaterThan(0.85)
    for (const { row, given, likelier } of hits) {
      expect([given, likelier]).toEqual(own[row]!.includes(4) ? [null, 4] : [4, null])
    }
    const scores = found.doubted.map(({ score }) => score)
    expect(scores).toEqual(scores.toSorted((a, b) => b - a))
  })

  it('takes three rows, of one label or of several', async () => {
    const set = makeBlobs([2, 1], { dimension: 4 })
    await expect(audit(set)).resolves.toMatchObject({ outliers: [], doubted: [] })
    for (const labelSets of [
      [[0], [1], [0, 1]],
      [[0], [0, 1], []],
      [[], [], [1]],
    ]) {
      const several = { ...set, targets: null, labelSets }
      await expect(audit(several)).resolves.toMatchObject({ outliers: [], doubted: [] })
    }
  })
})
