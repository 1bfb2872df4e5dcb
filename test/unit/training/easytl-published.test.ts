import { describe, expect, test } from 'vitest'
import { alignDomains, IDENTITY } from '../../../shared/training/adapt/coral.ts'
import { type Domain, describeDomain } from '../../../shared/training/adapt/domain.ts'
import { assignRows, classCentres } from '../../../shared/training/adapt/easytl.ts'
import { scaleRows } from '../../../shared/training/numerics/features.ts'
import { sharedPath } from '../../shared-folder.ts'
import { readDomain } from './adapt-golden.ts'

interface Labelled {
  readonly domain: Domain
  readonly targets: Int32Array
  readonly classes: number
}

/** Rows as the published experiments prepare them: shares of the row's sum, standardised per domain. */
function prepare(folder: string, file: string): Labelled {
  const { features, targets, classes } = readDomain(folder, file)!
  return { domain: describeDomain(file, scaleRows(features, 'sum')), targets, classes }
}

function accuracy(labels: Int32Array, targets: Int32Array): number {
  return (100 * labels.filter((label, row) => label === targets[row]).length) / targets.length
}

function easyTl(source: Labelled, target: Labelled, align: boolean): number {
  const alignment = align ? alignDomains(source.domain, target.domain) : IDENTITY
  const centres = alignment.apply(classCentres(source.domain, source.targets, source.classes))
  return accuracy(assignRows(target.domain, centres).labels, target.targets)
}

function oneNearest(source: Labelled, target: Labelled): number {
  const { standard } = target.domain
  const { data, rows, columns } = source.domain.standard
  const labels = Int32Array.from({ length: standard.rows }, (_, row) => {
    let [best, least] = [0, Infinity]
    for (let i = 0; i < rows; i++) {
      let sum = 0
      for (let j = 0; j < columns && sum < least; j++) {
        sum += (standard.data[row * columns + j]! - data[i * columns + j]!) ** 2
      }
      if (sum < least) [best, least] = [i, sum]
    }
    return source.targets[best]!
  })
  return accuracy(labels, target.targets)
}

/** Tasks in the order of the table: every domain to the three others, in the order given. */
function tasks(names: string, order: readonly string[]) {
  return order.map((task) => [names.indexOf(task[0]!), names.indexOf(task[1]!)] as const)
}

/** The published tables have one decimal. */
const TOLERANCE = 0.05 + 1e-9

function expectRow(actual: readonly number[], published: string): void {
  const wanted = published.split(' ').map(Number)
  const off = actual.map((value, i) => Math.abs(value - wanted[i]!))
  expect(Math.max(...off), `${actual.map((value) => value.toFixed(2))}`).toBeLessThan(TOLERANCE)
}

const here = sharedPath('data', 'office-caltech-surf') !== null

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
