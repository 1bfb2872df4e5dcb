/**
 * Makes infra/models/efficientnet-lite0 from the original float32 network: cut before its output layer, weights
 * rounded to float16, int8 learned from drawn images, golden vectors of the result; and infra/heads' classifier
 * `imagenet`, which is that output layer. The names of its classes are those of infra/imagenet-labels.txt, in the
 * order of the network.
 *
 *   npx tsx infra/make-builtin-image-encoder.ts <folder of efficientnet-lite0>
 */
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exportImageEncoder } from '../shared/exporter/export-image-encoder.ts'
import { hashFile } from '../shared/exporter/source/model-file.ts'
import { readOnnxFile } from '../shared/exporter/source/onnx-file.ts'
import { encodeHead } from '../shared/head/encode.ts'
import { silentLogger } from '../shared/lib/logger.ts'
import { HEAD_FILE } from '../shared/lib/manifests/head-header.ts'
import { decodeFloat16, encodeFloat16 } from '../shared/lib/maths/float16.ts'
import { cutGraph } from '../shared/onnx/cut.ts'
import type { Graph, Initializer } from '../shared/onnx/graph.ts'
import { serializeModel } from '../shared/onnx/writer.ts'
import { describeHead } from '../shared/versions/head-version.ts'
import { openPlainRegistry } from '../shared/versions/open-model-registry.ts'

const NAME = 'efficientnet-lite0'
const HEAD_NAME = 'imagenet'
const LAYER = 'pooled'
const COPIED = ['LICENSE', 'preprocessor_config.json']

async function main(original: string | undefined): Promise<void> {
  if (!original) throw new Error('name the folder of the original model')
  const target = fileURLToPath(new URL(`models/${NAME}`, import.meta.url))
  await rm(target, { recursive: true, force: true })
  await mkdir(target, { recursive: true })
  for (const file of COPIED) {
    await copyFile(join(original, file), join(target, file))
    await chmod(join(target, file), 0o644)
  }
  const network = await readOnnxFile(join(original, 'model.onnx'))
  await writeFile(join(target, 'model.onnx'), serializeModel(toHalf(network)).graph)
  const config = { modality: 'image', layer: LAYER, outputs: [HEAD_NAME] }
  await writeFile(join(target, 'espalier.json'), `${JSON.stringify(config, null, 2)}\n`)
  const { family, dimension } = await writeLearned(target)
  const files: Record<string, { sha256: string; bytes: number }> = {}
  for (const file of [
    ...COPIED,
    'espalier.json',
    'calibration.json',
    'golden.json',
    'model.onnx',
  ]) {
    files[file] = await hashFile(join(target, file))
  }
  const list = { schema: 1, name: NAME, license: 'Apache-2.0', family, dimension, files }
  await writeFile(join(target, 'source.json'), `${JSON.stringify(list, null, 2)}\n`)
  await publishHead(network, family, dimension)
}

/** The part below the output layer, in float16 throughout. */
function toHalf(network: Graph): Graph {
  const cut = cutGraph(network, [LAYER])
  const half = (type: Initializer['type']) => (type === 'float32' ? 'float16' : type)
  return {
    ...cut,
    inputs: cut.inputs.map((input) => ({ ...input, type: half(input.type) })),
    initializers: cut.initializers.map((tensor) => {
      if (tensor.type !== 'float32') return tensor
      return { ...tensor, type: 'float16', data: encodeFloat16(tensor.data as Float32Array) }
    }),
    outputs: network.outputs
      .filter(({ name }) => name === LAYER)
      .map((output) => ({ ...output, type: half(output.type) })),
  }
}

/** What int8 has learned, and golden vectors. */
async function writeLearned(target: string): Promise<{ family: string; dimension: number }> {
  const scratch = await mkdtemp(join(tmpdir(), 'espalier-'))
  try {
    const output = join(scratch, 'encoder')
    const precisions = ['float32', 'int8'] as const
    const manifest = await exportImageEncoder({ folder: target, output, precisions, threads: 2 })
    await copyFile(join(output, 'calibration.json'), join(target, 'calibration.json'))
    const { golden, family, dimension } = manifest
    await writeFile(join(target, 'golden.json'), `${JSON.stringify({ golden })}\n`)
    return { family, dimension }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** The output layer as a head on pooled vectors, the first version of its name. */
async function publishHead(network: Graph, family: string, dimension: number): Promise<void> {
  const heads = new URL('heads/', import.meta.url)
  await removeHead(fileURLToPath(heads))
  const labelFile = new URL('imagenet-labels.txt', import.meta.url)
  const labels = (await readFile(labelFile, 'utf8')).trimEnd().split('\n')
  const gemm = network.nodes.find(({ op, inputs }) => op === 'Gemm' && inputs[0] === LAYER)
  const read = (at: number, dims: readonly number[]): Float32Array => {
    const tensor = network.initializers.find(({ name }) => name === gemm?.inputs[at])
    if (tensor?.data instanceof Float32Array && `${tensor.dims}` === `${dims}`) return tensor.data
    throw new Error(`the output layer's input ${at} is not float32 [${dims.join(', ')}]`)
  }
  if (gemm?.attributes.transB !== 1) throw new Error('the output layer is not as it was')
  const head = {
    family,
    dimension,
    reads: 'pooled' as const,
    labels,
    activation: 'softmax' as const,
    weights: decodeFloat16(encodeFloat16(read(1, [labels.length, dimension]))),
    bias: read(2, [labels.length]),
    temperature: 1,
    memory: null,
    adjustment: null,
    thresholds: null,
    detector: null,
  }
  const bytes = encodeHead(head, { weights: 'float16' })
  const registry = await openPlainRegistry({ url: heads.href, log: silentLogger })
  const why = `the output layer that ${NAME} was trained with`
  const { version } = await registry.publish({
    name: HEAD_NAME,
    kind: 'classifier',
    family,
    description: `ImageNet's 1,000 classes: ${why}`,
    metadata: describeHead(head, { method: 'output layer', why, headBytes: bytes.length }),
    lineage: { encoder: `${NAME}@v1`, method: 'output layer' },
    files: [{ path: HEAD_FILE, source: { bytes } }],
  })
  await registry.promote(HEAD_NAME, version.version, { reason: 'built in' })
  for (const name of ['.tmp', '.locks']) {
    await rm(fileURLToPath(new URL(name, heads)), { recursive: true, force: true })
  }
}

/** What an earlier run has made. */
async function removeHead(heads: string): Promise<void> {
  const model = join(heads, 'models', HEAD_NAME)
  const manifest = await readFile(join(model, 'versions/1.json'), 'utf8').catch(() => null)
  if (manifest === null) return
  const { files } = JSON.parse(manifest) as { files: { sha256: string }[] }
  for (const { sha256 } of files) await rm(join(heads, 'blobs/sha256', sha256))
  await rm(model, { recursive: true })
}

await main(process.argv[2])
