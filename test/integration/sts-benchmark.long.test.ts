import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'csv-parse/sync'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Encoder } from '../../shared/encoder/types.ts'
import { sharedPath } from '../shared-folder.ts'
import { cosine, embed, mean, openBuiltin } from './open-builtin.ts'

const cacheFolder = mkdtempSync(join(tmpdir(), 'espalier-sts-'))

/** Spearman's rank correlation, ties given their mean rank. */
function spearman(a: readonly number[], b: readonly number[]): number {
  const [ra, rb] = [ranks(a), ranks(b)]
  const centre = (a.length - 1) / 2
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 0; i < ra.length; i++) {
    const [x, y] = [(ra[i] as number) - centre, (rb[i] as number) - centre]
    ab += x * y
    aa += x * x
    bb += y * y
  }
  return ab / Math.sqrt(aa * bb)
}

function ranks(values: readonly number[]): number[] {
  const order = values
    .map((_, i) => i)
    .sort((i, j) => (values[i] as number) - (values[j] as number))
  const result = new Array<number>(values.length)
  for (let start = 0; start < order.length; ) {
    let end = start
    while (end < order.length && values[order[end] as number] === values[order[start] as number]) {
      end++
    }
    for (let k = start; k < end; k++) result[order[k] as number] = (start + end - 1) / 2
    start = end
  }
  return result
}

describe('the built-in encoder', () => {
  let float32: Encoder
  let int8: Encoder

  beforeAll(async () => {
    float32 = await openBuiltin(cacheFolder, 'float32')
    int8 = await openBuiltin(cacheFolder, 'int8')
  })
  afterAll(async () => {
    await float32?.close()
    await int8?.close()
    rmSync(cacheFolder, { recursive: true, force: true })
  })

  const stsb = sharedPath('data', 'stsb', 'stsb-en-test.csv')
  it.skipIf(!stsb)('ranks the STS-B test as its authors publish (needs ../shared)', async () => {
    const rows = parse(readFileSync(stsb as string, 'utf8')) as [string, string, string][]
    const scores = rows.map((row) => Number(row[2]))
    const firsts = new Map<Encoder, Float32Array[]>()
    for (const encoder of [float32, int8]) {
      const first = await embed(
        encoder,
        rows.map((row) => row[0]),
      )
      const second = await embed(
        encoder,
        rows.map((row) => row[1]),
      )
      const similarity = first.map((vector, i) => cosine(vector, second[i] as Float32Array))
      expect(100 * spearman(similarity, scores)).toBeGreaterThanOrEqual(81.9)
      firsts.set(encoder, first)
    }
    const reference = firsts.get(float32) as Float32Array[]
    const moved = (firsts.get(int8) as Float32Array[]).map((vector, i) =>
      cosine(vector, reference[i] as Float32Array),
    )
    expect(mean(moved.slice(0, 300))).toBeGreaterThanOrEqual(0.9985)
    expect(mean(moved)).toBeGreaterThanOrEqual(0.998)
  })
})
