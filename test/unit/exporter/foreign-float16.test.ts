import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { prepareArtifact } from '../../../shared/encoders/encoder-artifacts.ts'
import { exportEncoder } from '../../../shared/exporter/export-encoder.ts'
import { inspectFolder } from '../../../shared/exporter/inspect-folder.ts'
import type {
  Precision,
  TextEncoderManifest,
} from '../../../shared/lib/manifests/encoder-manifest.ts'
import { print } from '../../../shared/lib/wording.ts'
import { GraphBuilder } from '../../../shared/onnx/graph.ts'
import { halveProducts } from '../../../shared/onnx/halve-products.ts'
import { serializeModel } from '../../../shared/onnx/writer.ts'
import { createEngine, goldenJob } from '../../../shared/runtime/open-engine.ts'
import { openSession } from '../../../shared/runtime/session.ts'
import { writeTinyTextGraph } from '../../fakes/tiny-text-graph.ts'

/** A graph that torch.onnx wrote, with what sentence-transformers gives; see test/golden/make-checkpoints.py. */
const checkpoint = fileURLToPath(new URL('../../golden/checkpoints/onnx-mean/', import.meta.url))
const work = mkdtempSync(join(tmpdir(), 'espalier-half-'))
const folder = join(work, 'model')
afterAll(() => rmSync(work, { recursive: true, force: true }))
beforeEach(() => {
  rmSync(folder, { recursive: true, force: true })
  cpSync(checkpoint, folder, { recursive: true })
})

interface Expected {
  readonly items: readonly { readonly text: string; readonly vector: readonly number[] }[]
}
const { items } = JSON.parse(readFileSync(join(checkpoint, 'expected.json'), 'utf8')) as Expected

let outputs = 0
async function run(precisions: readonly Precision[]) {
  const output = join(work, `out-${outputs++}`)
  const notes: string[] = []
  const onNote = (note: Parameters<typeof print>[0]) => void notes.push(print(note))
  const manifest = await exportEncoder({ folder, output, precisions, onNote })
  return { manifest, output, notes }
}

async function vectorsOf(output: string, manifest: TextEncoderManifest, precision: Precision) {
  const engine = await createEngine({ artifactDir: output, manifest, precision, device: 'cpu' })
  try {
    const { vectors } = await engine.run(goldenJob(items.map(({ text }) => text)))
    return items.map((_, row) => {
      return [...vectors.subarray(row * manifest.dimension, (row + 1) * manifest.dimension)]
    })
  } finally {
    await engine.release()
  }
}

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = (x: readonly number[], y: readonly number[]) =>
    x.reduce((sum, value, at) => sum + value * (y[at] as number), 0)
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
}

describe("float16 of somebody's graph", () => {
  it('gives the vectors of the reference library, from files of half the size', async () => {
    const { manifest, output, notes } = await run(['float32', 'float16'])
    expect(notes).toEqual([])
    expect(Object.keys(manifest.graphs).sort()).toEqual(['float16', 'float32'])
    for (const [at, vector] of (await vectorsOf(output, manifest, 'float16')).entries()) {
      const { text, vector: wanted } = items[at]!
      expect(cosine(vector, wanted), text).toBeGreaterThanOrEqual(0.9999)
    }
    const sizeOf = (...names: string[]) =>
      names.reduce((sum, name) => sum + statSync(join(output, name)).size, 0)
    const { file, data } = manifest.graphs.float16!
    expect(sizeOf(file, data!)).toBeLessThan(0.75 * sizeOf('model.onnx'))
  })

  it('changes nothing of float32, and is of its family', async () => {
    const alone = await run(['float32'])
    const both = await run(['float32', 'float16'])
    expect(both.manifest.graphs.float32).toEqual(alone.manifest.graphs.float32)
    expect(both.manifest.family).toBe(alone.manifest.family)
    const { float16, float32 } = both.manifest.graphs
    expect(float16?.fingerprint).not.toBe(float32?.fingerprint)
  })

  it('stands alone where nothing else is asked for', async () => {
    const { manifest, output } = await run(['float16'])
    expect(Object.keys(manifest.graphs)).toEqual(['float16'])
    expect(readdirSync(output).sort()).toEqual(
      [...Object.keys(manifest.files), 'encoder.json'].sort(),
    )
    expect(readdirSync(output)).not.toContain('model.onnx')
    expect(await vectorsOf(output, manifest, 'float16')).toHaveLength(items.length)
  })

  it('is made in the cache where an encoder is wanted in it', async () => {
    const { manifest } = await prepareArtifact(
      { builtinFolder: work, cacheFolder: work, calibrationTexts: 'none', threads: 1 },
      { encoder: folder, precision: 'float16' },
    )
    expect(Object.keys(manifest.graphs)).toEqual(['float16'])
  })

  it('is left out of a graph without products, with a note', async () => {
    rmSync(join(folder, 'onnx/model.onnx'))
    writeTinyTextGraph(folder, 'onnx/model.onnx')
    const { manifest, output, notes } = await run(['float16'])
    expect(Object.keys(manifest.graphs)).toEqual(['float32'])
    expect(notes).toEqual(['float16 is left out: it has no matrix products by constant weights'])
    expect(readdirSync(output)).not.toContain('float16.onnx')
  })

  it.each([
    ['large values', 3e4, 'its values are too large for float16'],
    // Numbers that are equal but for what float16 drops, of which the difference is taken.
    ['small differences', 1, /it moves texts to cosine -?\d\.\d+ of float32/],
  ])('is left out of a graph with %s, with a note', async (_what, scale, why) => {
    writeDelicateGraph(scale)
    const { manifest, output, notes } = await run(['float32', 'float16'])
    expect(Object.keys(manifest.graphs)).toEqual(['float32'])
    expect(notes).toEqual([expect.stringMatching(why)])
    expect(readdirSync(output).sort()).toEqual(
      [...Object.keys(manifest.files), 'encoder.json'].sort(),
    )
  })

  it('is left out of a graph of the first operator sets, with a note', async () => {
    writeDelicateGraph(1, 8)
    const { notes } = await run(['float16'])
    expect(notes).toEqual(['float16 is left out: its operator set is 8, before 9'])
  })

  it('is among what an inspection says, where it can be had', async () => {
    expect((await inspectFolder(folder, {})).encoder?.precisions).toEqual(['float32', 'float16'])
    writeTinyTextGraph(folder, 'onnx/model.onnx')
    expect((await inspectFolder(folder, {})).encoder?.precisions).toEqual(['float32'])
  })
})

/** Looks rows up, multiplies them, and takes 2,048 times `scale` away again. */
function writeDelicateGraph(scale: number, opset = 17): void {
  const g = new GraphBuilder('delicate', opset)
  const ids = g.input('input_ids', 'int64', ['batch', 'tokens'])
  const rows = Float32Array.from({ length: 237 * 4 }, (_, i) => scale * (2_048 + Math.sin(i * i)))
  const table = g.constant(
    'table',
    'float32',
    [237, 4],
    rows.map((value) => value / 2_048),
  )
  const square = Float32Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? 2_048 : 0))
  const weights = g.constant('weights', 'float32', [4, 4], square)
  const product = g.op('MatMul', [g.op('Gather', [table, ids]), weights])
  const states = g.op('Sub', [product, g.scalar(scale * 2_048)])
  g.output('last_hidden_state', states, 'float32', ['batch', 'tokens', 4])
  writeFileSync(join(folder, 'onnx/model.onnx'), serializeModel(g.build()).graph)
}

describe('halved products', () => {
  it('are those of MatMul, Gemm and Gather by constants, and no others', async () => {
    const g = new GraphBuilder('products')
    const x = g.input('x', 'float32', ['rows', 2])
    const at = g.input('at', 'int64', ['rows'])
    // All that is multiplied and added is exact in float16.
    const shared = g.constant('shared', 'float32', [2, 2], Float32Array.of(1, 2, 3, 4))
    const huge = g.constant('huge', 'float32', [2, 2], Float32Array.of(1e6, 0, 0, 1e6))
    const bias = g.constant('bias', 'float32', [2], Float32Array.of(0.5, -0.5))
    const looked = g.op('Gather', [shared, at])
    const plain = g.op('MatMul', [g.op('Add', [x, looked]), shared])
    const gemm = g.op('Gemm', [plain, shared, bias], { transB: 1, alpha: { float: 0.5 } })
    const bare = g.op('Gemm', [gemm, shared])
    const free = g.op('MatMul', [bare, g.op('Transpose', [x])])
    g.output('free', free, 'float32', ['rows', 'rows'])
    g.output('kept', g.op('MatMul', [x, huge]), 'float32', ['rows', 2])
    const whole = g.build()
    const { graph, products } = halveProducts(whole)
    expect(products).toBe(3)
    const types = graph.initializers.map(({ name, type }) => [name, type])
    expect(types).toContainEqual(['huge', 'float32'])
    expect(types).toContainEqual(['shared:half', 'float16'])
    expect(types.map(([name]) => name)).not.toContain('shared')
    const feeds = {
      x: { data: Float32Array.of(1, -1, 2, 0.5), dims: [2, 2] },
      at: { data: BigInt64Array.of(1n, 0n), dims: [2] },
    }
    const answers = []
    for (const each of [whole, graph]) {
      const session = await openSession(serializeModel(each).graph)
      answers.push(await session.run(feeds))
      await session.release()
    }
    expect(answers[1]).toEqual(answers[0])
  })
})
