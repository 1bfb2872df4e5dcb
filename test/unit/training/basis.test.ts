import { describe, expect, test } from 'vitest'
import type { Matrix } from '../../../shared/lib/maths/matrix-kernels.ts'
import { createRandom } from '../../../shared/lib/maths/random.ts'
import { columnMeans, createBasis, toBasis } from '../../../shared/training/numerics/basis.ts'
import { plainKernels } from '../../fakes/plain-kernels.ts'

const kernels = plainKernels()

/** Numbers in [-1, 1), and with `copies` the first rows once more. */
function drawRows(rows: number, columns: number, copies = 0): Matrix {
  const random = createRandom(rows + columns)
  const own = Float32Array.from({ length: rows * columns }, () => 2 * random.next() - 1)
  const data = Float32Array.from([...own, ...own.subarray(0, copies * columns)])
  return { data, rows: rows + copies, columns }
}

function multiplyRows(a: Matrix, b: Matrix): Promise<Matrix> {
  return kernels.multiply(a, b, { transposeB: true })
}

function expectNear(found: ArrayLike<number>, expected: ArrayLike<number>): void {
  expect(found.length).toBe(expected.length)
  const differences = Array.from(found, (value, at) => Math.abs(value - expected[at]!))
  expect(Math.max(...differences)).toBeLessThan(1e-4)
}

describe.each([
  { name: 'fewer rows than columns', rows: drawRows(9, 40), rank: 8 },
  { name: 'as many', rows: drawRows(20, 20), rank: 19 },
  { name: 'more rows than columns', rows: drawRows(40, 9), rank: 9 },
  { name: 'few rows, some of them twice', rows: drawRows(9, 40, 5), rank: 8 },
  { name: 'one row', rows: drawRows(1, 40), rank: 0 },
])('$name', ({ rows, rank }) => {
  test('have orthonormal directions, each with its energy, strongest first', async () => {
    const basis = await createBasis(kernels, rows)
    expect(basis.rotation).toMatchObject({ rows: rows.columns, columns: rank })
    const { rotation, energies } = basis
    const gram = await kernels.multiply(rotation, rotation, { transposeA: true })
    expectNear(
      gram.data,
      gram.data.map((_, at) => Number(at % (rank + 1) === 0)),
    )
    expect([...energies].sort((a, b) => b - a)).toEqual([...energies])
    const { data } = await toBasis(kernels, basis, rows)
    const found = Array.from(energies, (_, r) =>
      data.reduce((sum, value, at) => sum + (at % rank === r ? value ** 2 : 0), 0),
    )
    expectNear(found, energies)
  })

  test('lie as they lay about their mean', async () => {
    const basis = await createBasis(kernels, rows)
    const coordinates = await toBasis(kernels, basis, rows)
    const mean = columnMeans(rows)
    const centred = {
      ...rows,
      data: rows.data.map((value, at) => value - mean[at % rows.columns]!),
    }
    const own = await multiplyRows(coordinates, coordinates)
    const expected = await multiplyRows(centred, centred)
    expectNear(own.data, expected.data)
  })
})
