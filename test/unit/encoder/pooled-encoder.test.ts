import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createEncoder, type EncoderOptions } from '../../../shared/encoder/pooled-encoder.ts'
import type { EncodeOptions, Encoder } from '../../../shared/encoder/types.ts'
import { quantizeRows } from '../../../shared/head/neighbours.ts'
import { silentLogger } from '../../../shared/lib/logger.ts'
import type { TextEncoderManifest } from '../../../shared/lib/manifests/encoder-manifest.ts'
import { findNeighbours } from '../../fakes/find-neighbours.ts'
import {
  TINY_DIMENSION,
  TINY_MAX_TOKENS,
  TINY_VOCABULARY,
  tinyEmbedding,
  tinyPooled,
  tinyRow,
  writeTinyEncoder,
} from '../../fakes/tiny-encoder.ts'
import { bundleWorker } from '../../worker-bundle.ts'

const OPTIONS: EncodeOptions = { truncate: true, truncationDirection: 'right', normalize: true }
const LIMITS = { maxQueueTokens: 100_000, maxQueueWaitMs: 60_000, maxTextBytes: 1_000_000 }

let folder: string
let workerUrl: URL
let manifest: TextEncoderManifest
const opened: Encoder[] = []

beforeAll(async () => {
  workerUrl = await bundleWorker()
  folder = await mkdtemp(join(tmpdir(), 'tiny-encoder-'))
  manifest = await writeTinyEncoder(folder)
})

afterEach(async () => {
  await Promise.all(opened.splice(0).map((encoder) => encoder.close()))
})

afterAll(() => rm(folder, { recursive: true }))

async function open(changes: Partial<EncoderOptions> = {}): Promise<Encoder> {
  const encoder = await createEncoder({
    artifactDir: folder,
    manifest,
    precision: 'float32',
    version: 1,
    workers: 2,
    device: 'cpu',
    workerUrl,
    limits: LIMITS,
    log: silentLogger,
    ...changes,
  })
  opened.push(encoder)
  return encoder
}

/** Ids of a text of whole vocabulary words. */
function idsOf(text: string): number[] {
  return [2, ...text.split(' ').map((word) => TINY_VOCABULARY.indexOf(word)), 3]
}

/** Texts of four words each, all different. */
function differentTexts(count: number): string[] {
  const words = TINY_VOCABULARY.slice(5, 19)
  return Array.from({ length: count }, (_, i) =>
    [i, i / 14, i / 196, i / 2744].map((at) => words[Math.floor(at) % 14]).join(' '),
  )
}

function rowOf(vectors: Float32Array, row: number, width = TINY_DIMENSION): number[] {
  return [...vectors.subarray(row * width, (row + 1) * width)]
}

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length)
  actual.forEach((x, i) => {
    expect(x).toBeCloseTo(expected[i] as number, 5)
  })
}

describe('encode', () => {
  test('gives vectors, token counts and order of the inputs', async () => {
    const encoder = await open()
    const words = TINY_VOCABULARY.slice(5, 19)
    const texts = Array.from({ length: 300 }, (_, i) =>
      Array.from({ length: 1 + (i % 11) }, (_, j) => words[(i * 7 + j * 3) % 14]).join(' '),
    )
    const batch = await encoder.encode(texts, OPTIONS)
    texts.forEach((text, i) => {
      expectClose(rowOf(batch.vectors, i), tinyEmbedding(idsOf(text)))
    })
    expect([...batch.tokens]).toEqual(texts.map((text) => idsOf(text).length))
    expect(batch.truncated.every((flag) => flag === 0)).toBe(true)
    expect(batch.scores).toBeNull()
  })

  test('gives pooled vectors when normalisation is off', async () => {
    const encoder = await open({ workers: 1 })
    const batch = await encoder.encode(['the cat', 'dog'], { ...OPTIONS, normalize: false })
    expectClose(rowOf(batch.vectors, 0), tinyPooled(idsOf('the cat')))
    expectClose(rowOf(batch.vectors, 1), tinyPooled(idsOf('dog')))
  })

  test('cuts left or right, keeps the special tokens, says so', async () => {
    const encoder = await open({ workers: 1 })
    const text = `${'cat '.repeat(30)}${'dog '.repeat(30)}`
    const kept = TINY_MAX_TOKENS - 2
    const right = await encoder.encode([text], OPTIONS)
    expectClose(rowOf(right.vectors, 0), tinyEmbedding(idsOf(Array(kept).fill('cat').join(' '))))
    const left = await encoder.encode([text, 'cat'], { ...OPTIONS, truncationDirection: 'left' })
    expectClose(rowOf(left.vectors, 0), tinyEmbedding(idsOf(Array(kept).fill('dog').join(' '))))
    expect([...left.tokens]).toEqual([TINY_MAX_TOKENS, 3])
    expect([...left.truncated]).toEqual([1, 0])
  })

  test('puts the prompt before every input', async () => {
    const encoder = await open({ workers: 1 })
    const batch = await encoder.encode(['cat', 'dog'], { ...OPTIONS, prompt: 'the ' })
    expectClose(rowOf(batch.vectors, 1), tinyEmbedding(idsOf('the dog')))
    expect([...batch.tokens]).toEqual([4, 4])
  })

  test('runs requests of different modes together', async () => {
    const encoder = await open({ workers: 1 })
    const [a, b, c] = await Promise.all([
      encoder.encode(['cat'], OPTIONS),
      encoder.encode(['cat'], { ...OPTIONS, normalize: false }),
      encoder.encode(['cat'], { ...OPTIONS, prompt: 'the ' }),
    ])
    expectClose([...a.vectors], tinyEmbedding(idsOf('cat')))
    expectClose([...b.vectors], tinyPooled(idsOf('cat')))
    expectClose([...c.vectors], tinyEmbedding(idsOf('the cat')))
  })

  test('answers an empty list and reports progress up to the last input', async () => {
    const encoder = await open({ workers: 1 })
    expect((await encoder.encode([], OPTIONS)).vectors).toHaveLength(0)
    const seen: number[] = []
    await encoder.encode([...differentTexts(400), ...differentTexts(100)], {
      ...OPTIONS,
      onProgress: (done) => seen.push(done),
    })
    expect(seen.at(-1)).toBe(500)
    expect(seen).toEqual(seen.toSorted((x, y) => x - y))
  })

  test('runs a foreign graph with its pooling graph', async () => {
    const other = await mkdtemp(join(tmpdir(), 'tiny-foreign-'))
    const foreign = await writeTinyEncoder(other, { foreign: true })
    const encoder = await open({ artifactDir: other, manifest: foreign, workers: 1 })
    const batch = await encoder.encode(['the cat', 'dog ran in rain'], OPTIONS)
    expectClose(rowOf(batch.vectors, 1), tinyEmbedding(idsOf('dog ran in rain')))
    await rm(other, { recursive: true })
  })
})

describe('bad input', () => {
  test('names the input that is too long, too large or not Unicode; the next request works', async () => {
    const encoder = await open({ workers: 1, limits: { ...LIMITS, maxTextBytes: 1000 } })
    const long = 'cat '.repeat(40)
    await expect(
      encoder.encode(['cat', long], { ...OPTIONS, truncate: false }),
    ).rejects.toMatchObject({ code: 'input_too_long', param: 'inputs[1]' })
    await expect(encoder.encode(['cat', 'x'.repeat(1001)], OPTIONS)).rejects.toMatchObject({
      code: 'input_too_large',
      param: 'inputs[1]',
    })
    await expect(encoder.encode(['a', 'b', 'x\ud800y'], OPTIONS)).rejects.toMatchObject({
      code: 'invalid_request',
      param: 'inputs[2]',
      message: expect.stringContaining('inputs[2]'),
    })
    await expect(encoder.encode(['cat\u0000'], OPTIONS)).resolves.toMatchObject({ dimension: 8 })
  })

  test('a bad input fails its own request only', async () => {
    const encoder = await open({ workers: 1 })
    const results = await Promise.allSettled([
      encoder.encode(['cat'], OPTIONS),
      encoder.encode(['\udfff'], OPTIONS),
      encoder.encode(['dog'], OPTIONS),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })
})

test('an input that the graph refuses fails alone', async () => {
  const other = await mkdtemp(join(tmpdir(), 'tiny-poison-'))
  const poisoned = await writeTinyEncoder(other, { poison: 'poison' })
  const encoder = await open({ artifactDir: other, manifest: poisoned, workers: 1 })
  const [good, bad, long] = await Promise.allSettled([
    encoder.encode(['cat', 'dog'], OPTIONS),
    encoder.encode(['cat', 'the poison'], OPTIONS),
    encoder.encode(['the cat', 'the dog', 'the sun'], OPTIONS),
  ])
  expect(good.status).toBe('fulfilled')
  expect(long.status).toBe('fulfilled')
  expect(bad).toMatchObject({ status: 'rejected', reason: { param: 'inputs[1]' } })
  await rm(other, { recursive: true })
})

describe('projection', () => {
  const columns = 3
  function projection(id: number, factor: number) {
    const weights = Float32Array.from(
      { length: TINY_DIMENSION * columns },
      (_, i) => factor * (i % 5),
    )
    const bias = Float32Array.of(0.5, -1, factor)
    return { id, columns, weights, bias, distances: [], memories: [] }
  }
  function scoresOf(text: string, { weights, bias }: ReturnType<typeof projection>): number[] {
    const x = tinyEmbedding(idsOf(text))
    return Array.from(bias, (b, c) =>
      x.reduce((sum, value, d) => sum + value * (weights[c * TINY_DIMENSION + d] as number), b),
    )
  }

  test('scores all heads in the same pass, on normalised vectors', async () => {
    const encoder = await open()
    await encoder.setProjection(projection(7, 1))
    const options = { ...OPTIONS, normalize: false, project: true }
    const batch = await encoder.encode(['the cat', 'dog'], options)
    expect(batch.projectionId).toBe(7)
    const scores = batch.scores as Float32Array
    expectClose(rowOf(scores, 1, columns), scoresOf('dog', projection(7, 1)))
    expect((await encoder.encode(['dog'], OPTIONS)).scores).toBeNull()
  })

  test('jobs of several runs give the same vectors, and leave the queue when they are aborted', async () => {
    const texts = [...differentTexts(2000), 'b', 'c b a', ...differentTexts(40)]
    const [short, long] = await Promise.all([open({ workers: 2 }), open({ longJobs: true })])
    const expected = await short.encode(texts, OPTIONS)
    const found = await long.encode(texts, OPTIONS)
    expect(found.tokens).toEqual(expected.tokens)
    for (const row of [0, 7, 1999, 2000, 2001, 2041]) {
      expectClose(rowOf(found.vectors, row), rowOf(expected.vectors, row))
    }
    const abort = new AbortController()
    const left = long.encode(differentTexts(14 ** 3), { ...OPTIONS, signal: abort.signal })
    abort.abort()
    await expect(left).rejects.toMatchObject({ code: 'request_cancelled' })
    expect(long.load()).toMatchObject({ queuedInputs: 0, queuedTokens: 0 })
    expect((await long.encode(['a b'], OPTIONS)).tokens).toEqual(Uint32Array.of(4))
  })

  test('a request keeps the projection it was accepted with while another takes over', async () => {
    const encoder = await open()
    await encoder.setProjection(projection(1, 1))
    const texts = differentTexts(3000)
    const old = encoder.encode(texts, { ...OPTIONS, project: true })
    const changed = encoder.setProjection(projection(2, 3))
    const batch = await old
    await changed
    expect(batch.projectionId).toBe(1)
    for (const row of [0, 1500, 2999]) {
      const expected = scoresOf(texts[row] as string, projection(1, 1))
      expectClose(rowOf(batch.scores as Float32Array, row, columns), expected)
    }
    const next = await encoder.encode(['dog'], { ...OPTIONS, project: true })
    expect(next.projectionId).toBe(2)
    expectClose([...(next.scores as Float32Array)], scoresOf('dog', projection(2, 3)))
    await encoder.setProjection(null)
    const none = await encoder.encode(['dog'], { ...OPTIONS, project: true })
    expect(none.scores).toBeNull()
    expect(none.projectionId).toBe(0)
  })

  test('searches the memories asked for, and keeps those that stay', async () => {
    const encoder = await open()
    const rows = ['cat', 'dog', 'sun'].map((text) => tinyEmbedding(idsOf(text)))
    const stored = { ...quantizeRows(Float32Array.from(rows.flat()), TINY_DIMENSION), k: 2 }
    const memories = [{ id: 3, ...stored }]
    await encoder.setProjection({ ...projection(1, 1), memories })
    const asked = { ...OPTIONS, project: true, search: [3] }
    const texts = ['dog', 'the cat sat', 'sun']
    const { neighbours, vectors } = await encoder.encode(texts, asked)
    const found = neighbours.get(3)
    expect(found?.indices).toEqual(findNeighbours(stored, vectors).indices)
    expect(found?.indices[0]).toBe(1)
    expect((await encoder.encode(texts, { ...OPTIONS, project: true })).neighbours.size).toBe(0)

    await encoder.setProjection({
      ...projection(2, 1),
      memories: [...memories, { ...stored, id: 4 }],
    })
    const both = await encoder.encode(texts, { ...asked, search: [3, 4] })
    expect(both.neighbours.get(3)).toEqual(found)
    expect(both.neighbours.get(4)).toEqual(found)

    await encoder.setProjection({ ...projection(3, 1), memories: [] })
    await expect(encoder.encode(texts, asked)).rejects.toMatchObject({ code: 'internal' })
  })

  test('refuses one that does not fit', async () => {
    const encoder = await open({ workers: 1 })
    const wrong = { ...projection(1, 1), weights: new Float32Array(5) }
    await expect(encoder.setProjection(wrong)).rejects.toMatchObject({ code: 'internal' })
    const memory = { id: 1, embeddings: new Int8Array(5), scales: new Float32Array(1), k: 1 }
    const short = { ...projection(1, 1), memories: [memory] }
    await expect(encoder.setProjection(short)).rejects.toMatchObject({ code: 'internal' })
  })
})

describe('queue', () => {
  test('refuses what does not fit, with the time to wait', async () => {
    const encoder = await open({ workers: 1, limits: { ...LIMITS, maxQueueTokens: 2000 } })
    const first = encoder.encode(differentTexts(2000), OPTIONS)
    await expect(encoder.encode(differentTexts(3000).slice(2000), OPTIONS)).rejects.toMatchObject({
      code: 'overloaded',
      retryAfterSeconds: expect.any(Number),
    })
    await first
    await encoder.encode(['cat'], OPTIONS)
  })

  test('an aborted request leaves the queue at once', async () => {
    const encoder = await open({ workers: 1 })
    const controller = new AbortController()
    const options = { ...OPTIONS, signal: controller.signal }
    const request = encoder.encode(differentTexts(5000), options)
    expect(encoder.load().queuedInputs).toBeGreaterThan(0)
    controller.abort()
    expect(encoder.load()).toMatchObject({ queuedInputs: 0, queuedTokens: 0 })
    await expect(request).rejects.toMatchObject({ code: 'request_cancelled' })
    await expect(encoder.encode(['cat'], options)).rejects.toMatchObject({
      code: 'request_cancelled',
    })
    await encoder.encode(['cat'], OPTIONS)
  })

  test('closing answers what was accepted and refuses what comes later', async () => {
    const encoder = await open()
    const accepted = encoder.encode(differentTexts(1000), OPTIONS)
    const closing = encoder.close()
    await expect(encoder.encode(['cat'], OPTIONS)).rejects.toMatchObject({ code: 'shutting_down' })
    expect((await accepted).vectors).toHaveLength(1000 * TINY_DIMENSION)
    await closing
    await encoder.close()
  })
})

describe('sharing', () => {
  test('one text is computed once, within a request and across requests', async () => {
    const encoder = await open({ workers: 1 })
    const many = encoder.encode(Array(10_000).fill('the cat sat'), OPTIONS)
    const other = encoder.encode(['dog', 'the cat sat'], OPTIONS)
    const apart = encoder.encode(['the cat sat'], { ...OPTIONS, normalize: false })
    expect(encoder.load().sharedInputs).toBe(9_999 + 1)
    const batch = await many
    expectClose(rowOf(batch.vectors, 9_999), tinyEmbedding(idsOf('the cat sat')))
    expect(batch.tokens.every((tokens) => tokens === 5)).toBe(true)
    expectClose(rowOf((await other).vectors, 1), tinyEmbedding(idsOf('the cat sat')))
    expectClose(rowOf((await other).vectors, 0), tinyEmbedding(idsOf('dog')))
    expectClose(rowOf((await apart).vectors, 0), tinyPooled(idsOf('the cat sat')))
  })

  test('who leaves takes nothing away from those who wait for the same', async () => {
    const encoder = await open({ workers: 1 })
    const controller = new AbortController()
    const texts = differentTexts(2000)
    const leaving = encoder.encode(texts, { ...OPTIONS, signal: controller.signal })
    const staying = encoder.encode(texts.slice(1990), OPTIONS)
    controller.abort()
    await expect(leaving).rejects.toMatchObject({ code: 'request_cancelled' })
    expect(encoder.load().queuedInputs).toBeLessThanOrEqual(10)
    expectClose(rowOf((await staying).vectors, 9), tinyEmbedding(idsOf(texts[1999] as string)))
  })

  test('a shared input that fails names its place in each request', async () => {
    const encoder = await open({ workers: 1 })
    const strict = { ...OPTIONS, truncate: false }
    const long = 'cat '.repeat(40)
    const results = await Promise.allSettled([
      encoder.encode(['dog', long], strict),
      encoder.encode(['dog', 'sun', 'mat', long, long], strict),
    ])
    expect(results).toMatchObject([
      { reason: { param: 'inputs[1]' } },
      { reason: { param: 'inputs[3]' } },
    ])
    await encoder.encode(['dog'], strict)
  })
})

describe('result cache', () => {
  test('answers what it has seen, and counts', async () => {
    const encoder = await open({ workers: 1, resultCacheBytes: 100_000 })
    const first = await encoder.encode(['the cat', 'dog'], OPTIONS)
    const again = await encoder.encode(['dog', 'sun', 'dog', 'the cat'], OPTIONS)
    expect(encoder.load().cache).toMatchObject({ hits: 2, misses: 3, entries: 3 })
    expect(rowOf(again.vectors, 0)).toEqual(rowOf(first.vectors, 1))
    expect(rowOf(again.vectors, 2)).toEqual(rowOf(first.vectors, 1))
    expect(rowOf(again.vectors, 3)).toEqual(rowOf(first.vectors, 0))
    expectClose(rowOf(again.vectors, 1), tinyEmbedding(idsOf('sun')))
    expect([...again.tokens]).toEqual([3, 3, 3, 4])
    expect((await open()).load().cache).toBeNull()
  })

  test('keeps apart what is treated differently, and remembers cuts', async () => {
    const encoder = await open({ workers: 1, resultCacheBytes: 100_000 })
    const long = 'cat '.repeat(40)
    await encoder.encode(['cat', long], OPTIONS)
    const pooled = await encoder.encode(['cat'], { ...OPTIONS, normalize: false })
    expectClose([...pooled.vectors], tinyPooled(idsOf('cat')))
    const prompted = await encoder.encode(['cat'], { ...OPTIONS, prompt: 'the ' })
    expectClose([...prompted.vectors], tinyEmbedding(idsOf('the cat')))
    const strict = encoder.encode([long], { ...OPTIONS, truncate: false })
    await expect(strict).rejects.toMatchObject({ code: 'input_too_long' })
    expect([...(await encoder.encode([long], OPTIONS)).truncated]).toEqual([1])
    // The hash of broken Unicode is that of other text: it must not find it.
    await encoder.encode(['\ufffd'], OPTIONS)
    const broken = encoder.encode(['\ud800'], OPTIONS)
    await expect(broken).rejects.toMatchObject({ code: 'invalid_request' })
  })

  test('heads are applied to cached vectors', async () => {
    const encoder = await open({ workers: 1, resultCacheBytes: 100_000 })
    const weights = Float32Array.from({ length: TINY_DIMENSION }, (_, i) => i)
    const bias = Float32Array.of(1)
    await encoder.setProjection({ id: 1, columns: 1, weights, bias, distances: [], memories: [] })
    const asked = { ...OPTIONS, project: true }
    const texts = ['the cat', 'dog', 'sun']
    const fresh = await encoder.encode(texts, asked)
    await encoder.encode(['mat'], OPTIONS)
    const mixed = await encoder.encode(['sun', 'rain', 'dog', 'mat'], asked)
    expect(encoder.load().cache?.hits).toBe(3)
    const scores = mixed.scores as Float32Array
    expect(scores[0]).toBe(fresh.scores?.[2])
    expect(scores[2]).toBe(fresh.scores?.[1])
    expect(rowOf(mixed.vectors, 2)).toEqual(rowOf(fresh.vectors, 1))
    expect([...mixed.tokens]).toEqual([3, 3, 3, 3])
    for (const [row, text] of ['sun', 'rain', 'dog', 'mat'].entries()) {
      const x = tinyEmbedding(idsOf(text))
      const expected = x.reduce((sum, value, d) => sum + value * d, 1)
      expect(scores[row]).toBeCloseTo(expected, 4)
    }
  })

  test('forgets the least recently used within its bound', async () => {
    const encoder = await open({ workers: 1, resultCacheBytes: 5_000 })
    for (const text of differentTexts(100)) await encoder.encode([text], OPTIONS)
    const { entries = 0, bytes = 0 } = encoder.load().cache ?? {}
    expect(entries).toBeGreaterThan(5)
    expect(bytes).toBeLessThanOrEqual(5_000)
  })
})

describe('deadlines', () => {
  test('a request that is not done in time fails and leaves the queue', async () => {
    const encoder = await open({ workers: 1 })
    const late = encoder.encode(differentTexts(5000), { ...OPTIONS, timeoutMs: 1 })
    await expect(late).rejects.toMatchObject({ code: 'deadline_exceeded' })
    expect(encoder.load().queuedInputs).toBe(0)
    await encoder.encode(['cat'], { ...OPTIONS, timeoutMs: 60_000 })
  })

  test('a wait that would be too long for the caller is refused at once', async () => {
    const encoder = await open({ workers: 1 })
    await encoder.encode(differentTexts(500), OPTIONS)
    const first = encoder.encode(differentTexts(8000), OPTIONS)
    const hasty = encoder.encode(['the sun'], { ...OPTIONS, timeoutMs: 1 })
    await expect(hasty).rejects.toMatchObject({
      code: expect.stringMatching(/overloaded|deadline/),
    })
    await first
  })
})

describe('workers that end', () => {
  let faultyUrl: URL
  beforeAll(async () => {
    faultyUrl = await bundleWorker('test/fakes/faulty-worker.ts')
  })

  test('what they did is done by others', async () => {
    const encoder = await open({ workerUrl: faultyUrl })
    const mark = join(folder, 'once')
    const texts = [...differentTexts(300), `END-ONCE ${mark}`]
    const [batch, other] = await Promise.all([
      encoder.encode(texts, OPTIONS),
      encoder.encode(['the dog'], OPTIONS),
    ])
    texts.slice(0, 300).forEach((text, i) => {
      expectClose(rowOf(batch.vectors, i), tinyEmbedding(idsOf(text)))
    })
    expectClose([...other.vectors], tinyEmbedding(idsOf('the dog')))
    expect(encoder.load().workerCrashes).toBe(1)
  })

  test('an input that ends every worker fails alone', async () => {
    const encoder = await open({ workerUrl: faultyUrl })
    const texts = differentTexts(7)
    const results = await Promise.allSettled([
      ...texts.map((text) => encoder.encode([text], OPTIONS)),
      encoder.encode(['dog', 'END-WORKER'], OPTIONS),
      encoder.encode(['the sun', 'the mat'], OPTIONS),
    ])
    const states = results.map(({ status }) => status)
    expect(states).toEqual([...Array(7).fill('fulfilled'), 'rejected', 'fulfilled'])
    expect(results[7]).toMatchObject({
      reason: { code: 'internal', message: expect.stringContaining('a fault in a run') },
    })
    expectClose([...(await encoder.encode(['dog'], OPTIONS)).vectors], tinyEmbedding(idsOf('dog')))
  })
})

describe('loading', () => {
  test('says what runs', async () => {
    const encoder = await open()
    expect(encoder.info).toMatchObject({
      name: 'tiny',
      version: 1,
      dimension: TINY_DIMENSION,
      fingerprint: 'a'.repeat(64),
      precision: 'float32',
      device: 'cpu',
      workers: 2,
    })
  })

  test('refuses an altered, cut or missing file by name and hash', async () => {
    const other = await mkdtemp(join(tmpdir(), 'tiny-broken-'))
    const broken = await writeTinyEncoder(other)
    const load = () => open({ artifactDir: other, manifest: broken })
    await rm(join(other, 'float32.data'))
    await expect(load()).rejects.toThrow(/float32\.data.*missing/)
    await writeFile(
      join(other, 'float32.data'),
      Buffer.alloc(broken.files['float32.data']?.bytes ?? 0),
    )
    await expect(load()).rejects.toMatchObject({
      code: 'artifact_corrupt',
      message: expect.stringMatching(/float32\.data.*[0-9a-f]{64}.*[0-9a-f]{64}/),
    })
    await truncate(join(other, 'tokenizer.json'), 10)
    await expect(load()).rejects.toThrow(/tokenizer\.json.* 10 bytes/)
    await rm(other, { recursive: true })
  })

  test('refuses vectors that differ from the golden ones', async () => {
    const golden = [{ text: 'cat sat', vectors: { float32: tinyRow(9) } }]
    await expect(open({ manifest: { ...manifest, golden } })).rejects.toMatchObject({
      code: 'self_test_failed',
      message: expect.stringMatching(/tiny float32.*cosine/),
    })
  })

  test('refuses a precision that the artifact lacks', async () => {
    await expect(open({ precision: 'int8' })).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringContaining('float32'),
    })
  })

  test('without a GPU, cuda fails clearly', async () => {
    await expect(open({ device: 'cuda' })).rejects.toMatchObject({
      code: 'invalid_config',
      message: expect.stringMatching(/device cuda .* use cpu or auto/s),
    })
  })
})
