import { describe, test } from 'vitest'
import { sharedPath } from '../../shared-folder.ts'
import { easyTl, expectRow, type Labelled, oneNearest, prepare, tasks } from './easytl-tables.ts'

const here =
  sharedPath('data', 'office-caltech-surf') !== null &&
  sharedPath('data', 'amazon-reviews-400') !== null

describe.skipIf(!here)('published tables (need the reference data beside the project)', () => {
  test('Office-Caltech10 with SURF', () => {
    const all = ['Caltech10', 'amazon', 'webcam', 'dslr'].map((name) =>
      prepare('office-caltech-surf', `${name}_SURF_L10.mat`),
    )
    const order = 'CA CW CD AC AW AD WC WA WD DC DA DW'.split(' ')
    const pairs = tasks('CAWD', order)
    const row = (run: (source: Labelled, target: Labelled) => number) =>
      pairs.map(([s, t]) => run(all[s]!, all[t]!))
    expectRow(row(oneNearest), '23.7 25.8 25.5 26.0 29.8 25.5 19.9 23.0 59.2 26.3 28.5 63.4')
    const plain = row((s, t) => easyTl(s, t, false))
    expectRow(plain, '50.1 49.5 48.4 43.0 40.7 38.9 29.7 35.2 77.1 31.2 31.9 69.5')
    const aligned = row((s, t) => easyTl(s, t, true))
    expectRow(aligned, '52.6 53.9 51.6 42.3 43.1 48.4 35.4 38.2 79.6 36.1 38.3 86.1')
  })

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
