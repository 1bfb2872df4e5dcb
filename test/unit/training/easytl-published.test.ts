import { describe, test } from 'vitest'
import { sharedPath } from '../../shared-folder.ts'
import { easyTl, expectRow, prepare, tasks } from './easytl-tables.ts'

const here = sharedPath('data', 'amazon-reviews-400') !== null

describe.skipIf(!here)('published tables (need the reference data beside the project)', () => {
  test('Amazon reviews', () => {
    const all = ['books', 'dvd', 'elec', 'kitchen'].map((name) =>
      prepare('amazon-reviews-400', `${name}_400.mat`),
    )
    const pairs = tasks('BDEK', 'BD BE BK DB DE DK EB ED EK KB KD KE'.split(' '))
    const row = (align: boolean) => pairs.map(([s, t]) => easyTl(all[s]!, all[t]!, align))
    expectRow(row(false), '78.4 77.5 79.2 79.5 77.4 80.4 73.0 73.1 84.6 75.1 73.8 82.0')
    expectRow(row(true), '79.8 79.7 80.9 79.9 80.8 82.0 75.0 75.3 84.9 76.5 76.3 82.5')
  })
})
