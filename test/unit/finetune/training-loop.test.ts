import { describe, expect, test } from 'vitest'
import type { Evaluation } from '../../../shared/finetune/evaluate/evaluate-rows.ts'
import {
  type LoopOptions,
  type LoopProgress,
  runTraining,
  type TrainingSession,
} from '../../../shared/finetune/optimise/training-loop.ts'

/** A session whose weight is the number of its steps; losses, accuracies and times are given. */
function fakeSession(
  given: {
    readonly loss?: (step: number) => number
    readonly accuracy?: (step: number) => number | null
    readonly stepMs?: number
    readonly evaluateMs?: number
  } = {},
) {
  let now = 0
  let weight = 0
  let kept = 0
  const factors: number[] = []
  const session: TrainingSession<number> = {
    async step(_batch, factor) {
      now += given.stepMs ?? 10
      factors.push(factor)
      weight++
      return { loss: given.loss?.(weight) ?? 1, norm: 1 }
    },
    async evaluate(): Promise<Evaluation | null> {
      now += given.evaluateMs ?? 0
      const accuracy = given.accuracy ? given.accuracy(weight) : 1 - 1 / (1 + weight)
      return accuracy === null ? null : { loss: 1, accuracy }
    },
    keep() {
      kept = weight
    },
    restore() {
      weight = kept
    },
  }
  return {
    session,
    factors,
    clock: { wallMs: () => now, monotonicMs: () => now },
    weight: () => weight,
  }
}

function run(
  fake: ReturnType<typeof fakeSession>,
  part: Partial<LoopOptions<number>> = {},
  isCancelled: () => boolean = () => false,
) {
  const progress: LoopProgress[] = []
  const options: LoopOptions<number> = {
    epochs: 2,
    stepsPerEpoch: 50,
    warmup: 0.1,
    evaluationsPerEpoch: 5,
    patience: null,
    budgetMs: null,
    learningRate: 2,
    nextBatch: () => 0,
    ...part,
  }
  const tools = {
    clock: fake.clock,
    isCancelled,
    onProgress: (p: LoopProgress) => progress.push(p),
  }
  return runTraining(fake.session, options, tools).then((result) => ({ result, progress }))
}

describe('a whole schedule', () => {
  test('rises over a tenth, falls to 0 and evaluates on the way', async () => {
    const fake = fakeSession()
    const { result, progress } = await run(fake)
    expect(result).toMatchObject({ stopped: 'finished', steps: 100, bestStep: 100, trainMs: 1000 })
    expect(fake.factors.slice(0, 11)).toEqual([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1])
    expect(fake.factors.at(-1)).toBeCloseTo(1 / 90)
    expect(result.curve.map(({ step }) => step)).toEqual([
      0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100,
    ])
    expect(result.curve[0]).toMatchObject({ trainLoss: null, learningRate: 0.2, seconds: 0 })
    expect(result.curve[5]).toMatchObject({ trainLoss: 1, seconds: 0.5 })
    expect(progress.at(-1)).toMatchObject({ phase: 'evaluating', step: 100, secondsLeft: 0 })
    expect(progress.find(({ step }) => step === 60)?.secondsLeft).toBeCloseTo(0.4)
  })

  test('without validation rows the last weights stay', async () => {
    const fake = fakeSession({ accuracy: () => null })
    const { result } = await run(fake, { patience: 1 })
    expect(result).toMatchObject({ stopped: 'finished', bestStep: 100 })
    expect(result.curve.at(-1)).toMatchObject({ validationLoss: null, validationAccuracy: null })
    expect(fake.weight()).toBe(100)
  })

  test('no epoch at all leaves the weights as they are', async () => {
    const fake = fakeSession()
    const { result } = await run(fake, { epochs: 0 })
    expect(result).toMatchObject({ stopped: 'finished', steps: 0, bestStep: 0 })
    expect(fake.weight()).toBe(0)
  })
})

describe('an early end', () => {
  test('patience: so many evaluations without a better one, then the best weights', async () => {
    const fake = fakeSession({ accuracy: (step) => (step <= 30 ? step / 100 : 0.1) })
    const { result } = await run(fake, { patience: 3 })
    expect(result).toMatchObject({ stopped: 'patience', steps: 60, bestStep: 30 })
    expect(fake.weight()).toBe(30)
  })

  test('cancelled: evaluated once more, the best weights kept', async () => {
    const fake = fakeSession()
    const { result } = await run(fake, {}, () => fake.weight() >= 37)
    expect(result).toMatchObject({ stopped: 'cancelled', steps: 37, bestStep: 37 })
    expect(fake.weight()).toBe(37)
  })

  test.each([Number.NaN, Number.POSITIVE_INFINITY])('diverged: a loss of %s', async (bad) => {
    const fake = fakeSession({ loss: (step) => (step === 25 ? bad : 1) })
    const { result } = await run(fake)
    expect(result).toMatchObject({ stopped: 'diverged', steps: 25, bestStep: 20 })
    expect(fake.weight()).toBe(20)
  })

  test('diverged: a loss that stays far above the first', async () => {
    const fake = fakeSession({ loss: (step) => (step < 30 ? 1 : 9), accuracy: () => 0.5 })
    const { result } = await run(fake)
    expect(result.stopped).toBe('diverged')
    expect(result.bestStep).toBe(0)
    expect(fake.weight()).toBe(0)
  })
})

describe('a budget', () => {
  test('shrinks the schedule so that the rate reaches 0 when time is over', async () => {
    const fake = fakeSession({ stepMs: 20, evaluateMs: 30 })
    const { result, progress } = await run(fake, { budgetMs: 1000 })
    expect(result.stopped).toBe('budget')
    expect(result.steps).toBeLessThan(50)
    expect(fake.clock.monotonicMs()).toBeGreaterThan(850)
    expect(fake.clock.monotonicMs()).toBeLessThanOrEqual(1000)
    expect(fake.factors.at(-1)).toBeLessThan(0.06)
    expect(progress[1]?.steps).toBe(100)
    expect(progress.at(-1)?.steps).toBe(result.steps)
  })

  test('changes nothing where there is time enough', async () => {
    const fake = fakeSession()
    const { result } = await run(fake, { budgetMs: 10_000 })
    expect(result).toMatchObject({ stopped: 'finished', steps: 100 })
  })

  test('that is spent already allows no step', async () => {
    const { result } = await run(fakeSession(), { budgetMs: -1 })
    expect(result).toMatchObject({ stopped: 'budget', steps: 0 })
  })
})
