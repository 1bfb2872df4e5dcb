import { describe, expect, it } from 'vitest'
import { forecastDoubling } from '../../../shared/training/evaluation/power-law.ts'
import {
  type CurveRequest,
  measureLearningCurve,
} from '../../../shared/training/repeated/learning-curve.ts'
import { trainHead } from '../../../shared/training/train-head.ts'
import type { TrainingSet } from '../../../shared/training/types.ts'
import { plainKernels } from '../../fakes/plain-kernels.ts'
import { makeBlobs } from './training-fixture.ts'

const kernels = plainKernels()
const options = { family: 'a'.repeat(64), method: 'ncm', seed: 1 } as const
const WORDS = ['parcel', 'invoice', 'refund', 'other']
const textsOf = ({ targets }: { readonly targets: Int32Array }) =>
  Array.from(targets, (target, row) => `my ${WORDS[target]} number ${row % 7}`)

async function request(
  set: TrainingSet & { readonly targets: Int32Array },
  changes: Partial<CurveRequest> = {},
): Promise<CurveRequest> {
  const { refit } = await trainHead(set, options, { kernels })
  return { learnt: { set, texts: textsOf(set) }, refit: refit!, test: null, seed: 3, ...changes }
}

describe('the learning curve', () => {
  it('halves the training rows, on folds, beside TF-IDF, the same every time', async () => {
    const set = makeBlobs([40, 40, 40, 40], { noise: 1.5 })
    const asked = await request(set)
    const found = (await measureLearningCurve(asked, { kernels }))!
    expect(found).toMatchObject({ on: 'folds', rows: 160 })
    expect(found.points.map(({ rows }) => rows)).toEqual([16, 32, 64, 128])
    for (const { draws, head, tfIdf } of found.points) {
      expect(draws).toBe(5)
      expect(head.interval.low).toBeLessThan(head.accuracy)
      expect(tfIdf!.accuracy).toBeGreaterThan(0.8)
    }
    expect(await measureLearningCurve(asked, { kernels })).toEqual(found)
  })

  it('ends on the test rows with what the finished head reached', async () => {
    const set = makeBlobs([40, 40, 40, 40], { noise: 1.5 })
    const rows = makeBlobs([30, 30, 30, 30], { noise: 1.5, seed: 9 })
    const whole = { head: { right: 101, rows: 120 }, tfIdf: { right: 60, rows: 120 } }
    const test = { set: rows, texts: textsOf(rows), whole }
    const found = (await measureLearningCurve(await request(set, { test }), { kernels }))!
    expect(found).toMatchObject({ on: 'test', rows: 120 })
    expect(found.points.map(({ rows }) => rows)).toEqual([10, 20, 40, 80, 160])
    expect(found.points.at(-1)).toMatchObject({
      head: { accuracy: 101 / 120 },
      tfIdf: { accuracy: 0.5 },
    })
    const widths = found.points.map(({ head: { interval } }) => interval.high - interval.low)
    expect(Math.min(...widths)).toBeGreaterThan(0.05)
  })

  it('does without TF-IDF for images, and without rows that cannot be halved', async () => {
    const more = makeBlobs([60, 60], { noise: 1 })
    const curve = await measureLearningCurve(
      { ...(await request(more)), learnt: { set: more, texts: null } },
      { kernels },
    )
    expect(curve!.points.every(({ tfIdf }) => tfIdf === null)).toBe(true)
    expect(await measureLearningCurve(await request(makeBlobs([6, 6])), { kernels })).toBeNull()
  })

  it('ends where it is cancelled', async () => {
    const asked = await request(makeBlobs([60, 60]))
    const run = measureLearningCurve(asked, { kernels, signal: AbortSignal.abort() })
    await expect(run).rejects.toMatchObject({ code: 'request_cancelled' })
  })
})

describe('what twice the rows bring', () => {
  const sizes = [100, 200, 400, 800, 1600]
  const points = (error: (rows: number) => number, deviation = 0.002) =>
    sizes.map((rows) => ({ rows, error: error(rows), deviation }))

  it('follows a power law where there is one', () => {
    const law = (rows: number) => 2 * rows ** -0.5
    const found = forecastDoubling(points(law, 1e-4))!
    expect(found.rows).toBe(3200)
    expect(found.gain).toBeCloseTo(law(1600) - law(3200), 3)
    expect(found.low).toBeLessThan(found.gain)
    expect(found.high).toBeGreaterThan(found.gain)
  })

  it('allows for errors that stay', () => {
    const law = (rows: number) => 3 * rows ** -0.6 + 0.08
    const found = forecastDoubling(points(law))!
    const gain = law(1600) - law(3200)
    expect(found.low).toBeLessThan(gain)
    expect(found.high).toBeGreaterThan(gain)
    expect(found.gain).toBeGreaterThan(gain / 2)
    expect(found.gain).toBeLessThan(gain * 2)
  })

  it.each([
    ['three sizes', points((rows) => 2 * rows ** -0.5).slice(2)],
    ['no errors', points((rows) => (rows > 800 ? 0 : 0.1))],
    ['errors that rise', points((rows) => 0.01 * rows ** 0.3)],
    ['errors that stay as they are', points(() => 0.2)],
    [
      'a last size that the ones before do not foretell',
      points((rows) => (rows > 800 ? 0.15 : 2 * rows ** -0.5)),
    ],
    ['errors that jump', points((rows) => (rows === 400 ? 0.4 : 0.1))],
  ])('says nothing for %s', (_what, given) => {
    expect(forecastDoubling(given)).toBeNull()
  })
})
