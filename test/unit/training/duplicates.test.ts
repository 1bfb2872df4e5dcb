import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Matrix } from '../../../shared/lib/maths/matrix-kernels.ts'
import { createRandom, drawNormal } from '../../../shared/lib/maths/random.ts'
import { openMatrixKernels } from '../../../shared/runtime/kernels/kernels.ts'
import {
  findCopies,
  findNearDuplicates,
  mostInGroup,
} from '../../../shared/training/duplicates/find-near-duplicates.ts'

type Kernels = Awaited<ReturnType<typeof openMatrixKernels>>
let kernels: Kernels
beforeAll(async () => {
  kernels = await openMatrixKernels({ threads: 1 })
})
afterAll(async () => {
  await kernels.close()
})

/** Unit vectors at random, no two of them close. */
function drawRows(rows: number, columns: number, seed = 1): Matrix {
  const data = drawNormal(new Float32Array(rows * columns), 1, createRandom(seed))
  for (let i = 0; i < rows; i++) normalise(data.subarray(i * columns, (i + 1) * columns))
  return { data, rows, columns }
}

function normalise(row: Float32Array): void {
  const length = Math.hypot(...row)
  for (let i = 0; i < row.length; i++) row[i] = row[i]! / length
}

/** Makes a row a copy of another with the given cosine. */
function copyRow({ data, columns }: Matrix, from: number, to: number, cosine: number): void {
  const source = data.subarray(from * columns, (from + 1) * columns)
  const target = data.subarray(to * columns, (to + 1) * columns)
  let product = 0
  for (let i = 0; i < columns; i++) product += source[i]! * target[i]!
  for (let i = 0; i < columns; i++) target[i] = target[i]! - product * source[i]!
  normalise(target)
  const rest = Math.sqrt(1 - cosine * cosine)
  for (let i = 0; i < columns; i++) target[i] = cosine * source[i]! + rest * target[i]!
}

const letters = (row: number) => String.fromCharCode(97 + (row % 26)).repeat(3 + (row % 7))
/** Texts that have little in common. */
const ownTexts = (rows: number) =>
  Array.from({ length: rows }, (_, row) => `${letters(row)} ${row}`)

describe('near-duplicates', () => {
  it('are texts that differ in marks, case and space alone, whatever their vectors say', async () => {
    const vectors = drawRows(40, 24)
    const texts = ownTexts(40)
    texts[3] = 'How do I top up?'
    texts[17] = ' how do i  TOP-UP !'
    texts[30] = 'Ｈow do I top up…'
    texts[5] = '?!'
    texts[6] = '…'
    const { groups, groupOf, parted } = await findNearDuplicates({ vectors, texts }, kernels)
    expect(groups).toEqual([[3, 17, 30]])
    expect([groupOf[3], groupOf[17], groupOf[30], groupOf[5], groupOf[6]]).toEqual([
      0, 0, 0, -1, -1,
    ])
    expect(parted).toBe(0)
  })

  it('are texts with close vectors and nearly the same letters; one of the two is not enough', async () => {
    const vectors = drawRows(40, 24)
    const texts = ownTexts(40)
    const long = 'I would like to know where the parcel is that I ordered last week'
    texts[0] = long
    texts[1] = `${long}, please`
    texts[2] = long.replace('week', 'weak')
    copyRow(vectors, 0, 1, 0.955)
    copyRow(vectors, 0, 2, 0.94)
    // Close vectors, other words.
    copyRow(vectors, 8, 9, 0.97)
    expect((await findNearDuplicates({ vectors, texts }, kernels)).groups).toEqual([[0, 1]])
  })

  it('are not all texts of a script that the encoder does not know, whose vectors are equal', async () => {
    const vectors = drawRows(40, 24)
    for (let row = 1; row < 40; row++) copyRow(vectors, 0, row, 1)
    const texts = Array.from({ length: 40 }, (_, row) =>
      String.fromCodePoint(...Array.from({ length: 6 }, (_, i) => 0x4e00 + row * 40 + i * 3)),
    )
    texts[11] = `${texts[10]!}。`
    expect((await findNearDuplicates({ vectors, texts }, kernels)).groups).toEqual([[10, 11]])
  })

  it('are images with nearly equal vectors', async () => {
    const vectors = drawRows(30, 24)
    copyRow(vectors, 4, 20, 0.995)
    copyRow(vectors, 6, 21, 0.98)
    const { groups } = await findNearDuplicates({ vectors, texts: null }, kernels)
    expect(groups).toEqual([[4, 20]])
  })

  it('join no group of more than a fifth of the rows, however long a chain is', async () => {
    const vectors = drawRows(100, 24)
    for (let row = 1; row < 100; row++) copyRow(vectors, row - 1, row, 0.991)
    const found = await findNearDuplicates({ vectors, texts: null }, kernels)
    const sizes = found.groups.map((group) => group.length)
    expect(mostInGroup(100)).toBe(20)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(20)
    expect(sizes.length).toBeGreaterThanOrEqual(5)
    expect(found.parted).toBeGreaterThan(0)
    expect(await findNearDuplicates({ vectors, texts: null }, kernels)).toEqual(found)
  })

  it('are found among many rows, where fewer directions are searched first', async () => {
    const rows = 15_400
    const vectors = drawRows(rows, 136)
    const pairs = Array.from({ length: 20 }, (_, i) => [i * 700, 15_399 - i * 13] as const)
    for (const [from, to] of pairs) copyRow(vectors, from, to, 0.9905)
    const { groups } = await findNearDuplicates({ vectors, texts: null }, kernels)
    expect(groups).toEqual(pairs.map(([from, to]) => [from, to]))
  })
})

describe('copies of other rows', () => {
  it('are told with the row that they are closest to', async () => {
    const all = drawRows(60, 24)
    copyRow(all, 5, 50, 0.992)
    copyRow(all, 7, 51, 0.97)
    const part = (from: number, rows: number) => ({
      ...{ rows, columns: 24 },
      data: all.data.slice(from * 24, (from + rows) * 24),
    })
    const known = { vectors: part(0, 50), texts: ownTexts(50) }
    const texts = ['aaa bbb', letters(7), `${known.texts[9]!}!`, 'other', '', '', '', '', '', '']
    texts[0] = `${known.texts[5]!} or so`
    const copies = await findCopies({ vectors: part(50, 10), texts }, known, kernels)
    expect(Array.from(copies.slice(0, 4))).toEqual([5, -1, 9, -1])
    const images = { vectors: part(50, 10), texts: null }
    const found = await findCopies(images, { vectors: known.vectors, texts: null }, kernels)
    expect(Array.from(found.slice(0, 3))).toEqual([5, -1, -1])
  })
})
