import { describe, expect, test } from 'vitest'
import { scoreLogMe } from '../../../shared/training/evaluation/logme.ts'
import { scaleRows } from '../../../shared/training/numerics/features.ts'
import { sharedPath } from '../../shared-folder.ts'
import { type Domain, readDomain, readGolden, rootOfCounts } from './adapt-golden.ts'

describe('LogME', () => {
  test.each(readGolden().logme)(
    'equals the evidence by singular values: $rows x $columns',
    ({ data, targets, score, ...shape }) => {
      const features = { ...shape, data: Float64Array.from(data) }
      expect(scoreLogMe(features, Int32Array.from(targets), shape.classes)).toBeCloseTo(score, 7)
    },
  )

  test('refuses what has no evidence', () => {
    const features = { data: new Float64Array([1, Number.NaN]), rows: 2, columns: 1 }
    expect(() => scoreLogMe(features, new Int32Array([0, 1]), 2)).toThrow('not a finite number')
    expect(() => scoreLogMe(features, new Int32Array(2), 1)).toThrow('at least two classes')
  })

  const score = ({ features, targets, classes }: Domain) => scoreLogMe(features, targets, classes)
  const absent = sharedPath('data', 'office-caltech-googlenet') === null

  // GoogLeNet's features promise more than bags of SURF words on the same images.
  test.skipIf(absent)('equals the values measured on Office-Caltech', () => {
    for (const [name, pretrained, surf] of [
      ['webcam', 1.118, 0.137],
      ['dslr', 1.044, 0.052],
    ] as const) {
      const domain = readDomain('office-caltech-googlenet', `${name}.mat`)!
      const features = scaleRows(domain.features, 'length')
      expect(Math.abs(score({ ...domain, features }) - pretrained)).toBeLessThan(1e-3)
      const counts = readDomain('office-caltech-surf', `${name}_SURF_L10.mat`)!
      expect(Math.abs(score(rootOfCounts(counts)) - surf)).toBeLessThan(1e-3)
    }
  })
})
