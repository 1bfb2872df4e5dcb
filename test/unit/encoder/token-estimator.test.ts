import { expect, test } from 'vitest'
import { TokenEstimator } from '../../../shared/encoder/input-kind.ts'

test('guesses grow with the bytes up to the length of the encoder', () => {
  const estimator = new TokenEstimator(256)
  expect(estimator.estimate(0)).toBe(2)
  expect(estimator.estimate(40)).toBe(12)
  expect(estimator.estimate(5_000_000)).toBe(256)
})

test('guesses follow what was seen, within bounds', () => {
  const estimator = new TokenEstimator(512)
  for (let i = 0; i < 200; i++) estimator.observe(32, 32 * 60, 32 * 22)
  expect(estimator.estimate(60)).toBe(22)
  for (let i = 0; i < 200; i++) estimator.observe(8, 8, 800)
  expect(estimator.estimate(60)).toBe(62)
  for (let i = 0; i < 200; i++) estimator.observe(10, 100_000, 300)
  expect(estimator.estimate(80)).toBe(12)
  estimator.observe(5, 0, 10)
  expect(estimator.estimate(80)).toBe(12)
})
