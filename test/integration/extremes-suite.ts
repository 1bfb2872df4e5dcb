import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Encoder } from '../../shared/encoder/types.ts'
import { createRandom, encodeAlone, makeTexts } from './exact-batches.ts'
import { openBuiltin, PLAIN } from './open-builtin.ts'

/** How much is embedded at once. */
export interface ExtremesSize {
  /** Texts of one token, and times that one text is repeated. */
  readonly many: number
  /** Texts of one token and of the limit in turn. */
  readonly turns: number
}

/** What is embedded right at the edge of what is accepted. */
export function describeExtremes({ many, turns }: ExtremesSize): void {
  const cacheFolder = mkdtempSync(join(tmpdir(), 'espalier-extremes-'))
  let encoder: Encoder

  beforeAll(async () => {
    encoder = await openBuiltin(cacheFolder, 'int8', 8_000_000)
  })
  afterAll(async () => {
    await encoder.close()
    rmSync(cacheFolder, { recursive: true, force: true })
  })

  /** Every `step`-th row of a batch has the bits of its text alone. */
  async function expectSameAlone(
    texts: readonly string[],
    vectors: Float32Array,
    step: number,
  ): Promise<void> {
    const { dimension } = encoder.info
    const sample = texts.map((_, row) => row).filter((row) => row % step === 0)
    const alone = await encodeAlone(
      encoder,
      sample.map((row) => texts[row] as string),
    )
    for (const row of sample) {
      const found = vectors.subarray(row * dimension, (row + 1) * dimension)
      expect(found).toEqual(alone.get(texts[row] as string))
    }
  }

  describe('inputs at the edge of what is accepted', () => {
    test(`${many} texts of one token`, async () => {
      // Single Chinese characters are one token each, and so are most letters and digits.
      const texts = Array.from({ length: many }, (_, i) => String.fromCodePoint(0x4e00 + i))
      const { vectors, tokens } = await encoder.encode(texts, PLAIN)
      expect(tokens.every((count) => count === 3)).toBe(true)
      await expectSameAlone(texts, vectors, 997)
    })

    test(`${many} times the same text`, async () => {
      const before = encoder.load().sharedInputs
      const texts = Array(many).fill('the same text again and again')
      const { vectors, dimension } = await encoder.encode(texts, PLAIN)
      expect(encoder.load().sharedInputs - before).toBe(many - 1)
      const first = vectors.subarray(0, dimension)
      for (let row = 0; row < texts.length; row += 111) {
        expect(vectors.subarray(row * dimension, (row + 1) * dimension)).toEqual(first)
      }
      await expectSameAlone(texts.slice(0, 1), vectors, 1)
    })

    test('5 MB in one text, beside others', async () => {
      const large = 'a word and another '.repeat(263_200)
      expect(large.length).toBeGreaterThan(5_000_000)
      const [{ tokens, truncated }, small] = await Promise.all([
        encoder.encode([large], PLAIN),
        encoder.encode(['a short text'], PLAIN),
      ])
      expect([tokens[0], truncated[0]]).toEqual([encoder.info.maxTokens, 1])
      expect(small.tokens[0]).toBe(5)
    })

    test('5 MB without a single space', async () => {
      const { tokens } = await encoder.encode(['x'.repeat(5_000_000), 'after it'], PLAIN)
      expect([...tokens]).toEqual([3, 4])
    })

    test('one-token and full-length texts in turn', async () => {
      const random = createRandom(5)
      const [words = ''] = makeTexts(1, random)
      const texts = Array.from({ length: turns }, (_, i) =>
        i % 2 === 0 ? String.fromCodePoint(0x5000 + i) : `${i} ${words} `.repeat(300),
      )
      const { vectors, tokens } = await encoder.encode(texts, PLAIN)
      expect(tokens[0]).toBe(3)
      expect(tokens[1]).toBe(encoder.info.maxTokens)
      await expectSameAlone(texts, vectors, 13)
    })
  })
}
