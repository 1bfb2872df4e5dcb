import { expect } from 'vitest'
import { alignDomains, IDENTITY } from '../../../shared/training/adapt/coral.ts'
import { type Domain, describeDomain } from '../../../shared/training/adapt/domain.ts'
import { assignRows, classCentres } from '../../../shared/training/adapt/easytl.ts'
import { scaleRows } from '../../../shared/training/numerics/features.ts'
import { readDomain } from './adapt-golden.ts'

/** A domain with its classes, from 0. */
export interface Labelled {
  readonly domain: Domain
  readonly targets: Int32Array
  readonly classes: number
}

/** Rows as the published experiments prepare them: shares of the row's sum, standardised per domain. */
export function prepare(folder: string, file: string): Labelled {
  const { features, targets, classes } = readDomain(folder, file)!
  return { domain: describeDomain(file, scaleRows(features, 'sum')), targets, classes }
}

function accuracy(labels: Int32Array, targets: Int32Array): number {
  return (100 * labels.filter((label, row) => label === targets[row]).length) / targets.length
}

/** Accuracy of EasyTL in percent, after CORAL where `align` says so. */
export function easyTl(source: Labelled, target: Labelled, align: boolean): number {
  const alignment = align ? alignDomains(source.domain, target.domain) : IDENTITY
  const centres = alignment.apply(classCentres(source.domain, source.targets, source.classes))
  return accuracy(assignRows(target.domain, centres).labels, target.targets)
}

/** Accuracy of the nearest row's label in percent. */
export function oneNearest(source: Labelled, target: Labelled): number {
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
export function tasks(names: string, order: readonly string[]) {
  return order.map((task) => [names.indexOf(task[0]!), names.indexOf(task[1]!)] as const)
}

/** The published tables have one decimal. */
const TOLERANCE = 0.05 + 1e-9

/** Fails where a figure is not that of the published row. */
export function expectRow(actual: readonly number[], published: string): void {
  const wanted = published.split(' ').map(Number)
  const off = actual.map((value, i) => Math.abs(value - wanted[i]!))
  expect(Math.max(...off), `${actual.map((value) => value.toFixed(2))}`).toBeLessThan(TOLERANCE)
}
