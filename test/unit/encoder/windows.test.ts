import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createEncoder } from '../../../shared/encoder/pooled-encoder.ts'
import type { EncodeOptions, Encoder } from '../../../shared/encoder/types.ts'
import { silentLogger } from '../../../shared/lib/logger.ts'
import {
  TINY_DIMENSION,
  TINY_MAX_TOKENS,
  TINY_VOCABULARY,
  tinyEmbedding,
  writeTinyEncoder,
} from '../../fakes/tiny-encoder.ts'
import { bundleWorker } from '../../worker-bundle.ts'

const OPTIONS: EncodeOptions = { truncate: true, truncationDirection: 'right', normalize: true }
const BUDGET = TINY_MAX_TOKENS - 2
const WORDS = TINY_VOCABULARY.slice(5, 19)
/** A text of so many words, no two windows alike. */
const textOf = (words: number) =>
  Array.from({ length: words }, (_, i) => WORDS[(i + Math.floor(i / 14)) % 14]).join(' ')

let folder: string
let encoder: Encoder

beforeAll(async () => {
  const workerUrl = await bundleWorker()
  folder = await mkdtemp(join(tmpdir(), 'tiny-windows-'))
  encoder = await createEncoder({
    artifactDir: folder,
    manifest: await writeTinyEncoder(folder),
    precision: 'float32',
    version: 1,
    workers: 1,
    device: 'cpu',
    workerUrl,
    limits: { maxQueueTokens: 100_000, maxQueueWaitMs: 60_000, maxTextBytes: 1_000_000 },
    log: silentLogger,
  })
})

afterAll(async () => {
  await encoder.close()
  await rm(folder, { recursive: true })
})

/** Vectors of the windows of a text and their lengths in tokens, worked out apart from the encoder. */
function windowsOf(text: string, prompt: readonly string[] = []) {
  const words = text.split(' ')
  const size = BUDGET - prompt.length
  const windows = []
  for (let at = 0; at < words.length; at += size) {
    const own = [...prompt, ...words.slice(at, at + size)]
    const ids = [2, ...own.map((word) => TINY_VOCABULARY.indexOf(word)), 3]
    windows.push({ vector: tinyEmbedding(ids), tokens: ids.length })
  }
  return windows
}

function toUnit(values: readonly number[]): number[] {
  const norm = Math.hypot(...values)
  return values.map((value) => value / norm)
}

function mean(windows: ReturnType<typeof windowsOf>): number[] {
  const at = (d: number) =>
    windows.reduce((sum, { vector, tokens }) => sum + vector[d]! * tokens, 0)
  return toUnit(Array.from({ length: TINY_DIMENSION }, (_, d) => at(d)))
}

function largest(windows: ReturnType<typeof windowsOf>): number[] {
  const at = (d: number) => Math.max(...windows.map(({ vector }) => vector[d]!))
  return toUnit(Array.from({ length: TINY_DIMENSION }, (_, d) => at(d)))
}

function expectClose(got: Float32Array, expected: readonly number[]): void {
  for (const [d, value] of expected.entries()) expect(got[d]).toBeCloseTo(value, 5)
}

describe('windows', () => {
  test.each(['mean', 'max'] as const)(
    'put the vectors of a long text together: %s',
    async (rule) => {
      const text = textOf(33)
      const windows = windowsOf(text)
      const { vectors, tokens, truncated } = await encoder.encode([text], {
        ...OPTIONS,
        windows: rule,
      })
      expectClose(vectors, rule === 'mean' ? mean(windows) : largest(windows))
      expect([...tokens]).toEqual([33 + 2 * 3])
      expect([...truncated]).toEqual([0])
    },
  )

  test('leave a text that fits as it is, to the bit', async () => {
    const text = textOf(BUDGET)
    const [cut, read] = [
      await encoder.encode([text], OPTIONS),
      await encoder.encode([text], { ...OPTIONS, windows: 'mean' }),
    ]
    expect(read.vectors).toEqual(cut.vectors)
  })

  test('put the prompt before each', async () => {
    const text = textOf(30)
    const { vectors } = await encoder.encode([text], {
      ...OPTIONS,
      prompt: 'the ',
      windows: 'mean',
    })
    expectClose(vectors, mean(windowsOf(text, ['the'])))
  })

  test('give the same vector in every company', async () => {
    const texts = [textOf(40), textOf(3), textOf(15), textOf(100), textOf(14)]
    const options = { ...OPTIONS, windows: 'max' } as const
    const together = await encoder.encode(
      [...texts, ...texts.map((text) => `cat ${text}`)],
      options,
    )
    for (const [row, text] of texts.entries()) {
      const alone = await encoder.encode([text], options)
      const from = row * TINY_DIMENSION
      expect(together.vectors.subarray(from, from + TINY_DIMENSION)).toEqual(alone.vectors)
    }
  })

  test('are bounded: what is beyond is cut at the end that is named', async () => {
    const [head, tail] = [textOf(32 * BUDGET), `cat ${textOf(32 * BUDGET - 1)}`]
    const right = await encoder.encode([`${head} dog`], { ...OPTIONS, windows: 'mean' })
    expect([...right.truncated]).toEqual([1])
    const whole = await encoder.encode([head], { ...OPTIONS, windows: 'mean' })
    expect(right.vectors).toEqual(whole.vectors)
    const left = await encoder.encode([`dog ${tail}`], {
      ...OPTIONS,
      truncationDirection: 'left',
      windows: 'mean',
    })
    const end = await encoder.encode([tail], { ...OPTIONS, windows: 'mean' })
    expect(left.vectors).toEqual(end.vectors)
    expect([...end.truncated]).toEqual([0])
  })

  test('are what heads read', async () => {
    const weights = new Float32Array(new SharedArrayBuffer(4 * TINY_DIMENSION))
    weights.set(Array.from({ length: TINY_DIMENSION }, (_, d) => d - 3))
    await encoder.setProjection({
      ...{ id: 1, columns: 1, weights, bias: Float32Array.of(0.5) },
      ...{ distances: [], memories: [] },
    })
    const text = textOf(50)
    const { vectors, scores } = await encoder.encode([text, 'cat'], {
      ...OPTIONS,
      windows: 'mean',
      project: true,
    })
    const own = vectors.subarray(0, TINY_DIMENSION)
    const expected = own.reduce((sum, value, d) => sum + value * weights[d]!, 0.5)
    expect(scores?.[0]).toBeCloseTo(expected, 5)
    await encoder.setProjection(null)
  })
})
