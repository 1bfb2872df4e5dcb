import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, describe, expect, test } from 'vitest'
import { readManifest } from '../../../shared/encoders/encoder-artifacts.ts'
import { exportImageEncoder } from '../../../shared/exporter/export-image-encoder.ts'
import { listLayers } from '../../../shared/exporter/image/list-layers.ts'
import {
  fromPreprocessorConfig,
  preprocessorConfigSchema,
} from '../../../shared/exporter/source/preprocessor-config.ts'
import type { ImageEncoderManifest } from '../../../shared/lib/manifests/encoder-manifest.ts'
import { parseModel } from '../../../shared/onnx/reader.ts'
import { serializeModel } from '../../../shared/onnx/writer.ts'
import { createEngine, goldenJob } from '../../../shared/runtime/open-engine.ts'
import {
  buildTinyImageNetwork,
  tinyImageConfig,
  writeTinyImageFolder,
} from '../../fakes/tiny-image-network.ts'
import { sharedPath } from '../../shared-folder.ts'

const work = mkdtempSync(join(tmpdir(), 'espalier-image-export-'))
afterAll(() => rmSync(work, { recursive: true, force: true }))
let count = 0
const fresh = (name: string) => join(work, `${++count}`, name)

async function exportTiny(
  given: Parameters<typeof writeTinyImageFolder>[1] = {},
  layer?: string,
): Promise<{ manifest: ImageEncoderManifest; output: string }> {
  const [folder, output] = [fresh('tiny'), fresh('encoder')]
  await writeTinyImageFolder(folder, given)
  return { manifest: await exportImageEncoder({ folder, output, layer }), output }
}

/** Vectors of images, row by row. */
async function encode(
  artifactDir: string,
  manifest: ImageEncoderManifest,
  files: readonly Uint8Array[],
): Promise<Float32Array[]> {
  const engine = await createEngine({ artifactDir, manifest, precision: 'float32', device: 'cpu' })
  const { vectors, failures } = await engine.run(goldenJob(files))
  await engine.release()
  expect(failures).toEqual([])
  return files.map((_, i) => vectors.subarray(i * manifest.dimension, (i + 1) * manifest.dimension))
}

describe('export', () => {
  test('cuts before the classifier by default, and at any other layer', async () => {
    const { manifest, output } = await exportTiny()
    expect(manifest).toMatchObject({
      modality: 'image',
      name: 'tiny',
      layer: 'features',
      dimension: 4,
      pooling: 'none',
      graphs: { float32: { inputs: [{ name: 'image', role: 'pixels', type: 'float32' }] } },
    })
    expect(await readManifest(output)).toEqual(manifest)
    expect(readdirSync(output).sort()).toEqual(['encoder.json', 'float32.onnx'])
    const graph = parseModel(readFileSync(join(output, 'float32.onnx')))
    expect(graph.initializers.map(({ name }) => name)).not.toContain('w3')
    expect(graph.inputs[0]?.shape).toEqual(['batch', 3, 8, 8])
    const inner = await exportTiny({}, 'relu')
    expect(inner.manifest).toMatchObject({ layer: 'relu', dimension: 4, pooling: 'mean' })
    expect(inner.manifest.family).not.toBe(manifest.family)
  })

  test('lists layers with operator, shape and the parameters below', async () => {
    const folder = fresh('tiny')
    await writeTinyImageFolder(folder)
    expect(await listLayers(folder)).toEqual({
      layers: [
        { name: 'relu', operator: 'Relu', shape: [4, 8, 8], parameters: 112 },
        { name: 'sum', operator: 'Add', shape: [4, 8, 8], parameters: 256 },
        { name: 'mean', operator: 'GlobalAveragePool', shape: [4, 1, 1], parameters: 256 },
        { name: 'features', operator: 'Flatten', shape: [4], parameters: 256 },
        { name: 'scores', operator: 'Gemm', shape: [3], parameters: 271 },
      ],
      chosen: 'features',
      blocks: ['relu'],
    })
  })

  test('gives the same family and vectors from float16 and from float32 of the same numbers', async () => {
    const full = await exportTiny()
    const half = await exportTiny({ graph: buildTinyImageNetwork('float16') })
    expect(half.manifest.family).toBe(full.manifest.family)
    expect(half.manifest.golden).toEqual(full.manifest.golden)
    const config = tinyImageConfig()
    config.preprocessing.channels = 'bgr'
    const other = await exportTiny({ config })
    expect(other.manifest.family).not.toBe(full.manifest.family)
  })

  test('an image of which nothing is left has the vector of zeros', async () => {
    const graph = buildTinyImageNetwork()
    const positive = graph.initializers.map((tensor) => {
      const sign = tensor.name === 'b1' ? 0 : 1
      const values = tensor.data as Float32Array
      return { ...tensor, data: values.map((value) => sign * Math.abs(value)) }
    })
    const { manifest, output } = await exportTiny(
      { graph: { ...graph, initializers: positive } },
      'relu',
    )
    const background = { r: 9, g: 9, b: 9 }
    const file = await sharp({ create: { width: 20, height: 20, channels: 3, background } })
      .png()
      .toBuffer()
    expect([...(await encode(output, manifest, [file]))[0]!]).toEqual([0, 0, 0, 0])
  })

  test('refuses what it cannot export, by the file and the fix, and leaves nothing behind', async () => {
    const graph = buildTinyImageNetwork()
    const wide = { ...tinyImageConfig().preprocessing, width: 9 }
    const cases: [Parameters<typeof exportTiny>, string, RegExp][] = [
      [[{}, 'nowhere'], 'invalid_request', /no layer nowhere; .*features, scores/],
      [[{ graph: Buffer.from('{}') }], 'invalid_model_file', /model\.onnx: not an ONNX file/],
      [
        [{ graph: buildTinyImageNetwork('float32', 9) }],
        'unsupported_model',
        /inputs are image float32 \[1, 3, 9, 9\]; one of .* \[batch, 3, 8, 8\]/,
      ],
      [
        [{ graph: { ...graph, nodes: graph.nodes.map((n) => ({ ...n, op: `${n.op}X` })) } }],
        'invalid_model_file',
        /ONNX Runtime refuses it/,
      ],
      [[{ config: { modality: 'image' } }], 'invalid_model_file', /how are images prepared/],
      [
        [{ config: { modality: 'image', preprocessing: wide, layer: 'mean' } }],
        'unsupported_model',
        /\[batch, 3, 8, 9\]/,
      ],
      [
        [{ config: { ...tinyImageConfig(), colour: 'red' } }],
        'invalid_model_file',
        /espalier\.json.*colour/,
      ],
    ]
    for (const [given, code, message] of cases) {
      const error = await exportTiny(...given).catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
    }
    await expect(exportImageEncoder({ folder: work, output: fresh('x') })).rejects.toMatchObject({
      code: 'invalid_model_file',
      message: expect.stringMatching(/has no model\.onnx/),
    })
  })

  test('reads weights beside the model, and nothing outside its folder', async () => {
    const folder = fresh('tiny')
    const model = serializeModel(buildTinyImageNetwork(), { file: 'weights.bin', minBytes: 8 })
    await writeTinyImageFolder(folder, { graph: model.graph })
    const run = () => exportImageEncoder({ folder, output: fresh('encoder') })
    await expect(run()).rejects.toThrow(/weights of w1 in weights\.bin are missing/)
    await writeFile(join(folder, 'weights.bin'), Buffer.concat(model.data).subarray(0, 300))
    await expect(run()).rejects.toThrow(/weights of w1 .* end after its 300 bytes/)
    await writeFile(join(folder, 'weights.bin'), Buffer.concat(model.data))
    expect((await run()).family).toBe((await exportTiny()).manifest.family)
    const [elsewhere, linked] = [fresh('other'), fresh('linked')]
    await mkdir(elsewhere, { recursive: true })
    copyFileSync(join(folder, 'weights.bin'), join(elsewhere, 'weights.bin'))
    await writeTinyImageFolder(linked, { graph: model.graph })
    symlinkSync(join(elsewhere, 'weights.bin'), join(linked, 'weights.bin'))
    const linkedExport = exportImageEncoder({ folder: linked, output: fresh('encoder') })
    await expect(linkedExport).rejects.toThrow(/outside the folder/)
  })
})

describe('preprocessor_config.json', () => {
  const normal = { image_mean: [0.5, 0.4, 0.3], image_std: [0.2, 0.2, 0.2] }
  const read = (config: object) =>
    fromPreprocessorConfig(preprocessorConfigSchema.parse({ ...normal, ...config }))

  test.each<[string, object, object]>([
    [
      'EfficientNet',
      { size: { height: 224, width: 224 }, crop_pct: 0.875, do_center_crop: true, resample: 3 },
      {
        width: 224,
        crop: 'center',
        resize: { rule: 'shortest-edge', size: 256, interpolation: 'cubic' },
      },
    ],
    [
      'CLIP',
      { size: { shortest_edge: 224 }, crop_size: 224, do_center_crop: true, resample: 3 },
      {
        width: 224,
        crop: 'center',
        resize: { rule: 'shortest-edge', size: 224, interpolation: 'cubic' },
      },
    ],
    [
      'ViT',
      { size: 224, resample: 2 },
      { width: 224, crop: 'none', resize: { rule: 'exact', size: 224, interpolation: 'linear' } },
    ],
    [
      'ConvNeXT',
      { size: { shortest_edge: 224 }, crop_pct: 0.875, resample: 1 },
      { crop: 'center', resize: { rule: 'shortest-edge', size: 256, interpolation: 'lanczos3' } },
    ],
    [
      'ConvNeXT at 384',
      { size: { shortest_edge: 384 }, crop_pct: 1 },
      { width: 384, crop: 'none', resize: { rule: 'exact', size: 384, interpolation: 'linear' } },
    ],
    [
      'a crop from a square',
      {
        size: { height: 256, width: 256 },
        crop_size: { height: 192, width: 224 },
        do_center_crop: true,
      },
      { width: 224, height: 192, crop: 'center', resize: { rule: 'exact', size: 256 } },
    ],
    [
      'Caffe',
      { size: 224, do_rescale: false, image_std: [1, 1, 1], channel_order: 'BGR' },
      { channels: 'bgr', scale: 1, mean: [0.5, 0.4, 0.3], std: [1, 1, 1] },
    ],
    ['no normalisation', { size: 32, do_normalize: false }, { mean: [0, 0, 0], std: [1, 1, 1] }],
  ])('of %s', (_, config, expected) => {
    expect(read(config)).toMatchObject(expected)
  })

  test.each<[object, RegExp]>([
    [{ size: 224, resample: 0 }, /resample 0; supported: 1 \(lanczos3\)/],
    [{ size: 224, do_resize: false }, /do_resize false/],
    [{ size: { shortest_edge: 224 } }, /shortest_edge without do_center_crop/],
    [{ size: 224, crop_size: 256, do_center_crop: true }, /crop of 256 x 256 from 224/],
    [{ size: 224, image_mean: undefined }, /image_mean/],
  ])('says what it does not read in %j', (config, message) => {
    expect(() => read(config)).toThrow(message)
  })
})

const model = sharedPath('models', 'squeezenet1.0-fp16', 'model.onnx')
const samples = sharedPath('data', 'images', 'imagenet-samples')
describe.skipIf(model === null || samples === null)('SqueezeNet 1.0 in float16, BGR', () => {
  test('names at least 62 of 100 ImageNet samples', async () => {
    const resize = { rule: 'shortest-edge', size: 256, interpolation: 'cubic' }
    const [folder, output] = [fresh('squeezenet'), fresh('encoder')]
    const values = { channels: 'bgr', scale: 1, mean: [104, 117, 123], std: [1, 1, 1] }
    const preprocessing = { width: 224, height: 224, resize, crop: 'center', ...values }
    await writeTinyImageFolder(folder, {
      graph: readFileSync(model!),
      config: { modality: 'image', preprocessing },
    })
    const manifest = await exportImageEncoder({ folder, output, layer: 'pool10_1' })
    expect(manifest).toMatchObject({ dimension: 1000, pooling: 'mean' })
    const files = readdirSync(samples!).sort()
    const rows = await encode(
      output,
      manifest,
      files.map((file) => readFileSync(join(samples!, file))),
    )
    // The samples are every tenth class, in the order of the classes.
    const right = rows.filter((row, i) => row.indexOf(Math.max(...row)) === 10 * i)
    expect(right.length).toBeGreaterThanOrEqual(62)
  })
})
