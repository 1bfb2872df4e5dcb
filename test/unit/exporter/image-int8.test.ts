import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type ExportImageEncoderOptions,
  exportImageEncoder,
} from '../../../shared/exporter/export-image-encoder.ts'
import type { ImageEncoderManifest } from '../../../shared/lib/manifests/encoder-manifest.ts'
import { createRandom } from '../../../shared/lib/maths/random.ts'
import { GraphBuilder } from '../../../shared/onnx/graph.ts'
import { parseModel } from '../../../shared/onnx/reader.ts'
import { openSession } from '../../../shared/runtime/session.ts'
import {
  buildMixedImageNetwork,
  MIXED_SIDE,
  mixedImageConfig,
} from '../../fakes/mixed-image-network.ts'
import { writeShapes } from '../../fakes/shapes.ts'
import { buildTinyImageNetwork, writeTinyImageFolder } from '../../fakes/tiny-image-network.ts'

const work = mkdtempSync(join(tmpdir(), 'espalier-image-int8-'))
const both = ['float32', 'int8'] as const
const mixed = join(work, 'mixed')
const images = join(work, 'images')
let count = 0
let drawn: Exported

interface Exported {
  readonly manifest: ImageEncoderManifest
  readonly output: string
}

beforeAll(async () => {
  await writeTinyImageFolder(mixed, { graph: buildMixedImageNetwork(), config: mixedImageConfig() })
  await writeShapes(images, 7, 20)
  drawn = await run({ precisions: both })
})
afterAll(() => rmSync(work, { recursive: true, force: true }))

async function run(options: Partial<ExportImageEncoderOptions>): Promise<Exported> {
  const output = join(work, `encoder-${++count}`)
  return { manifest: await exportImageEncoder({ folder: mixed, output, ...options }), output }
}

/** A copy of the mixed network's folder that brings the calibration of an export, changed as a test asks. */
async function bring(edit: (json: Stored) => void = () => {}): Promise<string> {
  const folder = join(work, `source-${++count}`)
  await writeTinyImageFolder(folder, {
    graph: buildMixedImageNetwork(),
    config: mixedImageConfig(),
  })
  const stored = JSON.parse(readFileSync(join(drawn.output, 'calibration.json'), 'utf8')) as Stored
  edit(stored)
  writeFileSync(join(folder, 'calibration.json'), JSON.stringify(stored))
  return folder
}

interface Stored {
  schema: number
  ranges: Record<string, [number, number]>
  sites: Record<string, { shift: number[]; rounding: string }>
}

function cosines({ golden }: ImageEncoderManifest): number[] {
  return golden.map(({ vectors: { float32 = [], int8 = [] } }) =>
    float32.reduce((sum, value, i) => sum + value * (int8[i] as number), 0),
  )
}

describe('int8 of an image network', () => {
  it('stays close to float32, learned from drawn images or from a folder of them', async () => {
    const { manifest, output } = await run({ calibration: images })
    expect(manifest).toMatchObject({
      quantization: { calibration: 'calibration.json' },
      family: drawn.manifest.family,
    })
    expect(Object.keys(manifest.graphs)).toEqual([...both])
    expect(Object.keys(manifest.files)).toContain('calibration.json')
    for (const cosine of [...cosines(manifest), ...cosines(drawn.manifest)]) {
      expect(cosine).toBeGreaterThan(0.997)
      expect(cosine).toBeLessThan(1)
    }
    expect(manifest.graphs.int8?.fingerprint).not.toBe(drawn.manifest.graphs.int8?.fingerprint)
    expect(manifest.graphs.float32).toEqual(drawn.manifest.graphs.float32)
    expect(readFileSync(join(output, 'float32.onnx'))).toEqual(
      readFileSync(join(drawn.output, 'float32.onnx')),
    )
  })

  it('runs every convolution in int8 and what lies between them in uint8', () => {
    const { nodes } = parseModel(readFileSync(join(drawn.output, 'int8.onnx')))
    const ops = nodes.map(({ op }) => op)
    expect(ops.filter((op) => op === 'QLinearConv')).toHaveLength(7)
    for (const op of ['Conv', 'Relu', 'Clip', 'Add']) {
      const rest = nodes.filter((node) => node.op === op && !node.name.startsWith('espalier.'))
      expect(rest, op).toEqual([])
    }
    // The image and the gate's product go in; the gate, its other factor and the last layer come out.
    expect(ops.filter((op) => op === 'QuantizeLinear')).toHaveLength(2)
    expect(ops.filter((op) => op === 'DequantizeLinear')).toHaveLength(3)
  })

  it('gives an image the same bits alone and in a batch', async () => {
    const session = await openSession(join(drawn.output, 'int8.onnx'))
    const size = 3 * MIXED_SIDE ** 2
    const random = createRandom(3)
    const batch = Float32Array.from({ length: 5 * size }, () => 4 * random.next() - 2)
    const encode = async (data: Float32Array) => {
      const dims = [data.length / size, 3, MIXED_SIDE, MIXED_SIDE]
      const result = await session.run({ image: { data, dims } }, ['espalier.embedding'])
      return result['espalier.embedding']?.data as Float32Array
    }
    const together = await encode(batch)
    for (let i = 0; i < 5; i++) {
      const alone = await encode(batch.slice(i * size, (i + 1) * size))
      expect(alone).toEqual(together.slice(12 * i, 12 * (i + 1)))
    }
    await session.release()
  })

  it('gives the same bytes whatever the threads, and from the calibration that it left', async () => {
    const two = await run({ precisions: both, threads: 2 })
    expect(two.manifest).toEqual(drawn.manifest)
    const folder = await bring()
    // A calibration at hand makes int8 the rule; without one float32 is.
    const again = await run({ folder })
    expect(again.manifest.graphs).toEqual(drawn.manifest.graphs)
    expect((await run({})).manifest.graphs).toEqual({ float32: drawn.manifest.graphs.float32 })
    const inner = await run({ folder, layer: 'first' })
    expect(inner.manifest.dimension).toBe(8)
    const stored = JSON.parse(readFileSync(join(inner.output, 'calibration.json'), 'utf8'))
    expect(Object.keys(stored.sites)).toEqual(['first'])
  })

  it('refuses a calibration that is not of the network, and images that are none', async () => {
    const few = join(work, 'few')
    await writeShapes(few, 2, 1)
    const damaged = join(work, 'damaged')
    await writeShapes(damaged, 7, 1)
    writeFileSync(join(damaged, 'bar', '0.jpg'), 'no image')
    const lacks = await bring(({ ranges }) => delete ranges.pool)
    const short = await bring(({ sites }) => sites.last?.shift ?? sites['last.relu']?.shift.pop())
    const other = await bring(({ sites }) => {
      const { left, right } = { left: sites['left.relu'], right: sites['right.relu'] }
      if (left && right) left.rounding = right.rounding
    })
    const newer = await bring((json) => {
      json.schema = 2
    })
    const cases: [Partial<ExportImageEncoderOptions>, string, RegExp][] = [
      [{ folder: lacks }, 'invalid_model_file', /there is no range of pool/],
      [{ folder: short }, 'invalid_model_file', /last\.relu does not hold 12 shifts/],
      [{ folder: other }, 'invalid_model_file', /calibration\.json: .*rounding/],
      [{ folder: newer }, 'invalid_model_file', /calibration\.json: schema/],
      [{ calibration: few }, 'invalid_data', /few: 6 images .*at least 20/],
      [{ calibration: damaged }, 'invalid_data', /bar\/0\.jpg is no image/],
      [{ calibration: join(work, 'none') }, 'invalid_data', /no such folder/],
      [{ precisions: ['float16'] }, 'invalid_request', /float16.*float32 and int8/],
    ]
    for (const [options, code, message] of cases) {
      const error = await run(options).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
    }
  })

  it('says where there is nothing to run in int8', async () => {
    const folder = join(work, 'none')
    const g = new GraphBuilder('plain')
    const image = g.input('image', 'float32', ['n', 3, MIXED_SIDE, MIXED_SIDE])
    const features = g.op('Relu', [image], {}, { outputs: ['features'] })
    g.output('features', features, 'float32', ['n', 3, MIXED_SIDE, MIXED_SIDE])
    const config = { ...mixedImageConfig(), layer: 'features' }
    await writeTinyImageFolder(folder, { graph: g.build(), config })
    await expect(run({ folder, precisions: ['int8'] })).rejects.toMatchObject({
      code: 'unsupported_model',
      message: expect.stringMatching(/no convolution of known weights: export it in float32/),
    })
  })

  it('takes networks of old operator sets, where their operators still mean the same', async () => {
    const [old, older] = [join(work, 'old'), join(work, 'older')]
    await writeTinyImageFolder(old, { graph: { ...buildTinyImageNetwork(), opset: 7 } })
    const { manifest } = await run({ folder: old, precisions: both })
    for (const cosine of cosines(manifest)) expect(cosine).toBeGreaterThan(0.99)
    const clipped = {
      graph: { ...buildMixedImageNetwork(), opset: 11 },
      config: mixedImageConfig(),
    }
    await writeTinyImageFolder(older, clipped)
    await expect(run({ folder: older, precisions: both })).rejects.toMatchObject({
      code: 'unsupported_model',
      message: expect.stringMatching(/older: int8 is for .* this one has opset 11/),
    })
  })
})
