import { describe, expect, test } from 'vitest'
import { scoreLogMe } from '../../../shared/training/evaluation/logme.ts'
import { scaleRows } from '../../../shared/training/numerics/features.ts'
import { sharedPath } from '../../shared-folder.ts'
import { type Domain, readDomain, rootOfCounts } from './adapt-golden.ts'

describe('LogME', () => {
  const score = ({ features, targets, classes }: Domain) => scoreLogMe(features, targets, classes)
  const absent = sharedPath('data', 'office-caltech-googlenet') === null

  test.skipIf(absent)('equals the values measured on the largest of its sets', () => {
    const domain = readDomain('office-caltech-googlenet', 'amazon.mat')!
    const features = scaleRows(domain.features, 'length')
    expect(Math.abs(score({ ...domain, features }) - 0.972)).toBeLessThan(1e-3)
    const counts = readDomain('office-caltech-surf', 'amazon_SURF_L10.mat')!
    expect(Math.abs(score(rootOfCounts(counts)) - 0.0766)).toBeLessThan(1e-3)
  })
})
