import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { readImageNetwork } from '../../../shared/exporter/image/image-network.ts'
import { layerBelowBlocks } from '../../../shared/exporter/image/transfer-blocks.ts'
import { chooseLayer, listTransferLayers } from '../../../shared/exporter/image/transfer-layers.ts'
import { readImageFolder } from '../../../shared/exporter/source/image-folder.ts'
import { buildTrainingGraph } from '../../../shared/finetune/graph/training-graph.ts'
import { createImageTrunk } from '../../../shared/finetune/image/image-trunk.ts'
import { serializeModel } from '../../../shared/onnx/writer.ts'
import { type NamedTensor, openSession } from '../../../shared/runtime/session.ts'
import { type Digest, difference, digest, pseudoRandom } from './gradient-digest.ts'

/** What PyTorch computed; see test/golden/make-finetune-images.py. */
interface Golden {
  readonly below: string
  /** Of the features. */
  readonly spread: number
  readonly loss: number
  readonly gradientNorm: number
  readonly gradients: Readonly<Record<string, Digest>>
}

/** The product's bar, relative to the largest gradient of a tensor. */
const TOLERANCE = 2e-5
const [ROWS, CLASSES] = [2, 3]
const folder = fileURLToPath(new URL('../../../infra/models/efficientnet-lite0', import.meta.url))
const path = fileURLToPath(new URL('../../golden/finetune-images.json', import.meta.url))
const golden = JSON.parse(readFileSync(path, 'utf8')) as Golden

it('gradients of the last three blocks of the built-in image network are those of PyTorch', async () => {
  const source = await readImageFolder(folder, { name: 'base' })
  const network = await readImageNetwork(source)
  const layers = await listTransferLayers(network)
  const layer = chooseLayer(network, layers, source.layer)
  const below = layerBelowBlocks(layers, layer, 3)
  expect(below.name).toBe(golden.below)
  const trunk = createImageTrunk({ network, layer, below })
  const training = buildTrainingGraph({
    trunk,
    loss: { kind: 'cross-entropy', smoothing: 0 },
    classes: CLASSES,
    initialHead: {
      weight: pseudoRandom(CLASSES * trunk.dimension, 1),
      bias: pseudoRandom(CLASSES, 0.2),
    },
    classWeights: null,
  })
  const size = below.shape.reduce((product, dim) => product * dim, ROWS)
  const targets = Float32Array.from({ length: ROWS * CLASSES }, (_, at) =>
    Number(at % CLASSES === Math.floor(at / CLASSES) % CLASSES),
  )
  const feeds: Record<string, NamedTensor> = {
    features: { data: pseudoRandom(size, golden.spread), dims: [ROWS, ...below.shape] },
    targets: { data: targets, dims: [ROWS, CLASSES] },
  }
  const { parameters, outputs } = training
  for (const { name, initial, dims } of parameters) feeds[name] = { data: initial, dims }
  const session = await openSession(serializeModel(training.graph).graph)
  const found = await session.run(feeds)
  await session.release()
  expect(found[outputs.loss]?.data[0]).toBeCloseTo(golden.loss, 5)
  const norm = Number(found[outputs.gradientNorm]?.data[0])
  expect(Math.abs(norm / golden.gradientNorm - 1)).toBeLessThan(TOLERANCE)
  const names = parameters.map(({ name }) => name)
  expect(names.sort()).toEqual(Object.keys(golden.gradients).sort())
  for (const [i, { name }] of training.parameters.entries()) {
    const gradient = found[outputs.gradients[i] as string]?.data as Float32Array
    const wanted = golden.gradients[name] as Digest
    expect(difference(digest(gradient), wanted), name).toBeLessThanOrEqual(TOLERANCE)
  }
})
