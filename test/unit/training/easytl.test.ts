import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { alignDomains, IDENTITY } from '../../../shared/training/adapt/coral.ts'
import { type Domain, describeDomain } from '../../../shared/training/adapt/domain.ts'
import {
  assignRows,
  classCentres,
  nearestCentres,
  toLinearFit,
} from '../../../shared/training/adapt/easytl.ts'
import { fillEmptyClasses } from '../../../shared/training/adapt/fill-classes.ts'
import { readGolden } from './adapt-golden.ts'

const golden = readGolden()

describe('EasyTL', () => {
  test.each(golden.align)('equals numpy and scipy: $rowsSource rows, ridge $ridge', (expected) => {
    const { columns, classes, ridge } = expected
    const domain = (name: string, rows: number, data: readonly number[]) =>
      describeDomain(name, { data: Float64Array.from(data), rows, columns })
    const source = domain('source', expected.rowsSource, expected.source)
    const target = domain('target', expected.rowsTarget, expected.target)
    const targets = Int32Array.from(expected.sourceTargets)
    const check = (centres: Float64Array, wanted: readonly number[], labels: readonly number[]) => {
      const off = centres.map((value, i) => Math.abs(value - wanted[i]!))
      expect(Math.max(...off)).toBeLessThan(1e-6)
      expect(Array.from(assignRows(target, centres).labels)).toEqual(labels)
    }
    const alignment = alignDomains(source, target, ridge)
    check(
      alignment.apply(classCentres(source, targets, classes)),
      expected.centres,
      expected.labels,
    )
    const raw = IDENTITY.apply(classCentres(source, targets, classes))
    check(raw, expected.centresRaw, expected.labelsRaw)
  })

  test('answers raw rows as its centres answer standardised ones', () => {
    const size = { minLength: 12, maxLength: 12 }
    const numbers = fc.array(fc.double({ min: -5, max: 5, noNaN: true }), size)
    fc.assert(
      fc.property(numbers, fc.array(fc.integer({ min: -9, max: 9 }), size), (data, centres) => {
        const rows = { data: Float64Array.from(data), rows: 4, columns: 3 }
        const target = describeDomain('target', rows)
        const { weights, bias } = toLinearFit(Float64Array.from(centres), target)
        const near = nearestCentres(target.standard, Float64Array.from(centres))
        near.forEach((label, row) => {
          const scores = Array.from(bias, (b, c) =>
            [0, 1, 2].reduce((sum, j) => sum + weights[3 * c + j]! * data[3 * row + j]!, b),
          )
          expect(scores[label]!).toBeGreaterThanOrEqual(Math.max(...scores) - 1e-6)
        })
      }),
    )
  })

  test('gives classes a row that had none, and says how many it moved', () => {
    const rows = { data: Float64Array.of(0, 1, 2, 10), rows: 4, columns: 1 }
    const target = describeDomain('target', rows)
    const centres = Float64Array.of(0, 3, -100).map((x) => (x - target.mean[0]!) / 4)
    const { labels, moved, empty } = assignRows(target, centres)
    expect(new Set(labels).size).toBe(3)
    expect({ moved, empty }).toEqual({ moved: 1, empty: 0 })
    const five = Float64Array.of(0, 3, -100, 50, 60)
    expect(assignRows(target, five)).toMatchObject({ moved: 0, empty: 3 })
  })

  test('refuses domains that are none', () => {
    const domain = (...data: number[]): (() => Domain) => {
      return () =>
        describeDomain('a.npy', { data: Float64Array.from(data), rows: data.length, columns: 1 })
    }
    expect(domain(1)).toThrow('a.npy: 1 rows; a domain needs two at least')
    expect(domain(1, Number.NaN)).toThrow('a.npy: row 1 has a number that is not finite')
  })
})

describe('filling empty classes', () => {
  const total = (costs: Float64Array, labels: ArrayLike<number>, classes: number) =>
    Array.from(labels).reduce((sum, label, row) => sum + costs[row * classes + label]!, 0)
  const nearest = (costs: Float64Array, rows: number, classes: number) =>
    Int32Array.from({ length: rows }, (_, row) => {
      const own = costs.subarray(row * classes, (row + 1) * classes)
      return own.indexOf(Math.min(...own))
    })

  test.each(golden.programme)('is the optimum of the linear programme: $rows x $classes', (lp) => {
    const costs = Float64Array.from(lp.cost)
    const labels = fillEmptyClasses(costs, nearest(costs, lp.rows, lp.classes), lp.classes)
    expect(Array.from(labels)).toEqual(lp.labels)
    expect(total(costs, labels, lp.classes)).toBeCloseTo(lp.value, 6)
  })

  test('costs no more than any assignment that uses every class', () => {
    const shape = fc.tuple(fc.integer({ min: 2, max: 4 }), fc.integer({ min: 0, max: 2 }))
    const cells = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 24, maxLength: 24 })
    fc.assert(
      fc.property(shape, cells, ([classes, spare], values) => {
        const rows = classes + spare
        const costs = Float64Array.from(values.slice(0, rows * classes))
        const labels = fillEmptyClasses(costs, nearest(costs, rows, classes), classes)
        expect(new Set(labels).size).toBe(classes)
        let least = Infinity
        for (let code = 0; code < classes ** rows; code++) {
          const any = Array.from(
            { length: rows },
            (_, i) => Math.floor(code / classes ** i) % classes,
          )
          if (new Set(any).size === classes) least = Math.min(least, total(costs, any, classes))
        }
        expect(total(costs, labels, classes)).toBe(least)
      }),
      { numRuns: 60 },
    )
  })
})
