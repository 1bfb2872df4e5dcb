import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Encoder } from '../../shared/encoder/types.ts'
import { sharedPath } from '../shared-folder.ts'
import { cosine, embed, mean, openBuiltin, PLAIN } from './open-builtin.ts'

const cacheFolder = mkdtempSync(join(tmpdir(), 'espalier-builtin-'))

interface Golden {
  readonly text: string
  readonly token_count: number
  readonly embedding_256: readonly number[]
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

  it('gives the vectors of sentence-transformers on the bundled texts', async () => {
    const path = fileURLToPath(new URL('../golden/minilm-goldens.json', import.meta.url))
    const { items } = JSON.parse(readFileSync(path, 'utf8')) as {
      items: { text: string; ids: number[]; vector: number[] }[]
    }
    const texts = items.map(({ text }) => text)
    const exact = await float32.encode(texts, PLAIN)
    expect([...exact.tokens]).toEqual(items.map(({ ids }) => Math.min(ids.length, 256)))
    const vectors = await embed(float32, texts)
    const small = await embed(int8, texts)
    for (const [i, { vector }] of items.entries()) {
      expect(cosine(vectors[i] as Float32Array, vector)).toBeGreaterThanOrEqual(0.99999)
      expect(cosine(small[i] as Float32Array, vector)).toBeGreaterThanOrEqual(0.99)
    }
  })

  const goldens = sharedPath('goldens', 'all-MiniLM-L6-v2.json')
  it.skipIf(!goldens)('meets the bars of the reference goldens (needs ../shared)', async () => {
    const { items } = JSON.parse(readFileSync(goldens as string, 'utf8')) as { items: Golden[] }
    const texts = items.map(({ text }) => text)
    const exact = await embed(float32, texts)
    const small = await embed(int8, texts)
    const { tokens } = await float32.encode(texts, PLAIN)
    const similarities: number[] = []
    for (const [i, item] of items.entries()) {
      const vector = exact[i] as Float32Array
      expect(tokens[i]).toBe(Math.min(item.token_count, 256))
      expect(cosine(vector, item.embedding_256)).toBeGreaterThanOrEqual(0.99999)
      for (const [k, value] of vector.entries()) {
        expect(Math.abs(value - (item.embedding_256[k] as number))).toBeLessThanOrEqual(5e-4)
      }
      similarities.push(cosine(small[i] as Float32Array, item.embedding_256))
    }
    expect(mean(similarities)).toBeGreaterThanOrEqual(0.998)
    expect(Math.min(...similarities)).toBeGreaterThanOrEqual(0.99)
  })
})
